"""What goes out is the model, what comes back is the model, and what is neither is refused."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interchange_data import CONFIG, PIECES, Home, make_home, make_tokenizer

import ulmkit.publish.export as export
import ulmkit.publish.onnx as onnx
import ulmkit.publish.safetensors as as_safetensors
from ulmkit.artifacts.manifest import verify_folder
from ulmkit.errors import ArtifactError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import load_model
from ulmkit.publish.export import export_model
from ulmkit.publish.fastai import fastai_model, fastai_settings, to_fastai
from ulmkit.publish.importing import import_fastai, matching_rows
from ulmkit.publish.safetensors import load_exported
from ulmkit.publish.source import our_logits
from ulmkit.publish.torch_files import read_torch_file


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def fastai_folder(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "fastai"
    export_model(home.run, home.tokenizer, out, format="fastai", name="mine")
    return out


def listings(folder: Path) -> list[str]:
    """The Python of a README."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)


# torch's exporter compiles, and takes half a minute to be imported
FORMATS = ["safetensors", "fastai", pytest.param("onnx", marks=pytest.mark.slow)]


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_is_whole_and_names_no_place_of_this_machine(format: str, home: Home, tmp_path: Path) -> None:
    result = export_model(home.run, home.tokenizer, tmp_path / "out", format=format)
    assert result.difference <= {"safetensors": 0, "fastai": 1e-5, "onnx": 1e-4}[format]
    assert verify_folder(tmp_path / "out", "export") == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    here = [str(Path(export.__file__).parent).encode(), str(Path(sys.prefix)).encode(), str(tmp_path).encode()]
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or not any(place in path.read_bytes() for place in here), path
    again = export_model(home.run, home.tokenizer, tmp_path / "out", format=format)
    assert again == result


def test_a_safetensors_export_loads_anywhere_and_every_byte_counts(home: Home, tmp_path: Path) -> None:
    export_model(home.run, home.tokenizer, tmp_path / "out", format="safetensors")
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere")
    ours, _ = load_model(home.run)
    theirs = load_exported(moved)
    ids = torch.randint(0, len(PIECES), (2, 9, 3))
    for a, b in zip(our_logits(ours, ids), our_logits(theirs, ids), strict=True):
        assert torch.equal(a, b)
    for name in ("model.safetensors", "config.json", "tokenizer/spm.model", "tokenizer/vocab.json"):
        content = (moved / name).read_bytes()
        (moved / name).write_bytes(content.replace(content[-3:-2], b"~"))
        with pytest.raises(ArtifactError, match=re.escape(str(moved / name))):
            load_exported(moved)
        (moved / name).write_bytes(content)


