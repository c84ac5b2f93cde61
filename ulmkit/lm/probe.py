"""Which LSTM backend, and which precision of products, a machine trains with: those that are right, then the fastest.

Nothing but a measurement tells: one CPU takes bfloat16 products four times as fast as float32 ones, another takes them
slower. So each candidate must first agree with the equations in float64, and then takes a few short training steps of
the very model.
"""

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ulmkit.errors import UlmkitError, UsageError
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.config import Backend, LMConfig, Precision
from ulmkit.lm.distributed import ALONE, World
from ulmkit.lm.graphs import WARM_UP
from ulmkit.lm.kernels import LayerState, LayerWeights, lstm_stack, refusal
from ulmkit.lm.step import COARSE, Step

SHORTEST = 8  # steps in time of a timed training step on a CPU, at least
TIMED_TOKENS = 576  # of a timed step on a CPU: with fewer, what a step costs once outweighs what it costs a token
TIMED_STEPS = 3
LONGEST_S = 3.0  # seconds for one candidate, from its second step on
SMALLEST = 128  # hidden size; below it a step takes as long whoever computes it, and runs stay alike on all machines
WORTH_IT = 1.2  # sixteen bits must be so many times as fast: they are not taken for a hair's breadth
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


def relative_error(backend: str, precision: Precision, device: torch.device) -> float:
    """Largest relative error of any output or gradient, against the equations in float64; infinite where it fails."""
    exact = _stack("reference", torch.float64, device)
    try:
        found = _stack(backend, DTYPE[precision], device)
    except Exception:  # this build of torch has no such kernel, this GPU is not one that Triton compiles for
        return float("inf")
    errors = [float((b.double() - a).norm() / a.norm()) for a, b in zip(exact, found, strict=True)]
    return max(errors) if all(e == e for e in errors) else float("inf")


def _seconds(step: Step, config: LMConfig) -> float | None:
    """The best of a few training steps: whole windows on a GPU, where layers overlap in time; `TIMED_TOKENS` on a CPU.

    On a GPU the steps are replayed as CUDA graphs, in which many short kernels are as good as a few long ones; where
    they cannot be captured, op by op. None where the step gave this config up. Nothing that is learned stays.
    """
    device, graphs, listed = step.device, step.graphs, step.ingredients
    length = config.bptt
    if device.type != "cuda":
        length = min(length, max(SHORTEST, -(-TIMED_TOKENS // config.batch_size)))
    # a busy machine makes others wait, not this process count
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    before = step.snapshot()
    step.model.config = config
    step.model.train()
    step.model.reset()
    # other processes are not asked: each measures for itself
    step.ingredients = [each for each in listed if each.capturable]
    take = step if len(step.ingredients) == len(listed) else step.take
    best, spent = float("inf"), 0.0
    try:
        ids = torch.randint(step.model.vocabulary, (length + 1, config.batch_size), device=device)
        for _ in range(0 if graphs is None else WARM_UP + 1):
            take(ids[:-1], ids[1:])
        for number in range(TIMED_STEPS + 1):  # the first also pays for memory
            started = clock()
            take(ids[:-1], ids[1:])
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best, spent = min(best, clock() - started), spent + clock() - started
            if number and spent > LONGEST_S:
                break
        return best if step.model.config is config else None
    finally:
        before.restore()
        step.graphs, step.ingredients = graphs, listed


def open_backends(device: torch.device) -> list[Backend]:
    """Those that `auto` may choose. On a CPU the fused one would be interpreted: a check, and no way to train."""
    fits = device.type == "cuda" and refusal("fused", device) is None
    return ["vendor", "stepwise", "fused"] if fits else ["vendor", "stepwise"]


def narrow(device: torch.device) -> Precision:
    """The sixteen bits that the device multiplies in: bfloat16, and float16 on a GPU that has no such products."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "fp16"
    return "bf16"


def measured_candidates(step: Step) -> Iterator[Candidate]:
    """Everything that the step's config leaves open, measured."""
    config, device = step.model.config, step.device
    precisions: list[Precision] = ["fp32", narrow(device)] if config.precision == "auto" else [config.precision]
    backends = open_backends(device) if config.backend == "auto" else [config.backend]
    for precision in precisions:
        for backend in backends:
            if (backend, precision, device.type) in COARSE and config.backend == "auto":
                continue
            concrete = dataclasses.replace(config, backend=backend, precision=precision)
            wrong = relative_error(backend, precision, device)
            seconds = None
            if wrong <= TOLERANCE[precision]:
                try:
                    seconds = _seconds(step, concrete)
                except Exception as error:  # of any kind: there are others
                    step.give_up(f"the {backend} LSTM in {precision}", error, "without it")
            yield Candidate(backend, precision, wrong, seconds)


def resolve(step: Step, world: World = ALONE) -> list[Candidate]:
    """Give the step's model a backend and a precision in the place of `auto`; what was measured for it.

    Of several processes all take what the first one found. Random numbers and weights are left alone. Raises
    `UsageError` for a backend that the device does not have, `UlmkitError` where no candidate is right.
    """
    config, device = step.model.config, step.device
    if config.backend != "auto" and (reason := refusal(config.backend, device)) is not None:
        raise UsageError(reason)
    if "auto" not in (config.backend, config.precision):
        return []
    plain = dataclasses.replace(
        config,
        backend="vendor" if config.backend == "auto" else config.backend,
        precision="fp32" if config.precision == "auto" else config.precision,
    )
    if config.hidden_size < SMALLEST:
        step.model.config = plain
        return []
    return _measured(step, plain, world)


def _measured(step: Step, plain: LMConfig, world: World) -> list[Candidate]:
    """Time what is right, and take the fastest; `plain` is torch's own where nothing could be timed."""
    config, device = step.model.config, step.device
    with kept_memory():
        found = list(measured_candidates(step))
    handicap = {one: WORTH_IT if one.precision != "fp32" else 1.0 for one in found}
    timed = {one: one.seconds * handicap[one] for one in found if one.seconds is not None}
    if not any(one.right for one in found):
        wrong = ", ".join(f"{one.backend} in {one.precision} (error {one.error:.1e})" for one in found)
        raise UlmkitError(f"language model: no LSTM backend computes what it should on {device}: {wrong}.")
    # where nothing could be timed, what is left is torch's own
    best = found.index(min(timed, key=lambda one: timed[one])) if timed else -1
    best = world.of_first([best], device)[0]
    if best < 0:
        step.model.config = dataclasses.replace(plain, backend="vendor")
    else:
        chosen = found[best]
        step.model.config = dataclasses.replace(config, backend=chosen.backend, precision=chosen.precision)
    return found
