"""Generation continues prompts as asked: likely ids, never forbidden ones, the same for the same seed."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.errors import UsageError
from ulmkit.lm.config import LMConfig
from ulmkit.lm.generate import generate, keep_likely
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM

V, UNK, BOS = 30, 0, 1


@pytest.fixture
def model() -> AWDLSTM:
    torch.manual_seed(0)
    model = AWDLSTM(V, LMConfig(embedding_size=8, hidden_size=12, layers=2))
    with torch.no_grad():
        model.embedding *= 20  # opinions strong enough to tell likely from unlikely
    model.identity = Identity("aaaaaaaaaaaa", V, BOS, "xx")
    return model


def test_a_row_does_not_depend_on_its_neighbours(model: AWDLSTM) -> None:
    prompts = [[BOS], [BOS, 5, 6, 7], [BOS, 9]]
    together = generate(model, prompts, length=10, temperature=0)
    assert together == [generate(model, [prompt], length=10, temperature=0)[0] for prompt in prompts]
    assert [len(row) for row in together] == [10, 10, 10]


def test_temperature_zero_takes_the_best_each_time(model: AWDLSTM) -> None:
    ids = [BOS, 4]
    for token in generate(model, [ids], length=6, temperature=0)[0]:
        model.reset()
        scores = model.eval().logits(torch.tensor(ids).unsqueeze(1))[-1, 0].clone()
        scores[BOS] = -torch.inf
        assert token == scores.argmax()
        ids.append(token)


@pytest.mark.parametrize("memory", [0, 20])
def test_a_long_prompt_is_read_many_ids_at_a_time_to_the_same_end(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one by one, with a pointer too, however the windows fall; 10,000 ids took half a minute one by one."""
    torch.manual_seed(0)
    model = AWDLSTM(V, LMConfig(embedding_size=8, hidden_size=12, layers=2, memory=memory))
    with torch.no_grad():
        model.embedding *= 20
    prompt = [BOS, *torch.randint(2, V, (100,)).tolist()]
    rows = []
    for window in (1, 7, 256):
        monkeypatch.setattr("ulmkit.lm.generate.READ_AT_ONCE", window)
        rows.append(generate(model, [prompt, [BOS]], length=40, temperature=0))
    assert rows[0] == rows[1] == rows[2]


def test_the_same_seed_gives_the_same_text(model: AWDLSTM) -> None:
    first, again, other = (generate(model, [[BOS]] * 3, temperature=1.5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("settings", [{"temperature": 5.0, "top_p": 1.0}, {"temperature": 0}, {"top_k": 3}])
def test_forbidden_ids_and_bos_never_come_out(model: AWDLSTM, settings: dict[str, Any]) -> None:
    rows = generate(model, [[BOS]] * 20, length=40, forbidden=[UNK, 7], **settings)
    assert not {UNK, BOS, 7} & {token for row in rows for token in row}


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_run_of_ids_comes_twice(model: AWDLSTM, n: int) -> None:
    """Neither one of the prompt nor one of the model's own; without the wish this model repeats itself."""

    def runs(ids: list[int]) -> list[tuple[int, ...]]:
        return [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]

    prompt = [BOS, 5, 6, 5]
    freely = prompt + generate(model, [prompt], length=20, temperature=0)[0]
    assert len(set(runs(freely))) < len(runs(freely))
    first, other = generate(model, [prompt, [BOS]], length=20, temperature=0, no_repeat=n)
    for ids in (prompt + first, [BOS, *other]):
        new = runs(ids)[max(0, 3 if ids[:4] == prompt else 0) :]
        assert len(set(new)) == len(new)
        assert len(ids) >= 21


def test_stop_ends_a_row_and_is_not_returned(model: AWDLSTM) -> None:
    rows = generate(model, [[BOS]] * 40, length=60, temperature=5.0, top_p=1.0, stop=BOS)
    assert not any(BOS in row for row in rows)
    assert len({len(row) for row in rows}) > 3  # chance ends them


@given(st.integers(1, 40), st.integers(0, 2**20))
def test_top_k_keeps_the_k_best(k: int, seed: int) -> None:
    scores = torch.randn(3, V, generator=torch.Generator().manual_seed(seed))
    kept = keep_likely(scores, top_k=k) > -torch.inf
    assert (kept.sum(1) == min(k, V)).all()
    for row, keep in zip(scores, kept, strict=True):
        assert keep.all() or row[keep].min() > row[~keep].max()


@given(st.floats(0.01, 0.99), st.integers(0, 2**20))
def test_top_p_keeps_the_smallest_set_that_holds_p(top_p: float, seed: int) -> None:
    scores = 3 * torch.randn(1, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    kept = keep_likely(scores, top_p=top_p)[0] > -torch.inf
    p = scores[0].softmax(0)
    assert p[kept].sum() >= top_p - 1e-9
    assert p[kept].sum() - p[kept].min() < top_p + 1e-9
    assert kept.any()


@pytest.mark.parametrize(
    ("prompts", "settings", "message"),
    [
        ([[]], {}, "prompt 0 is empty"),
        ([[BOS], [V]], {}, "id 30 in prompt 1"),
        ([[BOS]], {"temperature": -1}, "temperature -1"),
        ([[BOS]], {"top_p": 0}, "top_p 0"),
        ([[BOS]], {"forbidden": range(V)}, "every id is forbidden"),
        ([[BOS]], {"length": -1}, "length -1"),
        ([[BOS]], {"top_k": -1}, "top_k -1"),
        ([[BOS]], {"no_repeat": -1}, "no_repeat -1"),
        ([[BOS]], {"seed": -1}, "seed -1"),
        ([[BOS]], {"seed": 10**40}, "seed 1000"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    model: AWDLSTM, prompts: list[list[int]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generate(model, prompts, **settings)


def test_nothing_asked_nothing_given(model: AWDLSTM) -> None:
    assert generate(model, []) == []
    assert generate(model, [[BOS]], length=0) == [[]]
