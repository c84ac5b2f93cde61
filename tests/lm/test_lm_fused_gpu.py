"""The fused LSTM on a real GPU: `TRITON_INTERPRET=0 pytest -m gpu`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_data import patterned

from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import LayerState, LayerWeights, steps
from ulmkit.lm.kernels.fused import fused_stack
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.probe import TOLERANCE, measured_candidates, relative_error
from ulmkit.lm.run import pretrain
from ulmkit.lm.step import make_step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available() or steps.INTERPRETED, reason="no GPU, or Triton interprets"),
]


@pytest.mark.parametrize("precision", TOLERANCE)
def test_it_computes_the_equations(precision: Any) -> None:
    assert relative_error("fused", precision, torch.device("cuda")) < TOLERANCE[precision]


def test_it_is_a_candidate_and_timed() -> None:
    config = LMConfig(embedding_size=40, hidden_size=128, layers=2, batch_size=8, bptt=24, precision="bf16")
    step = make_step(AWDLSTM(500, config).to("cuda"), config)
    found = {one.backend: one.seconds for one in measured_candidates(step)}
    assert found["fused"] is not None


def test_a_captured_step_is_the_step() -> None:
    """A forward and a backward pass in a CUDA graph, replayed on other inputs, equal to the bit those outside."""
    draw = torch.Generator("cuda").manual_seed(0)
    sizes, T, B = [(400, 1152), (1152, 1152), (1152, 400)], 40, 64

    def some(*shape: int, over: float = 1.0) -> torch.Tensor:
        return (torch.randn(shape, generator=draw, device="cuda") / over).bfloat16()

    weights = [
        LayerWeights(some(4 * h, i, over=i**0.5), some(4 * h, h, over=h**0.5), some(4 * h).float(), some(4 * h).float())
        for i, h in sizes
    ]
    leaves = [one.requires_grad_() for layer in weights for one in layer]
    states = [LayerState(some(B, h), some(B, h).float()) for _, h in sizes]
    masks = [(some(1, B, h) > 0).bfloat16() for _, h in sizes[:-1]]
    x = some(T, B, 400)

    def step() -> list[torch.Tensor]:
        output, ends = fused_stack(x, states, weights, masks)
        grads = torch.autograd.grad(output.float().sin().sum(), leaves)
        return [output.detach(), *(end for layer in ends for end in layer.detach()), *grads]

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # blocks are tried here
        for _ in range(2):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    x.copy_(some(T, B, 400))
    graph.replay()
    torch.cuda.synchronize()
    for replayed, eager in zip(captured, step(), strict=True):
        assert torch.equal(replayed, eager)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_is_captured_and_gives_nothing_up(precision: Any, tmp_path: Path) -> None:
    """The replayed step was compared with the step op by op, masks and all."""
    config = LMConfig(
        embedding_size=64, hidden_size=128, layers=2, batch_size=16, bptt=24, steps=40, precision=precision, ar=2.0,
        tar=1.0, clip=0.4, ema=0.9, lr=1e-2, drop_mult=1.0, log_every=10,
    )  # fmt: skip
    heard: list[str] = []
    result = pretrain(
        patterned(600, vocabulary=500), patterned(9, seed=1, vocabulary=500), tmp_path, config, device="cuda",
        remark=heard.append,
    )  # fmt: skip
    assert heard == []
    assert json.loads((tmp_path / "last/state.json").read_text())["way"]["graphs"]
    assert result.valid_loss < 6.0
