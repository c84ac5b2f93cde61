"""A model as an ONNX graph of one window: ids and state in, logits and state out; checked in onnxruntime."""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.errors import ArtifactError, UsageError
from ulmkit.lm.checkpoint import write_bytes
from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import LayerState
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.cards import onnx_readme
from ulmkit.publish.source import CONFIG, README, Logits, Source, copy_tokenizer, language_of

ONNX = "model.onnx"
OPSET = 20


def write_onnx(new: Path, source: Source, batches: torch.Tensor) -> Logits:
    """model.onnx: `ids` (T, B) and `h0`, `c0`, … (B, H) → `logits` (T, B, V) and `h0_out`, …; any T and B."""
    _need("onnx", "onnxruntime", "onnxscript")
    if source.checkpoint.config.memory:
        raise ArtifactError(
            f"{source.checkpoint.folder}: the model has a pointer over its last {source.checkpoint.config.memory} "
            "pieces, which is not written as ONNX. Export as safetensors."
        )
    names = _state_names(source.checkpoint.config)
    state = _zero_state(source.model, batches.shape[2])
    length, width = torch.export.Dim("T", min=1, max=1 << 20), torch.export.Dim("B", min=1, max=1 << 20)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch about its own exporter
        program = torch.onnx.export(
            _Window(source.model),
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
    widths = {name: tensor.shape[1] for name, tensor in zip(names, state, strict=True)}
    copy_tokenizer(source, new)
    write_json(
        new / CONFIG,
        {
            "config": source.checkpoint.config.to_json(),
            "identity": source.checkpoint.state["identity"],
            "language": language_of(source),
            "state": widths,
        },
    )
    write_bytes(new / README, onnx_readme(source, widths).encode())
    return _logits_of(new, batches, widths)


class _Window(torch.nn.Module):
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


def _zero_state(model: AWDLSTM, width: int) -> list[torch.Tensor]:
    widths = [rnn.weight_hh.shape[1] for rnn in model.layers()]
    return [torch.zeros(width, H) for H in widths for _ in "hc"]


def _forget_the_machine(model: Any) -> None:
    """Remove what torch notes at each node: lines of source, with the paths of who exported."""
    for part in (model, model.graph, *model.graph.all_nodes(), *model.functions.values()):
        part.metadata_props.clear()
    for node in model.graph.all_nodes():
        for value in node.outputs:
            value.metadata_props.clear()


def _logits_of(folder: Path, batches: torch.Tensor, widths: Mapping[str, int]) -> Logits:
    """What onnxruntime says, from the file alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    # its bytes, because a path need not be UTF-8
    session = onnxruntime.InferenceSession((folder / ONNX).read_bytes(), options, providers=["CPUExecutionProvider"])
    state = {name: torch.zeros(batches.shape[2], H).numpy() for name, H in widths.items()}
    found = []
    for ids in batches:
        logits, *after = session.run(None, {"ids": ids.numpy(), **state})
        state = dict(zip(widths, after, strict=True))
        found.append(torch.from_numpy(logits))
    return found


def _need(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"ONNX needs {', '.join(missing)}. Install them with: pip install 'ulmkit[export]'")
