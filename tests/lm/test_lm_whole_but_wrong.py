"""Checkpoints and token files whose checksums are right and whose content is not: each is refused in one line."""

import copy
import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from lm_data import patterned

from ulmkit.artifacts.manifest import Manifest, write_manifest
from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, open_token_file, write_token_file
from ulmkit.errors import ArtifactError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import load_model, tensor_bytes, write_bytes
from ulmkit.lm.config import LMConfig, preset
from ulmkit.lm.evaluate import baselines, evaluate, with_ngrams
from ulmkit.lm.generate import generate
from ulmkit.lm.identity import Identity
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.run import pretrain
from ulmkit.lm.state import read_state, write_state

CONFIG = LMConfig(
    embedding_size=8,
    hidden_size=12,
    layers=2,
    memory=6,
    ema=0.9,
    batch_size=4,
    bptt=8,
    steps=9,
    lr=1e-2,
    valid_batch_size=2,
    log_every=2,
    checkpoint_minutes=0.0,
    backend="vendor",
    precision="fp32",
)
TRAIN, VALID = patterned(6), patterned(3, seed=1)
WRONG = ("x", "", -1, 1.5, 10**30, math.nan, math.inf, -math.inf, True, None, [], {}, [[]], {"a": 1}, "\x1b[31m")


@pytest.fixture(autouse=True)
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than these runs."""
    monkeypatch.setattr("ulmkit.lm.run.audit", lambda *_, **__: [])


class Stopped(BaseException):
    """As a kill: nobody catches it."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in the middle of an epoch, so that it has everything that a checkpoint can hold."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"

    def stop(loop: Any) -> None:
        if loop.position.step == 7:
            assert loop.position.batch
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ulmkit.lm.run.audit", lambda *_, **__: [])
        with pytest.raises(Stopped):
            pretrain(TRAIN, VALID, folder, CONFIG, device="cpu", after_step=stop)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A copy of that run to be damaged."""
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def resume(folder: Path) -> Any:
    return pretrain(TRAIN, VALID, folder, CONFIG, device="cpu", resume=True)


def seal(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """`change` the state of a checkpoint and make its checksum right again."""
    state = read_state(folder)
    del state["checksum"]
    change(state)
    write_state(folder / "state.json", state)


def put(folder: Path, file: str, name: str, value: torch.Tensor | None) -> None:
    """Another tensor, or none, into a checkpoint's `file`, with every checksum right again."""
    tensors = safetensors.torch.load_file(folder / file)
    tensors.pop(name, None)
    if value is not None:
        tensors[name] = value
    sha256 = write_bytes(folder / file, tensor_bytes(tensors))
    seal(folder, lambda state: state["files"].update({file: sha256}))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in `value`, whole objects and lists included."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def replaced(state: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value


def assert_one_line(error: BaseException) -> None:
    assert isinstance(error, UlmkitError)
    assert "\n" not in str(error)


def outcome(ask: Callable[[], Any]) -> BaseException | None:
    try:
        ask()
    except Exception as error:
        return error
    return None


def test_the_stopped_run_can_be_resumed_as_it_is(folder: Path) -> None:
    """Otherwise nothing below says anything."""
    assert resume(folder).step == 9


def test_whatever_stands_anywhere_in_a_state_is_refused_in_one_line_or_does_no_harm(folder: Path) -> None:
    state = json.loads((folder / "last/state.json").read_text())
    del state["checksum"]
    refused = 0
    for number, path in enumerate(places(state)):
        for value in WRONG[number % len(WRONG) :: 4]:
            wrong = copy.deepcopy(state)
            replaced(wrong, path, value)
            write_state(folder / "last/state.json", wrong)
            error = outcome(lambda: load_model(folder, "last"))
            if error is None and path[0] not in ("versions", "threads"):
                shutil.copytree(folder, folder.with_name("again"), dirs_exist_ok=True)
                error = outcome(lambda: resume(folder.with_name("again")))
                shutil.rmtree(folder.with_name("again"))
            if error is not None:
                refused += 1
                assert isinstance(error, UlmkitError), (path, value, error)
                assert_one_line(error)
    assert refused > 200


@pytest.mark.parametrize("name", ["position", "way", "losses", "best", "config", "identity", "average", "seconds"])
def test_a_state_without_a_field_is_nothing_to_resume_from(name: str, folder: Path) -> None:
    seal(folder / "last", lambda state: state.pop(name))
    with pytest.raises(ArtifactError, match=rf"state.json: says nothing of '{name}'"):
        resume(folder)