@pytest.mark.parametrize("format", ["safetensors", "fastai"])
def test_an_export_that_is_not_the_model_is_not_kept(
    format: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight is changed on its way to the file; what stood there before still stands."""
    (tmp_path / "out").mkdir()
    before = export_model(home.run, home.tokenizer, tmp_path / "good", format=format)
    real_load, real_tensors = torch.load, as_safetensors.read_tensors

    def changed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        name = next(name for name in tensors if "bias_ih" in name)
        return tensors | {name: tensors[name] + 0.1}

    monkeypatch.setattr(torch, "load", lambda *a, **k: changed(real_load(*a, **k)))
    monkeypatch.setattr(as_safetensors, "read_tensors", lambda *a: changed(real_tensors(*a)))
    for name in ("out", "good", "new"):
        with pytest.raises(UlmkitError, match="Nothing was kept"):
            export_model(home.run, home.tokenizer, tmp_path / name, format=format)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "out"]
    assert not any((tmp_path / "out").iterdir())
    assert verify_folder(before.folder, "export") == []


def test_a_folder_of_something_else_is_not_replaced(home: Home, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is no export"):
        export_model(home.run, home.tokenizer, tmp_path, format="safetensors")
    assert (tmp_path / "thesis.txt").exists()


def test_another_tokenizer_is_not_exported_with_the_model(home: Home, tmp_path: Path) -> None:
    other = make_tokenizer(tmp_path / "tokenizer", name="other0000000")
    with pytest.raises(ArtifactError, match=r"tokenizer other0000000, the model was trained with f00dfeed0000"):
        export_model(home.run, other, tmp_path / "out", format="fastai")


def test_the_readme_for_fastai_is_code_that_runs(
    fastai_folder: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits by the first listing; the second through fastai's own DataLoaders and load_pretrained."""
    monkeypatch.chdir(fastai_folder)
    names: dict[str, Any] = {}
    load, tune = listings(fastai_folder)
    exec(load, names)
    vocab, ours = names["vocab"], load_model(home.run)[0]
    assert vocab[:4] == ["xxunk", "xxpad", "xxbos", "xxeos"]
    ids = torch.randint(0, len(PIECES), (2, 9, 3))
    mine = [
        PIECES.index({"xxunk": "<unk>", "xxpad": "<pad>", "xxbos": "<s>", "xxeos": "</s>"}.get(w, w)) for w in vocab
    ]
    with torch.no_grad():
        for batch, expected in zip(ids, our_logits(ours, torch.tensor(mine)[ids]), strict=True):
            logits = names["model"](batch.T)[0].transpose(0, 1)
            assert torch.allclose(logits, expected[..., mine], atol=1e-5)

    from fastai.data.core import DataLoaders, Datasets
    from fastai.text.data import LMDataLoader, Numericalize

    texts = [["xxbos", *(PIECES[7:27] * 3)]] * 4
    sets = Datasets(texts, [[Numericalize(vocab=vocab)]])
    names["dls"] = DataLoaders(*(LMDataLoader(sets, bs=2, seq_len=8) for _ in "ab"))
    names["dls"].vocab = vocab
    exec(tune, names)
    tuned = names["learn"].model.state_dict()
    for name, tensor in names["model"].state_dict().items():
        assert torch.equal(tuned[name], tensor), name


def test_to_fastai_and_back_is_the_same_to_the_bit(fastai_folder: Path, home: Home, tmp_path: Path) -> None:
    result = import_fastai(
        fastai_folder / "models/mine.pth",
        fastai_folder / "models/vocab.pkl",
        home.tokenizer,
        tmp_path / "run",
        settings=fastai_folder / "config.json",
    )
    assert (result.taken, result.missing, result.unused) == (len(PIECES), 0, 0)
    back, saved = load_model(tmp_path / "run")
    there, before = load_model(home.run)
    for name, tensor in there.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    assert saved.identity == before.identity
    for name in ("embed", "input", "hidden", "weight", "output"):
        assert saved.config.dropout(name) == pytest.approx(before.config.dropout(name))
    assert verify_folder(tmp_path / "run", "lm") == []


@pytest.mark.parametrize(("T", "B"), [(1, 1), (2, 7), (40, 3)])
def test_the_function_that_is_written_as_onnx_is_the_model_window_after_window(T: int, B: int, home: Home) -> None:
    ours = load_model(home.run)[0]
    batches = torch.randint(0, len(PIECES), (3, T, B))
    expected = our_logits(ours, batches)
    window, state = onnx._Window(ours), onnx._zero_state(ours, B)
    with torch.no_grad():
        for ids, wanted in zip(batches, expected, strict=True):
            logits, *state = window(ids, *state)
            assert torch.allclose(logits, wanted, atol=1e-6)
    assert len(state) == len(onnx._state_names(CONFIG)) == 2 * CONFIG.layers


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_what_onnx_needs_is_named_before_anything_is_written(
    missing: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(UsageError, match=rf"{missing}.*ulmkit\[export\]"):
        export_model(home.run, home.tokenizer, tmp_path / "out", format="onnx")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_onnx_takes_any_length_and_width(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's listing, then other shapes against our model."""
    export_model(home.run, home.tokenizer, tmp_path / "out", format="onnx")
    monkeypatch.chdir(tmp_path / "out")
    names: dict[str, Any] = {}
    exec(listings(tmp_path / "out")[0].replace("[300], [301]", "[8], [9]"), names)
    assert names["logits"].shape == (3, 1, len(PIECES))
    ours = load_model(home.run)[0]
    for T, B in ((1, 1), (2, 7), (40, 3)):
        batches = torch.randint(0, len(PIECES), (2, T, B))
        state = {name: np.zeros((B, width), np.float32) for name, width in names["widths"].items()}
        for ids, expected in zip(batches, our_logits(ours, batches), strict=True):
            logits, *after = names["session"].run(None, {"ids": ids.numpy(), **state})
            state = dict(zip(state, after, strict=True))
            assert np.abs(logits - expected.numpy()).max() < 1e-4


def published(folder: Path, words: list[str], *, save: Any = torch.save, rename: Any = None) -> tuple[Path, Path]:
    """A model of fastai's own making, its words, and files of them."""
    from fastai.text.models.awdlstm import awd_lstm_lm_config

    settings = awd_lstm_lm_config | {"emb_sz": 6, "n_hid": 10, "n_layers": 2}
    torch.manual_seed(2)
    state = fastai_model(len(words), settings).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    save({(rename(name) if rename else name): tensor for name, tensor in state.items()}, folder / "fwd.pth")
    (folder / "itos.json").write_text(json.dumps(words))
    return folder / "fwd.pth", folder / "itos.json"


def fastai_save(state: dict[str, torch.Tensor], path: Path) -> None:
    """As `Learner.save` writes it, with an optimizer that has been at work."""
    from fastai.learner import save_model
    from fastai.optimizer import Adam

    model = torch.nn.ParameterDict({name.replace(".", "|"): torch.nn.Parameter(t) for name, t in state.items()})
    optimizer = Adam([list(model.values())[:2], list(model.values())[2:]], lr=1e-3)
    optimizer.set_hypers(lr=[np.float64(1e-3), np.float64(2e-3)])
    sum(parameter.sum() for parameter in model.values()).backward()
    before = {name: parameter.detach().clone() for name, parameter in model.items()}
    optimizer.step()
    for name, value in before.items():
        model[name].data.copy_(value)
    model.state_dict = lambda: state  # type: ignore[method-assign]
    save_model(path, model, optimizer)


SAVES: dict[str, Any] = {
    "zip": torch.save,
    "before 1.6": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "with optimizer": fastai_save,
    "half": lambda state, path: torch.save({name: tensor.half() for name, tensor in state.items()}, path),
    "parameters": lambda state, path: torch.save({n: torch.nn.Parameter(t) for n, t in state.items()}, path),
}


@pytest.mark.parametrize("how", SAVES)
def test_every_kind_of_pth_is_read_as_torch_reads_it(how: str, tmp_path: Path) -> None:
    path, _ = published(tmp_path, ["xxunk", "xxpad", "▁a", "▁b"], save=SAVES[how])
    expected = torch.load(path, weights_only=False)
    expected = expected.get("model", expected)
    found = read_torch_file(path)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor.float()), name


def test_rows_go_to_their_pieces_and_missing_ones_get_the_mean(tmp_path: Path) -> None:
    words = ["xxunk", "xxpad", "xxbos", "▁xxbos", "▁w3", "▁strange", "x"]
    weights, itos = published(tmp_path, words)
    result = import_fastai(weights, itos, make_tokenizer(tmp_path / "tokenizer"), tmp_path / "run")
    state, theirs = load_model(tmp_path / "run")[0].state_dict(), read_torch_file(weights)
    table, bias = theirs["0.encoder.weight"], theirs["1.decoder.bias"]
    expected = {"<unk>": 0, "<pad>": 1, "<s>": 3, "▁w3": 4, "x": 6}
    for number, piece in enumerate(PIECES):
        row = table[expected[piece]] if piece in expected else table.mean(0)
        assert torch.allclose(state["embedding"][number], row), piece
        assert torch.allclose(
            state["decoder_bias"][number], bias[expected[piece]] if piece in expected else bias.mean()
        )
    assert (result.taken, result.missing, result.unused) == (5, len(PIECES) - 5, 2)


@pytest.mark.parametrize(
    ("pieces", "words", "rows"),
    [
        (["<s>", "▁a"], ["▁a", "xxbos"], [1, 0]),
        (["<s>", "▁a", "▁xxbos"], ["xxbos", "▁xxbos", "▁a"], [0, 2, 1]),  # an export of ours: that piece is a piece
        (["▁a", "b", "▁"], ["a", "b", "xxbos"], [0, 1, None]),  # whole words
        (["▁a", "▁b"], ["▁a", "▁a"], [0, None]),  # the first of two
    ],
)
def test_words_are_found_by_their_spelling(pieces: list[str], words: list[str], rows: list[int | None]) -> None:
    assert matching_rows(pieces, words) == rows


def test_fastai_before_1_had_other_names_and_no_bias(tmp_path: Path) -> None:
    def old(name: str) -> str:
        name = name.replace("0.encoder_dp.emb.weight", "0.encoder_with_dropout.embed.weight")
        return name.replace(".weight_hh_l0_raw", ".module.weight_hh_l0_raw")

    def without_bias(state: dict[str, torch.Tensor], path: Path) -> None:
        torch.save({name: tensor for name, tensor in state.items() if name != "1.decoder.bias"}, path)

    weights, itos = published(tmp_path, PIECES, save=without_bias, rename=old)
    import_fastai(weights, itos, make_tokenizer(tmp_path / "tokenizer"), tmp_path / "run")
    assert not load_model(tmp_path / "run")[0].decoder_bias.any()


def test_an_import_that_was_cut_is_done_again_and_a_run_is_never_written_over(tmp_path: Path) -> None:
    """Cut between the files that are put in their place: what lies there is all of an import's own, and no manifest."""
    weights, itos = published(tmp_path, PIECES)
    tokenizer, run = make_tokenizer(tmp_path / "tokenizer"), tmp_path / "run"
    import_fastai(weights, itos, tokenizer, run)
    whole = {path.relative_to(run): path.read_bytes() for path in run.rglob("*.safetensors")}
    with pytest.raises(UsageError, match="holds a run"):
        import_fastai(weights, itos, tokenizer, run)
    for missing in ("manifest.json", "config.json", "best/state.json"):
        (run / "manifest.json").unlink(missing_ok=True)
        (run / missing).unlink(missing_ok=True)
        import_fastai(weights, itos, tokenizer, run)
        assert {path.relative_to(run): path.read_bytes() for path in run.rglob("*.safetensors")} == whole
    (run / "manifest.json").unlink()
    (run / "audit.json").touch()  # of a training that has saved nothing yet
    with pytest.raises(UsageError, match="holds a run"):
        import_fastai(weights, itos, tokenizer, run)


# how the files differ → what the refusal names
MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "a word too few": ({"words": PIECES[:-1]}, r"29 words, fwd\.pth has 30"),
    "another language": ({"words": [f"▁other{n}" for n in range(30)]}, "has only 0 of the 30 pieces"),
    "numbers for words": ({"words": [1, 2]}, "no list of words"),
    "other emb_sz": ({"settings": {"emb_sz": 7}}, "emb_sz is 7, the weights have 6"),
    "other n_layers": ({"settings": {"n_layers": 3}}, "n_layers is 3, the weights have 2"),
    "bidirectional": ({"settings": {"bidir": True}}, "bidir is True, the weights have False"),
    "a dropout of 2": ({"settings": {"weight_p": 2}}, "weight_p is '2', expected 0 to 1"),
    "a stranger": (
        {"rename": lambda name: name.replace("0.rnns.1", "0.qrnns.1")},
        r"0\.qrnns.* no part of an AWD-LSTM",
    ),
    "an encoder alone": ({"rename": lambda name: name.replace("0.", "", 1)}, "no part of an AWD-LSTM"),
    "a QRNN": ({"rename": lambda name: name.replace("module", "layers.0")}, "no part of an AWD-LSTM"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_named(misfit: str, tmp_path: Path) -> None:
    change, message = MISFITS[misfit]
    weights, itos = published(tmp_path, PIECES, rename=change.get("rename"))
    if "words" in change:
        itos.write_text(json.dumps(change["words"]))
    settings = None
    if "settings" in change:
        settings = tmp_path / "config.json"
        settings.write_text(json.dumps(change["settings"]))
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    with pytest.raises(ArtifactError, match=message):
        import_fastai(weights, itos, tokenizer, tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_a_model_with_more_than_an_awd_lstm_does_not_go_to_fastai(home: Home) -> None:
    state = load_model(home.run)[1].model
    with pytest.raises(ArtifactError, match="'extra' has no place"):
        to_fastai(state | {"extra": torch.zeros(1)})


@pytest.mark.parametrize("format", FORMATS)
def test_any_run_goes_out_whatever_computed_it(format: str, tmp_path: Path) -> None:
    """A backward model says so; a backend that torch's exporter cannot write is none of the export's business."""
    import dataclasses

    home = make_home(tmp_path, dataclasses.replace(CONFIG, backward=True, backend="reference"))
    export_model(home.run, home.tokenizer, tmp_path / "out", format=format)
    assert "reads backwards" in (tmp_path / "out" / "README.md").read_text()


def test_fastai_gets_no_weight_dropout_of_zero() -> None:
    """With one it fails at the first reset in training."""
    import dataclasses

    settings = fastai_settings(dataclasses.replace(CONFIG, drop_mult=0.0))
    model = fastai_model(5, settings).train()
    model(torch.zeros(2, 3, dtype=torch.long))
    model.reset()
    assert settings["weight_p"] < 1e-9
