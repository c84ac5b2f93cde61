"""What a GPU makes of the trainer: ceilings, correctness, kernels, fastai side by side, and whole runs on real tokens.

    python benchmarks/gpu.py --part 1                               kernels and the comparison with fastai
    python benchmarks/gpu.py --part 2 --tokens data/fa/tokens       the origin's recipe, perplexity against time
    python benchmarks/gpu.py --part 3 --tokens data/fa/tokens       its end, then the default recipe to as low a loss
    python benchmarks/gpu.py --part 1 --device cpu --tiny           every branch in a minute or two, figures of no worth
    python benchmarks/gpu.py --report                               the Markdown of what is in the JSON

A part ends after nine minutes at most (`--minutes`); what it found is in the JSON after every sub-part, and the same
command again goes on behind the last whole one. Weights and data are random numbers, never zeros; token ids follow
Zipf's law. Tokens a second are targets predicted in a second of wall time, with loading, optimizer and logging inside.
Rounds of all contenders alternate; figures are medians of at least five with their range.
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import itertools
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.atomic import read_json, write_json
from ulmkit.artifacts.manifest import package_versions, write_manifest
from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, id_dtype, open_token_file, write_token_file
from ulmkit.errors import Interrupted
from ulmkit.lm import loss as loss_module
from ulmkit.lm.batches import TrainBatches, as_batch
from ulmkit.lm.config import Backend, LMConfig, preset, replace_config
from ulmkit.lm.evaluate import evaluate
from ulmkit.lm.kernels import LayerState, LayerWeights, lstm_stack
from ulmkit.lm.loop import Loop
from ulmkit.lm.loss import activation_penalty, cross_entropy
from ulmkit.lm.model import AWDLSTM, Output
from ulmkit.lm.probe import DTYPE, TOLERANCE, Candidate, narrow, resolve
from ulmkit.lm.setup import set_up
from ulmkit.lm.step import make_step

BOS = 2
REPEATS = 7  # timings of one thing; their median counts
ROUNDS = 5  # of the contenders, in turn
HAS_FASTAI = importlib.util.find_spec("fastai") is not None
BACKENDS: tuple[Backend, ...] = typing.get_args(Backend)
FASTAI_MISSING = "fastai is not installed here"


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large everything is: what is to be measured, or a toy of it."""

    vocabulary: int = 30_000
    tokens: int = 4_000_000  # of the synthetic corpus
    document: int = 530  # its documents' mean length
    sizes: tuple[int, int, int] = (400, 1152, 3)  # embedding, hidden, layers
    window: int = 72
    batches: tuple[int, ...] = (64, 128, 256, 512)
    contended: tuple[int, ...] = (128, 256, 512)
    chunks: tuple[int, ...] = (512, 1024, 2048)
    matrix: int = 8192
    copied: int = 1 << 30  # bytes
    round_seconds: float = 2.0  # of one contender
    least: float = 0.02  # seconds of one timing
    workers: int = 8
    held_out: int = 200_000  # tokens that are looked at during a run
    look_seconds: float = 30.0

    def config(self, **changes: Any) -> LMConfig:
        """The default recipe at this size: all dropouts, AR and TAR, clipping."""
        embedding, hidden, layers = self.sizes
        own = {"embedding_size": embedding, "hidden_size": hidden, "layers": layers, "bptt": self.window}
        return preset("default", **(own | changes))


TINY = Scale(
    vocabulary=300,
    tokens=20_000,
    document=40,
    sizes=(16, 128, 2),
    window=8,
    batches=(4, 8),
    contended=(4, 8, 16),
    chunks=(16, 32),
    matrix=128,
    copied=1 << 16,
    round_seconds=0.05,
    least=0.0,
    workers=1,
    held_out=500,
    look_seconds=0.5,
)


class OutOfTimeError(Exception):
    """The part's time is over."""


class Sheet:
    """The JSON: written whole after every sub-part."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.ends = path, time.monotonic() + seconds
        self.values: dict[str, Any] = read_json(path) if path.exists() else {}

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def save(self) -> None:
        write_json(self.path, self.values)

    def fill(self, name: str, work: Callable[[dict[str, Any]], None]) -> None:
        """Let `work` fill section `name`, unless that is whole. An error is written down, and the rest goes on."""
        if self.values.get(name, {}).get("whole"):
            say(f"{name}: measured before")
            return
        if self.left < 5:
            raise OutOfTimeError
        say(f"{name} ({self.left:.0f} s left)")
        section: dict[str, Any] = {}
        self.values[name] = section
        began = time.monotonic()
        try:
            work(section)
            section["whole"] = True
        except OutOfTimeError:
            section["stopped"] = "no time left"
            raise
        except Exception as error:  # whatever a driver or a missing kernel comes up with
            section["error"] = f"{type(error).__name__}: {error}"
            section["traceback"] = traceback.format_exc()[-2000:]
            say(f"{name}: {section['error'][:200]}")
        finally:
            section["seconds"] = round(time.monotonic() - began, 1)
            self.save()
            release()

    def check_time(self) -> None:
        self.save()
        if self.left <= 0:
            raise OutOfTimeError


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def settle(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timings(run: Callable[[], Any], device: torch.device, scale: Scale) -> list[float]:
    """Seconds of one `run`, `REPEATS` times, each the mean of as many as fill `scale.least`."""
    for _ in range(3):  # kernels are loaded and chosen, memory is taken
        run()
    settle(device)
    began = time.perf_counter()
    run()
    settle(device)
    number = max(1, int(scale.least / max(time.perf_counter() - began, 1e-6)))
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        for _ in range(number):
            run()
        settle(device)
        found.append((time.perf_counter() - began) / number)
    return found


def spread(values: list[float], factor: float = 1.0) -> dict[str, float]:
    """Median and range of `values` times `factor`."""
    return {
        "median": statistics.median(values) * factor,
        "low": min(values) * factor,
        "high": max(values) * factor,
        "n": len(values),
    }


def as_graph(run: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`run` as one CUDA graph, where there is CUDA."""
    if device.type != "cuda":
        raise RuntimeError("CUDA graphs need CUDA")
    from ulmkit.lm.graphs import graphed

    return graphed(run, device)


