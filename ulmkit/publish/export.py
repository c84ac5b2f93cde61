"""A run's model for others: in fastai's files, as safetensors, as ONNX. Each is read back and compared.

An export is a folder. What was written there is loaded from there and given random ids over two batches, the second
continuing from the state that the first left; where its logits are not ours, nothing is kept.
"""

import dataclasses
import hashlib
import io
import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ulmkit.artifacts.atomic import temporary_beside, write_json
from ulmkit.artifacts.manifest import Manifest, package_versions, signature
from ulmkit.artifacts.stage import unlocked_stage
from ulmkit.errors import ArtifactError, UlmkitError, UsageError
from ulmkit.lm.checkpoint import (
    FORMAT,
    MODEL,
    Checkpoint,
    build_model,
    load_model,
    read_sealed,
    read_tensors,
    tensor_bytes,
    write_bytes,
    write_state,
)
from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import LayerState
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.fastai import SPECIAL, fastai_order, fastai_settings, to_fastai
from ulmkit.publish.pickles import read_pickle_file

STAGE = "export"
CONFIG, VOCABULARY, README, ONNX = "config.json", "vocab.json", "README.md", "model.onnx"
TOKENIZER = "tokenizer"  # a copy of the tokenizer's folder, in the export

T, B = 12, 5  # of the two batches that are compared
OPSET = 20


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from ours at most."""

    folder: Path
    format: str
    files: tuple[str, ...]
    difference: float
    allowed: float
    signature: str


class Source(NamedTuple):
    """What is exported: the model, where it came from, and its tokenizer's folder with its pieces by id."""

    model: AWDLSTM
    checkpoint: Checkpoint
    tokenizer: Path
    pieces: list[str]
    name: str


Logits = list[torch.Tensor]


def export_model(
    run: Path, tokenizer: Path, out: Path, *, format: str, which: str = "best", name: str = "model"
) -> Exported:
    """Write the model of `run` and its tokenizer to folder `out` as `fastai`, `safetensors` or `onnx`.

    `which` is the checkpoint, best or last; `name` names fastai's .pth. An export that stands in `out` is replaced;
    a folder of anything else is not.

    Raises `UsageError` for another format or a folder in the way; `ArtifactError` where run and tokenizer do not fit
    or the model has parts that the format has no place for; `UlmkitError` where what was written is not the model.
    """
    if format not in FORMATS:
        raise UsageError(f"no export format '{format}'. Known: {', '.join(FORMATS)}.")
    write, allowed, packages = FORMATS[format]
    _refuse_other_folder(out)
    model, checkpoint = load_model(run, which)
    model.config = dataclasses.replace(model.config, backend="vendor")  # the one that torch's exporter knows
    source = Source(model, checkpoint, tokenizer, _pieces(tokenizer, checkpoint), name)
    ids = torch.randint(0, model.vocabulary, (2, T, B), generator=torch.Generator().manual_seed(0))
    with unlocked_stage(out, STAGE, temporary_beside(out)) as work:
        theirs = write(work.new, source, ids)
        difference = _largest_difference(our_logits(model, ids), theirs)
        if not difference <= allowed:  # also not where it is no number
            raise UlmkitError(
                f"{out}: what was written as {format} gives logits that differ by {difference:.2e}, allowed are "
                f"{allowed:.0e}. Nothing was kept."
            )
        identity = checkpoint.identity
        line = signature(
            STAGE,
            language=identity.language or None,
            format=format,
            tokenizer=identity.tokenizer,
            weights=checkpoint.state["files"][MODEL][:12],
            step=checkpoint.state.get("position", {}).get("step"),
        )
        content = {
            "export": format,
            "identity": dataclasses.asdict(identity),
            "difference": difference,
            "allowed": allowed,
            "versions": package_versions(["torch", *packages]),
            "signature": line,
        }
        manifest = work.finish(content)
    return Exported(out, format, tuple(manifest.files), difference, allowed, line)


def load_exported(folder: Path) -> AWDLSTM:
    """The model of a safetensors export, in evaluation mode, from whatever machine; every byte is checked.

    Its tokenizer is beside it: `Tokenizer.load(folder / "tokenizer", language)`.
    """
    state = read_sealed(folder / CONFIG)
    for name, sha256 in state["files"].items():
        if name != MODEL:
            _refuse_changed(folder / name, sha256)
    checkpoint = Checkpoint(folder, read_tensors(folder / MODEL, state["files"][MODEL]), {}, state)
    return build_model(checkpoint.identity, checkpoint.config, checkpoint.model, folder / MODEL)


def our_logits(model: AWDLSTM, batches: torch.Tensor) -> Logits:
    """Logits (T, B, V) of each batch, the state carried from one to the next; the model's own state stays."""
    before = model.carried()
    model.reset()
    with torch.no_grad():
        logits = [model.logits(ids) for ids in batches]
    model.carry(before)
    return logits