@pytest.mark.parametrize("bos", [-1, 50, 10**9, 10**30])
def test_a_bos_beyond_the_vocabulary_is_refused(bos: int, folder: Path) -> None:
    seal(folder / "best", lambda state: state["identity"].update(bos=bos))
    with pytest.raises(ArtifactError, match=rf"state.json: bos id {bos} in a vocabulary of 50"):
        load_model(folder)


def test_a_run_is_never_longer_than_its_settings_say(folder: Path) -> None:
    seal(folder / "last", lambda state: state["position"].update(total=10**9))
    with pytest.raises(ArtifactError, match="1,000,000,000 steps in all, its settings make 9"):
        resume(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["embedding", "rnns.1.weight_hh", "decoder_bias"])
def test_weights_that_are_no_numbers_are_refused_at_load(name: str, value: float, folder: Path) -> None:
    for which in ("best", "last"):
        tensor = safetensors.torch.load_file(folder / which / "model.safetensors")[name]
        tensor.view(-1)[-1] = value
        put(folder / which, "model.safetensors", name, tensor)
    for ask in (
        lambda: load_model(folder),
        lambda: resume(folder),
        lambda: pretrain(TRAIN, VALID, folder.with_name("next"), CONFIG, device="cpu", start=folder),
    ):
        with pytest.raises(ArtifactError, match=rf"{name} holds values that are no numbers") as caught:
            ask()
        assert_one_line(caught.value)


BESIDE: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor | None]]] = {
    "a moment that is no number": ("sqr_avg.embedding", lambda t: t * math.nan),
    "a moment of another shape": ("grad_avg.embedding", lambda t: t[1:]),
    "a moment without the others": ("step.embedding", lambda t: None),
    "an average of another shape": ("average.decoder_bias", lambda t: t[:3]),
    "an average of some weights": ("average.decoder_bias", lambda t: None),
    "a hidden state of another width": ("hidden.0.h", lambda t: t[:, :5]),
    "half a hidden state": ("hidden.1.c", lambda t: None),
    "remembered ids beyond the vocabulary": ("hidden.memory.ids", lambda t: t + 10**9),
    "random numbers of another size": ("random.cpu", lambda t: t[:, :17]),
    "random numbers that are none": ("random.cpu", lambda t: torch.full_like(t, 255)),
    "no random numbers": ("random.cpu", lambda t: None),
    "a tensor that nobody knows": ("average.nothing", lambda t: torch.zeros(3)),
}


@pytest.mark.parametrize("what", BESIDE)
def test_tensors_that_do_not_belong_to_the_run_are_refused(what: str, folder: Path) -> None:
    name, change = BESIDE[what]
    kept = safetensors.torch.load_file(folder / "last/optimizer.safetensors")
    put(folder / "last", "optimizer.safetensors", name, change(kept.get(name, torch.zeros(1))))
    with pytest.raises(ArtifactError, match=r"optimizer\.safetensors: ") as caught:
        resume(folder)
    assert_one_line(caught.value)


def test_weights_too_large_for_their_products_are_named_where_they_are_used() -> None:
    model = AWDLSTM(50, dataclasses.replace(CONFIG, memory=0))
    for weight in model.parameters():
        torch.nn.init.constant_(weight, 3e38)
    with pytest.raises(UlmkitError, match="scores are no numbers: its weights are too large"):
        generate(model, [[1, 2, 3]])
    with pytest.raises(UlmkitError, match="loss is no number here: its weights are too large"):
        evaluate(model, VALID)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e300])
def test_every_temperature_gives_text(temperature: float, folder: Path) -> None:
    model, _ = load_model(folder)
    assert len(generate(model, [[1, 2, 3]], length=4, temperature=temperature)[0]) == 4


@pytest.mark.parametrize("temperature", [math.nan, math.inf, -0.1])
def test_a_temperature_that_is_none_is_refused(temperature: float, folder: Path) -> None:
    with pytest.raises(UsageError, match="temperature"):
        generate(load_model(folder)[0], [[1, 2, 3]], temperature=temperature)


@pytest.mark.parametrize("value", [10**400, -(10**400), math.inf, math.nan])
@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LMConfig)])
def test_a_setting_that_nothing_can_count_with_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"language model: {name} is"):
        preset("tiny", **{name: [value] * 3 if name == "moms" else value})


