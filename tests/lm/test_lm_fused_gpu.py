"""The fused LSTM on a real GPU: `TRITON_INTERPRET=0 pytest -m gpu`."""

from typing import Any

import pytest
import torch

from ulmkit.lm.config import LMConfig
from ulmkit.lm.kernels import LayerState, LayerWeights, steps
from ulmkit.lm.kernels.fused import fused_stack
from ulmkit.lm.probe import TOLERANCE, candidates, error

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available() or steps.INTERPRETED, reason="no GPU, or Triton interprets"),
]


@pytest.mark.parametrize("precision", TOLERANCE)
def test_it_computes_the_equations(precision: Any) -> None:
    assert error("fused", precision, torch.device("cuda")) < TOLERANCE[precision]


def test_it_is_a_candidate_and_timed() -> None:
    config = LMConfig(embedding_size=40, hidden_size=128, layers=2, batch_size=8, bptt=24, precision="bf16")
    found = {one.backend: one.seconds for one in candidates(500, config, torch.device("cuda"))}
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