def _largest_difference(ours: Logits, theirs: Logits) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))


def _refuse_changed(path: Path, sha256: str) -> None:
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ArtifactError(f"{path}: missing or changed since the export.")


def _refuse_other_folder(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        Manifest.read(out, STAGE)
    except ArtifactError as error:
        raise UsageError(f"{out}: is there and is no export. Choose another --out.") from error


def _pieces(tokenizer: Path, checkpoint: Checkpoint) -> list[str]:
    """The pieces (or words) of the tokenizer in folder `tokenizer`, which must be the one of the model's training."""
    manifest = Manifest.read(tokenizer, "tokenizer")
    trained = checkpoint.identity.tokenizer
    if manifest.fingerprint != trained:
        raise ArtifactError(
            f"{tokenizer}: tokenizer {manifest.fingerprint}, the model was trained with {trained}. "
            "Bring that one back, or export the run of this one."
        )
    if problems := manifest.problems():
        raise ArtifactError(f"{problems[0]}. Train the tokenizer again.")
    return read_pieces(tokenizer / VOCABULARY)


def read_pieces(path: Path) -> list[str]:
    """The pieces by id of a tokenizer's vocab.json."""
    from ulmkit.artifacts.atomic import read_json

    content = read_json(path)
    try:
        pieces = [piece for piece, _ in content["pieces"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: not the vocabulary of a tokenizer.") from error
    if not all(isinstance(piece, str) for piece in pieces):
        raise ArtifactError(f"{path}: not the vocabulary of a tokenizer.")
    return pieces


def _copy_tokenizer(source: Source, folder: Path) -> dict[str, str]:
    """The tokenizer's files into `folder`/tokenizer; name → SHA-256."""
    names = [*Manifest.read(source.tokenizer, "tokenizer").files, "manifest.json"]
    (folder / TOKENIZER).mkdir()
    return {
        f"{TOKENIZER}/{name}": write_bytes(folder / TOKENIZER / name, (source.tokenizer / name).read_bytes())
        for name in names
    }


# -- fastai


def _write_fastai(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """models/<name>.pth and models/vocab.pkl where `language_model_learner(path=…)` looks for them, and what else."""
    if missing := [piece for piece in SPECIAL if piece not in source.pieces]:
        raise ArtifactError(
            f"{source.tokenizer}: has no {', '.join(missing)}, which fastai's files need. Export as safetensors."
        )
    order = fastai_order(source.pieces)
    config = source.checkpoint.config
    if config.memory:
        raise ArtifactError(
            f"{source.checkpoint.folder}: the model has a pointer over its last {config.memory} pieces, for which "
            "fastai's AWD_LSTM has no layer. Export as safetensors."
        )
    state = to_fastai(
        {n: t[order] if n in ("embedding", "decoder_bias") else t for n, t in source.checkpoint.model.items()}
    )
    weights = io.BytesIO()
    torch.save(state, weights)
    words = [SPECIAL.get(source.pieces[i], source.pieces[i]) for i in order]
    models = new / "models"
    models.mkdir()
    write_bytes(models / f"{source.name}.pth", weights.getvalue())
    write_bytes(models / "vocab.pkl", pickle.dumps(words, protocol=2))
    write_json(new / VOCABULARY, words)
    write_json(new / CONFIG, fastai_settings(config))
    _copy_tokenizer(source, new)
    write_bytes(new / README, fastai_readme(source).encode())
    return _fastai_logits(new, source, batches, order)


def _fastai_logits(folder: Path, source: Source, batches: torch.Tensor, order: list[int]) -> Logits:
    """What current fastai says, from the files alone, with its words back in our order."""
    words = read_pickle_file(folder / "models" / "vocab.pkl")
    theirs = fastai_model(len(words), json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    theirs.load_state_dict(torch.load(folder / "models" / f"{source.name}.pth", weights_only=True))
    theirs.eval().reset()
    place = torch.tensor(order).argsort()  # our id → fastai's
    with torch.no_grad():
        return [theirs(place[ids].T)[0].transpose(0, 1)[..., place] for ids in batches]  # (B, T, V) -> (T, B, V)


def fastai_model(vocabulary: int, settings: Mapping[str, Any]) -> Any:
    """fastai's own language model with fresh weights; the caller's random numbers stay as they were."""
    import ulmkit.lm.fastai_imports  # noqa: F401, I001 (first: it holds back what fastai warns of on import)
    from fastai.text.models.awdlstm import AWD_LSTM
    from fastai.text.models.core import get_language_model

    with torch.random.fork_rng(devices=[]):
        return get_language_model(AWD_LSTM, vocabulary, dict(settings))


def fastai_readme(source: Source) -> str:
    """How to load it, as code that runs."""
    name, language = source.name, source.checkpoint.identity.language
    return f"""# {name}: an AWD-LSTM language model for fastai

Written by ulmkit and checked: fastai loaded these files and gave the same logits.

```python
import json
from pathlib import Path

import torch
from fastai.text.all import AWD_LSTM, get_language_model

folder = Path(".")  # where this file lies
config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
model = get_language_model(AWD_LSTM, len(vocab), config=config)
model.load_state_dict(torch.load(folder / "models/{name}.pth", weights_only=True))
model.eval()
model.reset()
```

To fine-tune it, `dls` being DataLoaders of texts cut into the pieces of `tokenizer/spm.model`:

```python
from fastai.text.all import language_model_learner

learn = language_model_learner(dls, AWD_LSTM, config=config, path=folder, pretrained_fnames=["{name}", "vocab"])
```

This last call makes fastai unpickle `models/{name}.pth` and `models/vocab.pkl`. Python code can hide in a pickle: load
them only as you got them from someone you trust. The first listing runs no pickle.

- `vocab.json` and `models/vocab.pkl` hold the same list: row *i* of the embedding is its word *i*. The order is
  fastai's (`xxunk`, `xxpad`, `xxbos`, `xxeos`, then the pieces); the tokenizer's own ids have padding before
  unknown, and agree from id 2 on.
- The pieces are those of text normalized by ulmkit's `{language}`. fastai's text rules (`xxmaj`, `xxrep`, …) were never
  applied: give it `rules=[]`, and put `xxbos` before each document.
- A dropout of exactly 0 on the recurrent weights would make fastai fail in training, so `config.json` says
  1e-12 for it.
{_reading(source.checkpoint.config)}"""


# -- safetensors


def _write_safetensors(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """model.safetensors, config.json and the tokenizer: all that `load_exported` needs, anywhere."""
    state = source.checkpoint.state
    files = {MODEL: write_bytes(new / MODEL, tensor_bytes(source.checkpoint.model))}
    files |= _copy_tokenizer(source, new)
    write_state(
        new / CONFIG,
        {
            "format": FORMAT,
            "model_type": "awd-lstm",
            "config": source.checkpoint.config.to_json(),
            "identity": state["identity"],
            "language": _language_of(source),
            "files": files,
        },
    )
    write_bytes(new / README, safetensors_readme(source).encode())
    loaded = load_exported(new)
    loaded.config = source.model.config  # one backend, so that equal weights are equal bits
    return our_logits(loaded, batches)


def _reading(config: LMConfig) -> str:
    """What the reader of a README must know of a backward model."""
    return (
        "\nThis model reads backwards: give it each document's ids from the last to the first.\n"
        if config.backward
        else ""
    )


def _language_of(source: Source) -> dict[str, Any]:
    """Which language, as it was when the tokenizer was trained."""
    manifest = Manifest.read(source.tokenizer, "tokenizer")
    return {
        "code": manifest.language,
        "fingerprint": manifest.language_fingerprint,
        "normalization": manifest.normalization,
    }


def _of_words(source: Source) -> bool:
    """Whether its ids are words, not pieces."""
    return Manifest.read(source.tokenizer, "tokenizer").kind == "words"


def _ids_of(source: Source) -> str:
    """What the reader of a README must know of the ids."""
    if _of_words(source):
        return "Ids are those of `tokenizer/vocab.json`; 0, `<eos>`, stands before every line."
    language = source.checkpoint.identity.language
    return f"Ids are those of `tokenizer/spm.model`, for text normalized by ulmkit's `{language}`."


def safetensors_readme(source: Source) -> str:
    loads = (
        ("ulmkit.tokenizer.words import Words", 'Words.load(folder / "tokenizer")')
        if _of_words(source)
        else (
            "ulmkit.language.registry import get\nfrom ulmkit.tokenizer.model import Tokenizer",
            f'Tokenizer.load(folder / "tokenizer", get("{source.checkpoint.identity.language}"))',
        )
    )
    return f"""# {source.name}: an AWD-LSTM language model

```python
from pathlib import Path

from ulmkit.publish.export import load_exported
from {loads[0]}

folder = Path(".")  # where this file lies
model = load_exported(folder)
tokenizer = {loads[1]}
```

`model.safetensors` holds `embedding` (vocabulary, embedding_size), which is the decoder too, `decoder_bias`, and for
each layer `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` in torch's layout (gates input, forget, cell, output).
{_pointing(source.checkpoint.config)}`config.json` has the sizes, and the fingerprints of tokenizer and normalization.
{_reading(source.checkpoint.config)}"""


def _pointing(config: LMConfig) -> str:
    """What a README says of a pointer's weights."""
    if not config.memory:
        return ""
    return f"""`pointer.query` (embedding_size, embedding_size) and the other `pointer.` weights belong to a pointer
over the last {config.memory} pieces (Merity et al. 2016, arXiv 1609.07843).
"""


# -- ONNX


class _Step(torch.nn.Module):
    """The model as a function: ids and state in, logits and state out."""

    def __init__(self, model: AWDLSTM) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.model.state = [LayerState(*pair) for pair in zip(state[::2], state[1::2], strict=True)]
        logits = self.model.logits(ids)
        after = self.model.state or []
        self.model.reset()
        return (logits, *(tensor for layer in after for tensor in layer))


def _state_names(config: LMConfig) -> list[str]:
    return [f"{part}{layer}" for layer in range(config.layers) for part in "hc"]


def _write_onnx(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """model.onnx: `ids` (T, B) and `h0`, `c0`, … (B, H) → `logits` (T, B, V) and `h0_out`, …; any T and B."""
    _need("onnx", "onnxruntime", "onnxscript")
    if source.checkpoint.config.memory:
        raise ArtifactError(
            f"{source.checkpoint.folder}: the model has a pointer over its last {source.checkpoint.config.memory} "
            "pieces, which is not written as ONNX. Export as safetensors."
        )
    names = _state_names(source.checkpoint.config)
    state = _zero_state(source.model, B)
    length, width = torch.export.Dim("T", min=1, max=1 << 20), torch.export.Dim("B", min=1, max=1 << 20)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about its own exporter
        program = torch.onnx.export(
            _Step(source.model),
            (batches[0], *state),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["ids", *names],
            output_names=["logits", *(f"{name}_out" for name in names)],
            dynamic_shapes=({0: length, 1: width}, tuple({0: width} for _ in state)),
        )
        assert program is not None
        _forget_the_machine(program.model)
        program.save(new / ONNX)
    source.model.reset()
    _copy_tokenizer(source, new)
    write_json(
        new / CONFIG,
        {
            "config": source.checkpoint.config.to_json(),
            "identity": source.checkpoint.state["identity"],
            "language": _language_of(source),
            "state": {name: tensor.shape[1] for name, tensor in zip(names, state, strict=True)},
        },
    )
    write_bytes(new / README, onnx_readme(source).encode())
    return _onnx_logits(new, batches, names, [tensor.shape[1] for tensor in state])


def _forget_the_machine(model: Any) -> None:
    """Remove what torch notes at each node: lines of source, with the paths of who exported."""
    for part in (model, model.graph, *model.graph.all_nodes(), *model.functions.values()):
        part.metadata_props.clear()
    for node in model.graph.all_nodes():
        for value in node.outputs:
            value.metadata_props.clear()


def _zero_state(model: AWDLSTM, width: int) -> list[torch.Tensor]:
    widths = [rnn.weight_hh.shape[1] for rnn in model.layers()]
    return [torch.zeros(width, H) for H in widths for _ in "hc"]


def _onnx_logits(folder: Path, batches: torch.Tensor, names: list[str], widths: list[int]) -> Logits:
    """What onnxruntime says, from the file alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(folder / ONNX), options, providers=["CPUExecutionProvider"])
    state = {name: torch.zeros(batches.shape[2], H).numpy() for name, H in zip(names, widths, strict=True)}
    found = []
    for ids in batches:
        logits, *after = session.run(None, {"ids": ids.numpy(), **state})
        state = dict(zip(names, after, strict=True))
        found.append(torch.from_numpy(logits))
    return found


def _need(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"ONNX needs {', '.join(missing)}. Install them with: pip install 'ulmkit[export]'")


def onnx_readme(source: Source) -> str:
    widths = ", ".join(
        f'"{n}": {t.shape[1]}'
        for n, t in zip(_state_names(source.checkpoint.config), _zero_state(source.model, 1), strict=True)
    )
    return f"""# {source.name}: an AWD-LSTM language model as ONNX

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
widths = {{{widths}}}
ids = np.array([[{source.checkpoint.identity.bos}], [300], [301]])  # (T, B), time first; the first begins a document
state = {{name: np.zeros((ids.shape[1], width), np.float32) for name, width in widths.items()}}
logits, *after = session.run(None, {{"ids": ids, **state}})  # (T, B, vocabulary)
state = dict(zip(widths, after))  # to go on from here
```

{_ids_of(source)}
{_reading(source.checkpoint.config)}"""


Writer = Callable[[Path, Source, torch.Tensor], Logits]

# how it is written, how far its logits may be from ours in float32, and the packages that checked it
FORMATS: dict[str, tuple[Writer, float, tuple[str, ...]]] = {
    "safetensors": (_write_safetensors, 0.0, ("safetensors",)),
    "fastai": (_write_fastai, 1e-5, ("fastai",)),
    "onnx": (_write_onnx, 1e-4, ("onnx", "onnxruntime")),
}
