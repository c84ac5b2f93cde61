"""Which LSTM backend, and which precision of products, a machine trains with: those that are right, then the fastest.

Nothing but a measurement tells: one CPU takes bfloat16 products four times as fast as float32 ones, another takes them
slower. So each candidate must first agree with the equations in float64, and then takes a few short training steps of
the very model.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ulmkit.errors import UlmkitError, UsageError
from ulmkit.lm.config import Backend, LMConfig, Precision
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.kernels import LayerState, LayerWeights, lstm_stack, refusal
from ulmkit.lm.loss import activation_penalty, cross_entropy
from ulmkit.lm.memory import kept_memory
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.step import graphed

WINDOW = 8  # steps in time of a timed training step on a CPU, at least
TOKENS = 576  # of a timed training step on a CPU: with fewer, what a step costs once outweighs what it costs a token
ROUNDS = 3
PATIENCE = 3.0  # seconds for one candidate, from its second step on
SMALLEST = 128  # hidden size; below it a step takes as long whoever computes it, and runs stay alike on all machines
WORTH = 1.2  # sixteen bits must be so many times as fast: they are not taken for a hair's breadth
# right by the tolerance, and yet no choice: torch's own kernel on a CPU keeps gates and cell in bfloat16, too. Runs of
# 300 steps at a high rate lost half a nat by it, where the cell in float32 followed the float32 run
COARSE = {("vendor", "bf16", "cpu"), ("vendor", "fp16", "cpu")}
# relative errors that are allowed against float64, of outputs and gradients
TOLERANCE: dict[Precision, float] = {"fp32": 1e-5, "bf16": 2e-2, "fp16": 5e-3}
DTYPE: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Candidate:
    """One backend at one precision: its largest relative error and the seconds of a short training step."""

    backend: Backend
    precision: Precision
    error: float
    seconds: float | None  # None where it was not right

    @property
    def right(self) -> bool:
        return self.error <= TOLERANCE[self.precision]


def _stack(backend: str, dtype: torch.dtype, device: torch.device) -> list[torch.Tensor]:
    """Outputs and all gradients of a small stack of two layers with a mask between them."""
    draw = torch.Generator().manual_seed(0)
    sizes = [(24, 40), (40, 16)]

    def tensor(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64) / 4

    x, mask = tensor(9, 3, 24), tensor(1, 3, 40)
    raw = [[tensor(4 * h, i), tensor(4 * h, h), tensor(4 * h), tensor(4 * h)] for i, h in sizes]
    # every dtype sees the same numbers: rounded to bfloat16 first, so that only the arithmetic differs
    x, mask, *flat = (t.bfloat16().to(device, dtype) for t in (x, mask, *(t for layer in raw for t in layer)))
    flat = [t if t.ndim == 2 else t.to(torch.promote_types(dtype, torch.float32)) for t in flat]
    leaves = [t.requires_grad_() for t in (x, *flat)]
    weights = [LayerWeights(*leaves[1:5]), LayerWeights(*leaves[5:9])]
    start = [LayerState(*(torch.zeros(3, h, dtype=dtype, device=device) for _ in range(2))) for _, h in sizes]
    output, _ = lstm_stack(x, start, weights, [mask], backend=backend)
    return [output.detach(), *torch.autograd.grad(output.sin().sum(), leaves)]


def error(backend: str, precision: Precision, device: torch.device) -> float:
    """Largest relative error of any output or gradient, against the equations in float64; infinite where it fails."""
    exact = _stack("reference", torch.float64, device)
    try:
        found = _stack(backend, DTYPE[precision], device)
    except Exception:  # this build of torch has no such kernel, this GPU is not one that Triton compiles for
        return float("inf")
    errors = [float((b.double() - a).norm() / a.norm()) for a, b in zip(exact, found, strict=True)]
    return max(errors) if all(e == e for e in errors) else float("inf")


def _as_trained(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`step` as a run takes it: on a GPU a CUDA graph, in which many short kernels are as good as a few long ones."""
    if device.type != "cuda":
        return step
    try:
        return graphed(step, device)
    except RuntimeError:  # then it trains op by op, too
        return step