def peak(device: torch.device, run: Callable[[], Any]) -> int:
    """Bytes that `run` takes beyond what was taken before it; 0 on a CPU, which does not count them."""
    if device.type != "cuda":
        run()
        return 0
    settle(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    settle(device)
    return torch.cuda.max_memory_allocated(device) - before


# -- part 1


def environment(section: dict[str, Any], device: torch.device) -> None:
    section["versions"] = package_versions(["torch", "triton", "fastai", "numpy", "safetensors", "ulmkit"])
    section["python"] = platform.python_version()
    section["system"] = platform.platform()
    section["cores"] = os.cpu_count()
    section["cuda"], section["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    if device.type != "cuda":
        section["device"] = f"CPU ({platform.machine()}), a dry run"
        return
    properties = torch.cuda.get_device_properties(device)
    section["device"] = properties.name
    section["memory_gib"] = properties.total_memory / 2**30
    section["processors"] = properties.multi_processor_count
    section["capability"] = list(torch.cuda.get_device_capability(device))
    fields = "driver_version,clocks.max.sm,power.limit,clocks.sm,temperature.gpu"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        line = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        section["nvidia_smi"] = dict(zip(fields.split(","), line.splitlines()[0].split(", "), strict=False))


def ceilings(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    source = torch.randn(scale.copied // 4, device=device)
    target = torch.empty_like(source)
    times = timings(lambda: target.copy_(source), device, scale)
    section["copy_gb_per_second"] = spread([2 * scale.copied / 1e9 / t for t in times])
    section["tflops"] = {}
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        a, b = (torch.randn(scale.matrix, scale.matrix, device=device).to(dtype) for _ in range(2))
        times = timings(lambda a=a, b=b: a @ b, device, scale)  # type: ignore[misc]
        section["tflops"][str(dtype).removeprefix("torch.")] = spread([2 * scale.matrix**3 / 1e12 / t for t in times])


@dataclasses.dataclass
class Stack:
    """Random inputs, states and weights of an LSTM stack at a model's own sizes."""

    x: torch.Tensor
    states: list[LayerState]
    weights: list[LayerWeights]
    masks: list[torch.Tensor | None]
    grad: torch.Tensor  # of the output

    def run(self, backend: str, *, backward: bool) -> list[torch.Tensor]:
        """The output and, with `backward`, all gradients."""
        output, _ = lstm_stack(self.x, self.states, self.weights, self.masks, backend=backend)
        if not backward:
            return [output]
        leaves = [self.x, *(weight for layer in self.weights for weight in layer)]
        return [output.detach(), *torch.autograd.grad(output, leaves, self.grad)]


def stack(scale: Scale, T: int, B: int, dtype: torch.dtype, device: torch.device) -> Stack:
    """Equal numbers in every dtype: rounded to bfloat16 first, so that only the arithmetic differs."""
    draw = torch.Generator().manual_seed(B)
    embedding, hidden, layers = scale.sizes
    sizes = [(embedding if i == 0 else hidden, embedding if i == layers - 1 else hidden) for i in range(layers)]
    exact = torch.promote_types(dtype, torch.float32)

    def tensor(*shape: int, bound: float = 1.0, wide: bool = False) -> torch.Tensor:
        values = (torch.rand(shape, generator=draw) * 2 - 1) * bound
        return values.bfloat16().to(device, exact if wide else dtype)

    states = [LayerState(tensor(B, h, bound=0.5), tensor(B, h, bound=0.5, wide=True)) for _, h in sizes]
    weights = [
        LayerWeights(
            tensor(4 * h, i, bound=h**-0.5).requires_grad_(),
            tensor(4 * h, h, bound=h**-0.5).requires_grad_(),
            tensor(4 * h, bound=h**-0.5, wide=True).requires_grad_(),
            tensor(4 * h, bound=h**-0.5, wide=True).requires_grad_(),
        )
        for i, h in sizes
    ]
    kept = [(tensor(1, B, h) > -0.6).to(dtype) * 1.25 for _, h in sizes[:-1]]  # 1.25 is exact in every dtype
    x, grad = tensor(T, B, embedding).requires_grad_(), tensor(T, B, embedding)
    return Stack(x, states, weights, [*kept], grad)


def against_float64(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """Largest relative error of the output and of any gradient, at full width, for each backend and precision."""
    T, B = min(scale.window, 16), min(scale.batches[0], 32)
    exact = stack(scale, T, B, torch.float64, device).run("reference", backward=True)
    for backend in BACKENDS:
        for precision, dtype in DTYPE.items():
            cell: dict[str, Any] = {}
            section[f"{backend} {precision}"] = cell
            try:
                found = stack(scale, T, B, dtype, device).run(backend, backward=True)
            except Exception as error:  # this build of torch has no such kernel
                cell["missing"] = f"{type(error).__name__}: {error}"[:300]
                continue
            errors = [float((b.double() - a).norm() / a.norm()) for a, b in zip(exact, found, strict=True)]
            cell |= {"output": errors[0], "gradient": max(errors[1:])}
            cell["right"] = bool(max(errors) <= TOLERANCE[precision])


def against_fastai(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """Loss and gradients beside fastai's own model: dropout off, AR 2 and TAR 1, two batches with carried state."""
    if not HAS_FASTAI:
        section["missing"] = FASTAI_MISSING
        return
    from fastai.callback.rnn import RNNRegularizer
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
    from fastai.text.models.core import get_language_model

    from ulmkit.publish.fastai import fastai_names, from_fastai

    embedding, hidden, layers = scale.sizes
    sizes = {"emb_sz": embedding, "n_hid": hidden, "n_layers": layers, "pad_token": None}
    drops = {name: 0.0 for name in awd_lstm_lm_config if name.endswith("_p")}
    # fastai cannot be reset in training with a weight_p of 0
    config = awd_lstm_lm_config | sizes | drops | {"weight_p": 1e-12}
    torch.manual_seed(1)
    theirs = get_language_model(AWD_LSTM, scale.vocabulary, config).to(device).train()
    ids = torch.randint(scale.vocabulary, (2, scale.window + 1, min(scale.batches[0], 32)), device=device)

    def fastai_batches() -> Iterator[tuple[float, dict[str, torch.Tensor]]]:
        theirs.reset()
        for batch in ids:
            prediction, raw, out = theirs(batch[:-1].T)
            loss = torch.nn.functional.cross_entropy(prediction.flatten(0, 1), batch[1:].T.flatten())
            regularizer = RNNRegularizer(alpha=2.0, beta=1.0)
            regularizer.learn = argparse.Namespace(
                loss_grad=loss.clone(), training=True, rnn=argparse.Namespace(raw_out=raw, out=out)
            )
            regularizer.after_loss()
            theirs.zero_grad()
            regularizer.learn.loss_grad.backward()
            yield float(loss.detach()), {name: p.grad.clone() for name, p in theirs.named_parameters()}

    expected = list(fastai_batches())
    names = {name: copies[0] for name, copies in fastai_names(layers).items()}
    for backend in BACKENDS:
        for precision in DTYPE:
            cell: dict[str, Any] = {}
            section[f"{backend} {precision}"] = cell
            settings = scale.config(drop_mult=0.0, backend=backend, precision=precision)
            ours = AWDLSTM(scale.vocabulary, settings).to(device).train()
            ours.load_state_dict(from_fastai(theirs.state_dict()))
            try:
                for batch, (loss, gradients) in zip(ids, expected, strict=True):
                    output = ours(batch[:-1])
                    mine = cross_entropy(output, batch[1:])
                    ours.zero_grad()
                    (mine + activation_penalty(output, 2.0, 1.0)).backward()
                    apart = [
                        float((p.grad - gradients[names[name]]).norm() / gradients[names[name]].norm())
                        for name, p in ours.named_parameters()
                        if p.grad is not None
                    ]
                    cell["loss"] = max(cell.get("loss", 0.0), abs(float(mine.detach()) - loss))
                    cell["gradient"] = max(cell.get("gradient", 0.0), *apart)
            except Exception as error:
                cell["missing"] = f"{type(error).__name__}: {error}"[:300]


def lstm(section: dict[str, Any], sheet: Sheet, device: torch.device, scale: Scale) -> None:
    """Milliseconds of the stack alone: each backend, batch size, direction, and with one CUDA graph around it."""
    T = scale.window
    section["window"], section["precision"] = T, str(DTYPE[narrow(device)]).removeprefix("torch.")
    section["cells"] = {}
    for B in scale.batches:
        inputs = stack(scale, T, B, DTYPE[narrow(device)], device)
        for backend in BACKENDS:
            if backend == "reference" and scale.batches[1] != B:
                continue  # once, for the scale of things
            for direction, backward in (("forward", False), ("both", True)):
                for graph in (False, True):
                    cell = section["cells"].setdefault(f"{backend} {B}", {})
                    key = f"{direction}, graph" if graph else direction

                    def run(backend: str = backend, backward: bool = backward, inputs: Stack = inputs) -> None:
                        inputs.run(backend, backward=backward)

                    try:
                        times = timings(as_graph(run, device) if graph else run, device, scale)
                        cell[key] = spread(times, 1000.0)
                    except Exception as error:
                        cell[key] = {"missing": f"{type(error).__name__}: {error}"[:300]}
                    sheet.check_time()
        del inputs
        release()


def chunks(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """Cross-entropy forward and backward by chunk, and through whole logits by torch's own functions."""
    N, E, V = scale.window * scale.contended[0], scale.sizes[0], scale.vocabulary
    dtype = DTYPE[narrow(device)]
    hidden = torch.randn(N, E, device=device).to(dtype).requires_grad_()
    weight = (torch.rand(V, E, device=device) * 0.2 - 0.1).requires_grad_()
    bias = (torch.randn(V, device=device) * 0.1).requires_grad_()
    targets = torch.from_numpy(zipf(N, V, seed=3).astype(np.int64)).to(device)
    leaves = [hidden, weight, bias]

    def ours() -> None:
        output = Output(hidden.unsqueeze(1), hidden.unsqueeze(1), weight, bias)
        torch.autograd.grad(cross_entropy(output, targets.unsqueeze(1)), leaves)

    def whole_logits() -> None:
        logits = (hidden @ weight.to(dtype).T).float() + bias
        torch.autograd.grad(torch.nn.functional.cross_entropy(logits, targets), leaves)

    section["positions"], section["vocabulary"] = N, V
    for name, chunk in [*((str(chunk), chunk) for chunk in scale.chunks), ("all at once", N), ("torch", 0)]:
        run = ours if chunk else whole_logits
        with chunk_of(chunk or N):
            taken = peak(device, run)
            section[name] = {"ms": spread(timings(run, device, scale), 1000.0), "peak_bytes": taken}


@contextlib.contextmanager
def chunk_of(positions: int) -> Iterator[None]:
    names = ("CPU_CHUNK", "GPU_CHUNK")
    before = {name: getattr(loss_module, name) for name in names}
    try:
        for name in names:
            setattr(loss_module, name, positions)
        yield
    finally:
        for name, value in before.items():
            setattr(loss_module, name, value)


def zipf(number: int, vocabulary: int, *, seed: int) -> np.ndarray:
    """Ids with the frequencies of words: the n-th as often as 1 / (n + 2.7) says."""
    weights = 1 / (np.arange(vocabulary - BOS - 1) + 2.7)
    cumulative = weights.cumsum() / weights.sum()
    return BOS + 1 + np.searchsorted(cumulative, np.random.default_rng(seed).random(number)).clip(max=len(weights) - 1)


def synthetic(scale: Scale, *, seed: int, tokens: int) -> TokenFile:
    """Documents of log-normal length, ids by Zipf's law."""
    random = np.random.default_rng(seed)
    lengths = np.maximum(2, random.lognormal(math.log(scale.document) - 0.32, 0.8, 2 + 2 * tokens // scale.document))
    ends = lengths.astype(np.int64).cumsum()
    ends = ends[: max(2, int(np.searchsorted(ends, tokens)))]
    ids = zipf(int(ends[-1]), scale.vocabulary, seed=seed).astype(id_dtype(scale.vocabulary))
    ids[np.concatenate([[0], ends[:-1]])] = BOS
    documents = np.zeros(len(ends), DOCUMENT)
    sizes = np.diff(ends, prepend=0)
    documents["end"], documents["characters"], documents["bytes"] = ends, 4 * sizes, 7 * sizes
    return TokenFile(ids, documents, scale.vocabulary, BOS, "synthetic", "zxx", ("synthetic",), Path("synthetic"))


@dataclasses.dataclass
class Runner:
    """One contender: a loop that takes one step at each `next`."""

    name: str
    loop: Iterator[None]
    tokens: int  # a step
    peak_bytes: int = 0
    steps: int = 1  # in a round
    rates: list[float] = dataclasses.field(default_factory=list)
    milliseconds: list[float] = dataclasses.field(default_factory=list)

    def round(self, device: torch.device) -> None:
        settle(device)
        began = time.perf_counter()
        for _ in range(self.steps):
            next(self.loop)
        settle(device)
        seconds = time.perf_counter() - began
        self.rates.append(self.tokens * self.steps / seconds)
        self.milliseconds.append(1000 * seconds / self.steps)


def runner(
    name: str, build: Callable[[], Iterator[None]], config: LMConfig, device: torch.device, scale: Scale
) -> Runner:
    """A contender that has taken its first steps, with as many in a round as fill it."""
    ready: list[Iterator[None]] = []

    def begin() -> None:
        ready.append(build())
        for _ in range(6):  # kernels and graphs are made, memory is taken
            next(ready[0])

    taken = peak(device, begin)
    one = Runner(name, ready[0], config.batch_size * config.bptt, taken)
    one.round(device)
    one.steps = max(1, int(scale.round_seconds * 1000 / one.milliseconds[0]))
    one.round(device)  # a faster one still was warming up
    one.steps = max(1, int(scale.round_seconds * 1000 / one.milliseconds[1]))
    one.rates, one.milliseconds = [], []
    return one


def fastai_loader(train: TokenFile, config: LMConfig, device: torch.device, *, words: bool, workers: int) -> Any:
    """fastai's language model loader: over lists of words that are turned into ids on access, or over tensors."""
    from fastai.data.core import Datasets
    from fastai.text.data import LMDataLoader, Numericalize

    ends = train.documents["end"]
    parts = np.split(np.asarray(train.ids), ends[:-1])
    options: dict[str, Any] = {"bs": config.batch_size, "seq_len": config.bptt, "device": device, "shuffle": True}
    if not words:
        return LMDataLoader([as_batch(part) for part in parts], num_workers=workers, **options)
    vocabulary = [f"w{i}" for i in range(train.vocabulary)]
    texts = [[vocabulary[i] for i in part] for part in parts]
    items = Datasets(texts, [[Numericalize(vocab=vocabulary)]])
    return LMDataLoader(items, lens=[len(text) for text in texts], num_workers=workers, **options)


def fastai_loop(
    train: TokenFile, config: LMConfig, device: torch.device, *, words: bool, fp16: bool, workers: int
) -> Iterator[None]:
    from lm_cpu import drive, fastai_learner

    loader = fastai_loader(train, config, device, words=words, workers=workers)
    learn = fastai_learner(train, config, AWDLSTM(train.vocabulary, config), loader=loader, device=device)
    learn.model.to(device)
    if fp16:
        from fastai.callback.fp16 import MixedPrecision

        learn.add_cb(MixedPrecision())
    yield from drive(learn, config, 100_000)


def our_loop(
    train: TokenFile, valid: TokenFile, config: LMConfig, device: torch.device, *, graph: bool = True
) -> Iterator[None]:
    """Our Learner with the log read back as a run does it; without `graph` it runs op by op."""
    from lm_cpu import drive

    from ulmkit.learner.learner import learner

    learn = learner(train, valid, config, device=str(device))
    pending: list[torch.Tensor] = []
    for number, _ in enumerate(drive(learn, config, 100_000), 1):
        if not graph and learn.lm_step is not None:
            learn.lm_step.graphs = None
        pending.append(learn.loss.detach())
        if number % config.log_every == 0:
            torch.stack(pending).double().tolist()
            pending = []
        yield


def chosen(config: LMConfig, vocabulary: int, device: torch.device) -> tuple[LMConfig, list[Candidate]]:
    """What a run of `config` would train with here, and what was measured for it."""
    step = make_step(AWDLSTM(vocabulary, config).to(device), config)
    found = resolve(step)
    return step.model.config, found


def contest(section: dict[str, Any], sheet: Sheet, device: torch.device, scale: Scale) -> None:
    """All contenders in turn; then their rates, and the ratios to fastai of each round."""
    if not HAS_FASTAI:
        section["missing"] = f"{FASTAI_MISSING}; our own Learner is fastai's, too"
        return
    train, valid = synthetic(scale, seed=1, tokens=scale.tokens), synthetic(scale, seed=2, tokens=scale.held_out)
    config = scale.config(batch_size=scale.contended[0])
    builders: dict[str, tuple[LMConfig, Callable[[], Iterator[None]]]] = {}
    kinds = {
        "fastai as documented": {"words": True, "fp16": False, "workers": 0},
        "fastai, ids, fp16": {"words": False, "fp16": True, "workers": 0},
        f"fastai, ids, fp16, {scale.workers} workers": {"words": False, "fp16": True, "workers": scale.workers},
    }
    for name, options in kinds.items():
        builders[name] = config, lambda options=options: fastai_loop(train, config, device, **options)  # type: ignore[misc]
    section["probe"] = {}
    for B in scale.contended:
        own, probed = chosen(scale.config(batch_size=B), scale.vocabulary, device)
        section["probe"][str(B)] = {
            "backend": own.backend,
            "precision": own.precision,
            "candidates": [dataclasses.asdict(one) for one in probed],
        }
        builders[f"ulmkit, batch {B}"] = own, lambda own=own: our_loop(train, valid, own, device)  # type: ignore[misc]
    alike = builders[f"ulmkit, batch {config.batch_size}"][0]
    builders[f"ulmkit, batch {config.batch_size}, no graph"] = (
        alike,
        lambda: our_loop(train, valid, alike, device, graph=False),
    )
    first, wide = f"ulmkit, batch {scale.contended[0]}", f"ulmkit, batch {scale.contended[-1]}"
    section |= {"config": config.to_json(), "failed": {}, "contenders": {}, "ratio": {}}
    section["names"] = {"fastai": list(kinds), "first": first, "wide": wide}
    field = []
    for name, (own, build) in builders.items():
        try:
            field.append(runner(name, build, own, device, scale))
            say(f"  {name}: ready, {field[-1].steps} steps a round")
        except Exception as error:
            section["failed"][name] = f"{type(error).__name__}: {error}"[:500]
            say(f"  {name}: {section['failed'][name]}")
        sheet.check_time()
    number = 0
    while number < ROUNDS or (number < 3 * ROUNDS and sheet.left > 60 and scale.round_seconds > 1):
        for one in field if number % 2 else reversed(field):
            one.round(device)
        number += 1
        for one in field:
            section["contenders"][one.name] = {
                "tokens_per_second": spread(one.rates),
                "milliseconds": spread(one.milliseconds),
                "peak_bytes": one.peak_bytes,
                "steps_a_round": one.steps,
            }
        rates = {one.name: one.rates for one in field}
        for name in kinds:
            if name in rates and first in rates:
                section["ratio"][name] = spread([a / b for a, b in zip(rates[first], rates[name], strict=True)])
        sheet.check_time()
    for one in field:
        typing.cast(Any, one.loop).close()  # a generator: its workers end with it


def replays(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """Do steps that are replayed give the losses of steps op by op, and does nothing in them wait for the host?"""
    if not HAS_FASTAI:
        section["missing"] = FASTAI_MISSING
        return
    from lm_cpu import drive

    from ulmkit.learner.learner import learner

    train, valid = synthetic(scale, seed=1, tokens=scale.tokens), synthetic(scale, seed=2, tokens=scale.held_out)
    config = scale.config(batch_size=scale.contended[0], ema=0.999)
    config, _ = chosen(config, scale.vocabulary, device)  # once, so that both have the same
    section |= {"backend": config.backend, "precision": config.precision, "waits": "nothing was looked for"}
    for graph in (False, True):
        torch.manual_seed(1)
        learn = learner(train, valid, config, device=str(device))
        loop, losses = drive(learn, config, 1000), []
        for _ in range(30):
            next(loop)
            if not graph and learn.lm_step is not None:
                learn.lm_step.graphs = None
            losses.append(learn.loss.detach())
        section["replayed" if graph else "op by op"] = torch.stack(losses).double().tolist()
        if learn.lm_step is not None and learn.lm_step.graphs is not None:
            section["captured lengths"] = sorted(learn.lm_step.graphs.captured)
            torch.cuda.set_sync_debug_mode("error")
            try:
                for _ in range(10):
                    next(loop)
                section["waits"] = "none"
            except RuntimeError as error:
                section["waits"] = str(error)[:300]
            finally:
                torch.cuda.set_sync_debug_mode("default")
    pairs = zip(section["replayed"], section["op by op"], strict=True)
    section["largest difference"] = max(abs(a - b) for a, b in pairs)


def batcher(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """Tokens a second of our batches alone, a whole epoch with its shuffle."""
    train = synthetic(scale, seed=1, tokens=scale.tokens)
    batches = TrainBatches(train, scale.contended[0], scale.window).to(device)
    rates = []
    for _ in range(ROUNDS):
        settle(device)
        began, tokens = time.perf_counter(), 0
        for x, _y in batches:
            tokens += x.numel()
        settle(device)
        rates.append(tokens / (time.perf_counter() - began))
    section["tokens_per_second"], section["on_device"] = spread(rates), batches.resident is not None


def adam(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """One optimizer step of the whole model, with an average of the weights: three ways."""
    from ulmkit.lm.kernels.adam import in_many_passes
    from ulmkit.lm.kernels.types import AdamTensors, StepScalars

    model = AWDLSTM(scale.vocabulary, scale.config())
    tensors = []
    for p in model.to(device).parameters():
        alike = [torch.randn_like(p) for _ in range(3)]
        average = p.detach().clone()
        tensors.append(
            AdamTensors(p.detach(), alike[0], alike[1], alike[2].square(), torch.ones((), device=device), average)
        )
    hypers = torch.tensor([1e-3, 0.8, 0.99, 1e-5, 0.01], device=device)
    scalars = StepScalars(*(torch.full((), value, device=device) for value in (1.0, 1.0, 0.01)))

    def every(update: Callable[..., None]) -> Callable[[], None]:
        def run() -> None:
            for one in tensors:
                update(one, hypers, scalars, True)

        return run

    optimizer = torch.optim.AdamW([one.p for one in tensors], lr=1e-3, betas=(0.8, 0.99), eps=1e-5, fused=True)
    for one in tensors:
        one.p.grad = one.gradient

    section["torch's fused, no average"] = spread(timings(optimizer.step, device, scale), 1000.0)
    section["many passes"] = spread(timings(every(in_many_passes), device, scale), 1000.0)
    try:
        from ulmkit.lm.kernels.adam_triton import in_one_pass

        section["one pass"] = spread(timings(every(in_one_pass), device, scale), 1000.0)
    except Exception as error:  # no Triton, or no driver for it
        section["one pass"] = {"missing": f"{type(error).__name__}: {error}"[:300]}


def overhead(section: dict[str, Any], device: torch.device, scale: Scale) -> None:
    """What Python takes of a step: milliseconds of CPU time with a model of two units, whose arithmetic is nothing."""
    if not HAS_FASTAI:
        section["missing"] = FASTAI_MISSING
        return
    from lm_cpu import drive

    from ulmkit.learner.fastai_imports import Callback, Learner
    from ulmkit.learner.learner import LMLearner, learner
    from ulmkit.lm.run import pretrain

    toy = dataclasses.replace(TINY, vocabulary=50, sizes=(2, 2, 1))
    config = toy.config(batch_size=8, precision="fp32", backend="vendor", ema=0.999)
    train, valid = (synthetic(toy, seed=seed, tokens=tokens) for seed, tokens in ((1, 200_000), (2, 500)))
    steps = 10 if scale.round_seconds < 1 else 300

    def ours() -> LMLearner:
        return learner(train, valid, config, device=str(device))

    def bare() -> Iterator[None]:
        training = set_up(train, valid, config, device)
        training.model.train()
        for batch in training.batches:
            training.step(*batch)
            yield

    def driven(learn: LMLearner, *, listens: bool) -> Iterator[None]:
        if listens:  # fastai's events stand in each step
            learn.add_cb(Listens())
        yield from drive(learn, config, 100_000)

    class Listens(Callback):
        def after_pred(self) -> None:
            return

        def before_step(self) -> None:
            return

    class AsFastai(LMLearner):
        __call__ = Learner.__call__  # asks every callback at every event

    def fastai_events() -> Iterator[None]:
        learn = ours()
        learn.__class__ = AsFastai
        yield from driven(learn, listens=True)

    loops = {
        "the step alone": bare(),
        "our Learner": driven(ours(), listens=False),
        "our Learner, op by op": driven(ours(), listens=True),
        "our Learner, op by op, fastai's events": fastai_events(),
        "fastai's own": fastai_loop(train, config, device, words=False, fp16=False, workers=0),
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        for _ in range(8):
            next(loop)
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            settle(device)
            began = time.process_time()
            for _ in range(steps):
                next(loop)
            found[name].append(1000 * (time.process_time() - began) / steps)
    section |= {name: spread(values) for name, values in found.items()}
    with tempfile.TemporaryDirectory() as folder:
        long = replace_config(config, {"steps": 6 * steps, "log_every": steps, "checkpoint_minutes": 100.0})
        ticks: list[float] = []
        pretrain(
            train, valid, Path(folder), long, device=str(device), progress=lambda _: ticks.append(time.process_time())
        )
    between = [1000 * (b - a) / steps for a, b in itertools.pairwise(ticks[:6])]
    section["a run with its metrics"] = spread(between[1:])


def part_one(sheet: Sheet, device: torch.device, scale: Scale) -> None:
    sheet.fill("environment", lambda section: environment(section, device))
    sheet.fill("ceilings", lambda section: ceilings(section, device, scale))
    sheet.fill("against float64", lambda section: against_float64(section, device, scale))
    sheet.fill("against fastai", lambda section: against_fastai(section, device, scale))
    sheet.fill("replays", lambda section: replays(section, device, scale))
    sheet.fill("contest", lambda section: contest(section, sheet, device, scale))  # before what matters less
    sheet.fill("chunks", lambda section: chunks(section, device, scale))
    sheet.fill("batcher", lambda section: batcher(section, device, scale))
    sheet.fill("overhead", lambda section: overhead(section, device, scale))
    sheet.fill("adam", lambda section: adam(section, device, scale))
    sheet.fill("lstm", lambda section: lstm(section, sheet, device, scale))


# -- parts 2 and 3


def part_of(tokens: TokenFile, wanted: int) -> TokenFile:
    """The first whole documents that hold `wanted` ids."""
    last = min(len(tokens.documents), 1 + int(np.searchsorted(tokens.documents["end"], wanted)))
    documents = tokens.documents[:last]
    return dataclasses.replace(tokens, ids=tokens.ids[: int(documents["end"][-1])], documents=documents)


class Curve:
    """Looks at held-out text every half minute, and ends the run when its time or its aim is reached.

    A point of the curve has the seconds of training and those of looking apart: `seconds` is without them.
    """

    def __init__(
        self, section: dict[str, Any], sheet: Sheet, valid: TokenFile, scale: Scale, target: float | None
    ) -> None:
        self.section, self.sheet, self.valid, self.scale, self.target = section, sheet, valid, scale, target
        points = section.setdefault("curve", [])
        self.trained: float = points[-1]["seconds"] if points else 0.0
        self.looked: float = points[-1]["looking"] if points else 0.0
        self.since: float | None = None
        self.next_look, self.told = 0.0, False

    def __call__(self, loop: Loop) -> None:
        """After each step."""
        now = time.monotonic()
        if self.since is None:
            self.since, self.next_look = now, now + self.scale.look_seconds
        over, points = self.sheet.left < 20, self.section["curve"]
        if now >= self.next_look or (over and not self.told) or loop.position.done:
            self.look(loop)
        reached = self.target is not None and bool(points) and points[-1]["loss"] <= self.target
        if (over or reached) and not self.told:
            self.told = True
            signal.raise_signal(signal.SIGTERM)  # saves everything and stops, as for anybody

    def look(self, loop: Loop) -> None:
        device = loop.device
        settle(device)
        began = time.monotonic()
        self.trained += began - (self.since or began)
        model, state = loop.training.model, loop.training.model.state
        found = evaluate(model, self.valid, batch_size=64)
        model.state = state
        settle(device)
        self.since = time.monotonic()
        self.looked += self.since - began
        self.next_look = self.since + self.scale.look_seconds
        point = {
            "step": loop.position.step,
            "seconds": self.trained,
            "looking": self.looked,
            "loss": found.loss,
            "perplexity": found.perplexity,
            "bits_per_character": found.bits_per_character,
        }
        self.section["curve"].append(point)
        self.sheet.save()
        say(f"  step {loop.position.step:,}, {self.trained:.0f} s: perplexity {found.perplexity:.2f}")


def train(
    section: dict[str, Any],
    sheet: Sheet,
    folders: tuple[Path, Path],
    config: LMConfig,
    device: torch.device,
    scale: Scale,
    *,
    target: float | None = None,
    seconds: float | None = None,
) -> None:
    """`config` on the tokens of `folders[0]` in run folder `folders[1]`, on from where it stopped before."""
    from ulmkit.lm.run import pretrain

    files = [open_token_file(folders[0], split) for split in ("train", "valid")]
    watched = part_of(files[1], scale.held_out)
    section |= {"config": config.to_json(), "train_tokens": len(files[0].ids), "held_out_tokens": len(watched.ids)}
    section.setdefault("finished", False)
    curve = Curve(section, sheet, watched, scale, target)
    try:
        result = pretrain(
            files[0],
            files[1],
            folders[1],
            config,
            resume=(folders[1] / "last").exists(),
            device=str(device),
            after_step=curve,
            time_budget_s=seconds,
        )
    except Interrupted as interrupted:
        section["stopped"] = str(interrupted)
        return
    section["finished"] = True
    section.pop("stopped", None)
    outcome = dataclasses.asdict(result)
    section["result"] = {name: value for name, value in outcome.items() if name != "folder"}


def origin(
    sheet: Sheet, folders: tuple[Path, Path], device: torch.device, scale: Scale, changes: dict[str, Any]
) -> None:
    """The recipe this project grew from, ten epochs of it; goes on where it stopped."""
    section = sheet.values.setdefault("origin", {})
    if section.get("finished"):
        say("origin: finished before")
        return
    config = replace_config(preset("origin", checkpoint_minutes=1.0), changes)
    say(f"origin ({sheet.left:.0f} s left)")
    try:
        train(section, sheet, (folders[0], folders[1] / "origin"), config, device, scale)
    finally:
        sheet.save()


def default(
    sheet: Sheet,
    folders: tuple[Path, Path],
    device: torch.device,
    scale: Scale,
    changes: dict[str, Any],
    minutes: float | None,
) -> None:
    """Our recipe, its one cycle stretched over `minutes`, or the time that is left, until it is as good as the origin
    at its end."""
    begun = sheet.values.get("origin", {})
    if not begun.get("finished"):
        say("default: waits for the origin's end; run this part again")
        return
    section = sheet.values.setdefault("default", {})
    if section.get("reached") or section.get("finished"):
        say("default: measured before")
        return
    config = replace_config(preset("default", checkpoint_minutes=5.0), changes)
    target = section["target"] = begun["curve"][-1]["loss"]
    left = max(5.0, sheet.left - 40)
    # one that was stopped goes on with the budget that it began with
    budget = section.setdefault("budget_s", min(left, minutes * 60) if minutes else left)
    say(f"default to a held-out loss of {target:.4f} ({sheet.left:.0f} s left)")
    run = folders[0], folders[1] / "default"
    try:
        train(section, sheet, run, config, device, scale, target=target, seconds=budget)
        section["reached"] = any(point["loss"] <= target for point in section["curve"])
    finally:
        sheet.save()


def write_synthetic(folder: Path, scale: Scale) -> None:
    """A folder of token files that are random, for a dry run."""
    splits = {}
    for seed, (split, tokens) in enumerate({"train": scale.tokens // 4, "valid": scale.held_out}.items()):
        made = synthetic(scale, seed=seed, tokens=tokens)
        splits[split] = write_token_file(folder, split, [(made.ids, made.documents)], vocabulary=scale.vocabulary)
    about = {"vocabulary": scale.vocabulary, "bos": BOS, "tokenizer": "synthetic", "language": "zxx"}
    write_manifest(folder, "tokens", about | {"sources": ["synthetic"], "splits": splits, "files": {}})


# -- the report


def figures(values: dict[str, Any]) -> dict[str, Any]:
    """M1 to M5: tokens a second at the first and the last batch size, three ratios, and two times in minutes."""
    contest = values.get("contest", {})
    names, field = contest.get("names", {}), contest.get("contenders", {})
    found: dict[str, Any] = {}
    for key, name in (("M1", names.get("first")), ("M2", names.get("wide"))):
        found[key] = field.get(name, {}).get("tokens_per_second")
    found["M3"] = {name: contest.get("ratio", {}).get(name) for name in names.get("fastai", [])}
    run, ours = values.get("origin", {}), values.get("default", {})
    found["M4"] = found["M5"] = None
    if run.get("finished"):
        seconds, tokens = run["curve"][-1]["seconds"], run["result"]["tokens"]
        found["M4"] = {
            "minutes": seconds / 60,
            "tokens": tokens,
            "minutes_of_1e9_tokens": 1e9 / tokens * seconds / 60,  # at the same rate
            "perplexity": run["curve"][-1]["perplexity"],
        }
    reached = [point for point in ours.get("curve", []) if point["loss"] <= ours.get("target", -math.inf)]
    if reached:
        found["M5"] = {"minutes": reached[0]["seconds"] / 60, "perplexity": reached[0]["perplexity"]}
    return found


def cell(value: dict[str, Any] | None, digits: int = 0) -> str:
    """A median with its range, or why there is none."""
    if not value or "median" not in value:
        return "not measured" if not value or "missing" not in value else "fails"
    return f"{value['median']:,.{digits}f} ({value['low']:,.{digits}f} to {value['high']:,.{digits}f})"


def by_name(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Items in the order of their names, 64 before 128."""

    def key(item: tuple[str, Any]) -> list[tuple[bool, int, str]]:
        return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in item[0].split()]

    return sorted(values.items(), key=key)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def report(values: dict[str, Any]) -> str:
    """All of the JSON as Markdown."""
    about = values.get("environment", {})
    lines = [f"# The trainer on {about.get('device', 'an unknown device')}", ""]
    versions = ", ".join(f"{name} {version}" for name, version in about.get("versions", {}).items())
    lines += [f"{versions}; CUDA {about.get('cuda')}, cuDNN {about.get('cudnn')}, Python {about.get('python')}.", ""]
    if "nvidia_smi" in about:
        lines += ["; ".join(f"{name} {value}" for name, value in about["nvidia_smi"].items()) + ".", ""]
    lines += ["Medians with their range. Nothing here is worth anything from a dry run on a CPU.", ""]
    found = figures(values)
    lines += ["## In short", "", *_short(found, values)]
    ceilings = values.get("ceilings", {})
    if "tflops" in ceilings:
        lines += ["## Ceilings", ""]
        rows = [["copy, GB/s", cell(ceilings["copy_gb_per_second"])]]
        rows += [[f"matrix product in {name}, TFLOP/s", cell(one, 1)] for name, one in ceilings["tflops"].items()]
        lines += table(["what", "measured"], rows)
    contest = values.get("contest", {})
    if contest.get("contenders"):
        lines += ["## Side by side, in alternating rounds", ""]
        rows = [
            [name, cell(one["tokens_per_second"]), cell(one["milliseconds"], 2), f"{one['peak_bytes'] / 2**30:.2f}"]
            for name, one in by_name(contest["contenders"])
        ]
        lines += table(["contender", "tokens/s", "ms a step", "peak GiB"], rows)
    lines += [f"- {name} failed: {error}" for name, error in contest.get("failed", {}).items()]
    lines += _correctness(values)
    steps = values.get("replays", {})
    if "largest difference" in steps:
        lines += [
            f"Thirty steps replayed against the same op by op ({steps['backend']}, {steps['precision']}): largest "
            f"difference of a loss {steps['largest difference']:.1e}. Captured lengths: "
            f"{steps.get('captured lengths', [])}. What waits for the host: {steps['waits']}.",
            "",
        ]
    timed = values.get("lstm", {})
    if timed.get("cells"):
        lines += [f"## The LSTM stack alone, {timed['window']} steps in {timed['precision']}, ms", ""]
        keys = ["forward", "forward, graph", "both", "both, graph"]
        rows = [[name, *(cell(one.get(key), 3) for key in keys)] for name, one in by_name(timed["cells"])]
        lines += table(["backend and batch", *keys], rows)
    chunked = {name: one for name, one in values.get("chunks", {}).items() if isinstance(one, dict)}
    if chunked:
        lines += ["## Cross-entropy, forward and backward, by chunk", ""]
        rows = [[name, cell(one["ms"], 3), f"{one['peak_bytes'] / 2**20:,.0f}"] for name, one in by_name(chunked)]
        lines += table(["positions at a time", "ms", "peak MiB"], rows)
    for name, title in (("adam", "An optimizer step, ms"), ("overhead", "What Python takes of a step, CPU ms")):
        timed = {key: one for key, one in values.get(name, {}).items() if isinstance(one, dict)}
        if timed:
            lines += [f"## {title}", "", *table(["way", "ms"], [[key, cell(one, 3)] for key, one in timed.items()])]
    if "tokens_per_second" in values.get("batcher", {}):
        where = "on the device" if values["batcher"]["on_device"] else "from the host"
        lines += [f"Batches alone, {where}: {cell(values['batcher']['tokens_per_second'])} tokens/s.", ""]
    for name in ("origin", "default"):
        lines += _curve(name, values.get(name, {}))
    errors = [f"- {name}: {one['error']}" for name, one in values.items() if isinstance(one, dict) and "error" in one]
    lines += ["## What failed", "", *errors] if errors else []
    return "\n".join(lines).rstrip() + "\n"


def _short(found: dict[str, Any], values: dict[str, Any]) -> list[str]:
    names = values.get("contest", {}).get("names", {})
    rows = [
        ["M1", f"tokens/s, {names.get('first', 'first batch size')}", cell(found["M1"])],
        ["M2", f"tokens/s, {names.get('wide', 'last batch size')}", cell(found["M2"])],
        *(["M3", f"times {name}", cell(one, 1)] for name, one in found["M3"].items()),
    ]
    four, five = found["M4"], found["M5"]
    rows.append(
        [
            "M4",
            "minutes of ten epochs of the origin's recipe",
            f"{four['minutes']:.1f} for {four['tokens']:,} tokens, perplexity {four['perplexity']:.2f}; "
            f"a thousand million at this rate: {four['minutes_of_1e9_tokens']:.1f}"
            if four
            else "not measured",
        ]
    )
    tried = values.get("default", {}).get("curve")
    missed = f"not reached in {tried[-1]['seconds'] / 60:.1f}" if tried else "not measured"
    rows.append(
        ["M5", "minutes of the default recipe to that perplexity", f"{five['minutes']:.1f}" if five else missed]
    )
    return table(["", "figure", "measured"], rows)


def _correctness(values: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, keys in (("against float64", ("output", "gradient")), ("against fastai", ("loss", "gradient"))):
        cells = {key: one for key, one in values.get(name, {}).items() if isinstance(one, dict)}
        if cells:
            lines += [f"## Each backend {name}: largest error", ""]
            rows = [
                [key, *(f"{one[part]:.1e}" if part in one else str(one.get("missing", ""))[:60] for part in keys)]
                for key, one in cells.items()
            ]
            lines += table(["backend and precision", *keys], rows)
    return lines


def _curve(name: str, run: dict[str, Any]) -> list[str]:
    if not run.get("curve"):
        return []
    config = run["config"]
    lines = [f"## The `{name}` recipe on {run['train_tokens']:,} tokens", ""]
    lines.append(
        f"Batch {config['batch_size']} of {config['bptt']}, held out {run['held_out_tokens']:,} tokens. "
        + (f"Finished: {json.dumps(run['result'])}" if run.get("finished") else str(run.get("stopped", "")))
    )
    points = run["curve"]
    shown = points[:: max(1, len(points) // 20)]
    shown += [points[-1]] if shown[-1] is not points[-1] else []
    keys = {"seconds": ".0f", "step": ",", "loss": ".4f", "perplexity": ".2f", "bits_per_character": ".4f"}
    rows = [[format(point[key], form) for key, form in keys.items()] for point in shown]
    return [*lines, "", *table(["seconds", "step", "loss", "perplexity", "bits a character"], rows)]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=int, choices=(1, 2, 3))
    parser.add_argument("--tokens", type=Path, help="folder of token files with train and valid, for parts 2 and 3")
    parser.add_argument("--runs", type=Path, default=Path("gpu-runs"), help="where runs are kept between parts 2 and 3")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--minutes", type=float, default=9.0, help="of this part, at most")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="of the default recipe; else all that is left")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="every branch at toy size")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting of both runs")
    parser.add_argument("--report", action="store_true", help="print the JSON as Markdown")
    options = parser.parse_args(arguments)

    sheet = Sheet(options.output, options.minutes * 60)
    if options.part:
        device = torch.device(options.device)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", 0)
        scale = TINY if options.tiny else Scale()
        changes = {name: json.loads(value) for name, value in (item.split("=", 1) for item in options.set)}
        if options.tiny:
            small = scale.config()
            fields = ("embedding_size", "hidden_size", "layers", "bptt")
            changes = {"batch_size": 4, "epochs": 2} | {name: getattr(small, name) for name in fields} | changes
        folders = options.tokens or options.runs / "tokens", options.runs
        if options.part > 1 and options.tokens is None:
            if not options.tiny:
                parser.error("parts 2 and 3 want --tokens")
            write_synthetic(folders[0], scale)
        with contextlib.suppress(OutOfTimeError):
            if options.part == 1:
                part_one(sheet, device, scale)
            else:
                sheet.fill("environment", lambda section: environment(section, device))
                origin(sheet, folders, device, scale, changes)
                if options.part == 3:
                    default(sheet, folders, device, scale, changes, options.budget)
        sheet.values["figures"] = figures(sheet.values)
        sheet.save()
    if options.report or not options.part:
        print(report(sheet.values))


if __name__ == "__main__":
    main()