@pytest.mark.parametrize("name", ["bptt", "batch_size", "valid_batch_size", "hidden_size", "steps", "seed", "memory"])
def test_a_size_that_nothing_can_count_with_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"language model: {name} is 1{'0' * 30}, expected at most"):
        preset("tiny", **{name: 10**30})


# -- token files


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A folder with the token file `train`."""
    written = patterned(4)
    documents = written.documents.copy()
    entry = write_token_file(tmp_path, "train", [(written.ids, documents)], vocabulary=50)
    about = {"vocabulary": 50, "bos": 1, "tokenizer": "aaaaaaaaaaaa", "language": "xx", "sources": ["even", "odd"]}
    write_manifest(tmp_path, "tokens", about | {"splits": {"train": entry}, "files": {}})
    assert (open_token_file(tmp_path, "train").ids == written.ids).all()
    return tmp_path


def test_whatever_stands_in_a_manifest_of_token_files_is_refused_in_one_line_or_does_no_harm(tokens: Path) -> None:
    about = Manifest.read(tokens, "tokens").content
    about = {name: about[name] for name in about.keys() - {"checksum", "format", "stage"}}
    harmless = {("tokenizer",), ("language",)}  # any text is one
    unread = {"characters", "bytes", "words", "documents"}
    for path in places(about):
        for value in (*WRONG, "|O", "<i8", "(10**9,)<u2", "<u2,<u2"):
            wrong = copy.deepcopy(about)
            replaced(wrong, path, value)
            write_manifest(tokens, "tokens", wrong)
            error = outcome(lambda: open_token_file(tokens, "train"))
            if error is None:
                text = isinstance(value, str)
                unlisted = path == ("files",) and value == {}  # ids of no file, as a benchmark makes them
                assert unlisted or path[-1] in unread or (text and (path in harmless or path[0] == "sources")), (
                    path,
                    value,
                )
            else:
                assert_one_line(error)


@pytest.mark.parametrize("value", ["x", 1, None, [], [1], 10**30])
def test_a_manifest_that_is_no_object_is_refused(value: Any, tokens: Path) -> None:
    (tokens / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match=r"manifest\.json: not a tokens manifest"):
        open_token_file(tokens, "train")


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("characters", -1, "negative size"),
        ("bytes", -(2**31), "negative size"),
        ("words", -7, "negative size"),
        ("source", 2, "beyond the 2 of the manifest"),
        ("source", -1, "beyond the 2 of the manifest"),
        ("end", 0, "does not belong"),
        ("end", -(2**63) + 5, "does not belong"),  # whose distance from the one before is no number of 64 bits
        ("end", 2**63 - 1, "does not belong"),
    ],
)
def test_documents_that_cannot_be_are_refused(field: str, value: int, what: str, tokens: Path) -> None:
    documents = np.load(tokens / "train.docs.npy")
    documents[field][1] = value
    np.save(tokens / "train.docs.npy", documents.astype(DOCUMENT))
    with pytest.raises(ArtifactError, match=rf"train\.docs\.npy: .*{what}"):
        open_token_file(tokens, "train")


def beyond(tokens: TokenFile) -> TokenFile:
    """`tokens` with one id that its tokenizer does not have."""
    ids = tokens.ids.copy()
    ids[len(ids) // 2] = tokens.vocabulary
    return dataclasses.replace(tokens, ids=ids)


def test_ids_beyond_the_vocabulary_are_refused_wherever_they_are_used(folder: Path) -> None:
    model, _ = load_model(folder)
    for ask in (
        lambda: pretrain(beyond(TRAIN), VALID, folder.with_name("a"), CONFIG, device="cpu"),
        lambda: pretrain(TRAIN, beyond(VALID), folder.with_name("b"), CONFIG, device="cpu"),
        lambda: evaluate(model, beyond(VALID)),
        lambda: baselines(beyond(TRAIN), VALID),
        lambda: baselines(TRAIN, beyond(VALID)),
        lambda: with_ngrams(model, TRAIN, beyond(VALID), VALID, order=2),
    ):
        with pytest.raises(ArtifactError, match=r"memory\.bin: id 50 in a vocabulary of 50"):
            ask()


def test_an_identity_of_tokens_is_one_that_a_checkpoint_may_have() -> None:
    identity = Identity.of(TRAIN)
    assert Identity.from_json(dataclasses.asdict(identity), Path("state.json")) == identity