def _seconds(model: AWDLSTM, config: LMConfig, device: torch.device) -> float:
    """The best of a few training steps: whole windows on a GPU, where layers overlap in time; `TOKENS` on a CPU."""
    model.config = config
    length = config.bptt if device.type == "cuda" else min(config.bptt, max(WINDOW, -(-TOKENS // config.batch_size)))
    # a busy machine makes others wait, not this process count
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    ids = torch.randint(model.vocabulary, (length + 1, config.batch_size), device=device)

    def step() -> None:
        model.zero_grad()
        model.reset()
        output = model(ids[:-1])
        (cross_entropy(output, ids[1:]) + activation_penalty(output, config.ar, config.tar)).backward()

    run = _as_trained(step, device)
    best, spent = float("inf"), 0.0
    for number in range(ROUNDS + 1):  # the first also pays for memory
        started = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best, spent = min(best, clock() - started), spent + clock() - started
        if number and spent > PATIENCE:
            break
    model.zero_grad()
    model.reset()
    return best


def open_backends(device: torch.device) -> list[Backend]:
    """Those that `auto` may choose. On a CPU the fused one would be interpreted: a check, and no way to train."""
    fits = device.type == "cuda" and refusal("fused", device) is None
    return ["vendor", "stepwise", "fused"] if fits else ["vendor", "stepwise"]


def narrow(device: torch.device) -> Precision:
    """The sixteen bits that the device multiplies in: bfloat16, and float16 on a GPU that has no such products."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp16"
    return "bf16"


def candidates(vocabulary: int, config: LMConfig, device: torch.device) -> Iterator[Candidate]:
    """Everything that `config` leaves open, measured."""
    precisions: list[Precision] = ["fp32", narrow(device)] if config.precision == "auto" else [config.precision]
    backends = open_backends(device) if config.backend == "auto" else [config.backend]
    model = AWDLSTM(vocabulary, config).to(device).train()
    for precision in precisions:
        for backend in backends:
            if (backend, precision, device.type) in COARSE and config.backend == "auto":
                continue
            wrong = error(backend, precision, device)
            fits = wrong <= TOLERANCE[precision]
            concrete = dataclasses.replace(config, backend=backend, precision=precision)
            yield Candidate(backend, precision, wrong, _seconds(model, concrete, device) if fits else None)


def resolve(
    vocabulary: int, config: LMConfig, device: torch.device, world: World = ALONE
) -> tuple[LMConfig, list[Candidate]]:
    """`config` with a backend and a precision in the place of `auto`, and what was measured for it.

    Of several processes all take what the first one found. Random numbers are left alone. Raises `UsageError` for a
    backend that `device` does not have, `UlmkitError` where no candidate is right.
    """
    if config.backend != "auto" and (reason := refusal(config.backend, device)) is not None:
        raise UsageError(reason)
    if "auto" not in (config.backend, config.precision):
        return config, []
    if config.hidden_size < SMALLEST:
        changes: dict[str, str] = {"backend": "vendor", "precision": "fp32"}
        opened = {name: value for name, value in changes.items() if getattr(config, name) == "auto"}
        return dataclasses.replace(config, **opened), []  # type: ignore[arg-type]
    with kept_memory(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        found = list(candidates(vocabulary, config, device))
    timed = {one: one.seconds * (WORTH if one.precision != "fp32" else 1) for one in found if one.seconds is not None}
    if not timed:
        wrong = ", ".join(f"{one.backend} in {one.precision} (error {one.error:.1e})" for one in found)
        raise UlmkitError(f"language model: no LSTM backend computes what it should on {device}: {wrong}.")
    best = min(timed, key=lambda one: timed[one])
    best = found[world.of_first([found.index(best)], device)[0]]
    return dataclasses.replace(config, backend=best.backend, precision=best.precision), found
