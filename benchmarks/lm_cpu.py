"""Our training against fastai's own AWD_LSTM Learner on a CPU: same model, batches and recipe, step by step in turn.

    python benchmarks/lm_cpu.py data/fa/tokens                      speed only, about three minutes
    python benchmarks/lm_cpu.py data/fa/tokens --preset default --set batch_size=16 --steps 1     at full size
    python benchmarks/lm_cpu.py data/fa/tokens --curves 3           300 steps of each with three seeds, dropout on
    python benchmarks/lm_cpu.py data/fa/tokens --minutes 20         and held-out loss against time and tokens

fastai gets its good loader (documents as tensors of ids, made beforehand) and reads exactly our batches. For the speed
each has a process of its own, because how memory is kept is a process's choice: ours keeps it, fastai is timed as it
comes and with ours (`fastai, memory kept`). They take turns of a few steps; only CPU seconds of training count. Ours
run in float32 and in bfloat16 products; the batcher alone is timed as well. For curves and held-out losses all run in
one process that keeps its memory, one step each in turn, with a clock for each.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import package_versions
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.learner.fastai_imports import Callback, DataLoaders, GradientClip, Learner, ParamScheduler, combined_cos
from ulmkit.learner.learner import LMLearner, learner
from ulmkit.lm.allocator import kept_memory
from ulmkit.lm.batches import TrainBatches, document_order
from ulmkit.lm.config import LMConfig, config_from_json, preset, replace_config
from ulmkit.lm.evaluate import Evaluation, baselines, evaluate
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.fastai import from_fastai, to_fastai


class Place(Callback):
    """Where a run of `total` steps is: both contenders follow one schedule."""

    order, run_valid = 0, False

    def __init__(self, total: int) -> None:
        self.total = total

    def before_batch(self) -> None:
        self.learn.pct_train = min(1.0, self.train_iter / self.total)


def fastai_learner(
    train: TokenFile,
    config: LMConfig,
    weights: AWDLSTM,
    *,
    loader: Any = None,
    device: torch.device = torch.device("cpu"),  # noqa: B008 (a value)
) -> Learner:
    """fastai's parts, as its text tutorial puts them together, beginning with our weights.

    Without a `loader` it gets the documents as tensors, in the order of our first epoch.
    """
    from fastai.callback.rnn import rnn_cbs
    from fastai.losses import CrossEntropyLossFlat
    from fastai.optimizer import Adam
    from fastai.text.data import LMDataLoader
    from fastai.text.models.awdlstm import AWD_LSTM, awd_lstm_lm_config
    from fastai.text.models.core import get_language_model

    if loader is None:
        ends = train.documents["end"]
        starts = np.concatenate([[0], ends[:-1]])
        order = document_order(train, config.seed, 0)
        documents = [torch.from_numpy(train.ids[starts[i] : ends[i]].astype(np.int64)) for i in order]
        loader = LMDataLoader(documents, bs=config.batch_size, seq_len=config.bptt, shuffle=False, num_workers=0)
    # no padding here; fastai's default pad id would leave a real piece, bos, out of training
    sizes: dict[str, Any] = {"pad_token": None}
    sizes |= {"emb_sz": config.embedding_size, "n_hid": config.hidden_size, "n_layers": config.layers}
    drops = {f"{name}_p": getattr(config, f"{name}_p") for name in ("output", "hidden", "input", "embed", "weight")}
    model = get_language_model(AWD_LSTM, train.vocabulary, awd_lstm_lm_config | sizes | drops, config.drop_mult)
    model.load_state_dict(to_fastai(weights.state_dict()))
    learn = Learner(
        DataLoaders(loader, loader, device=device),
        model,
        loss_func=CrossEntropyLossFlat(),
        opt_func=partial(Adam, sqr_mom=config.sqr_mom, eps=config.eps),
        cbs=rnn_cbs(config.ar, config.tar),
        wd=config.wd,
        moms=config.moms,
    )
    learn.remove_cb(learn.progress)  # a picture, not training
    return learn


def drive(learn: Learner, config: LMConfig, total: int) -> Iterator[None]:
    """Learner's own loop, one batch at each `next`, on a 1cycle of `total` steps."""
    if config.clip and not isinstance(learn, LMLearner):  # in whose step it is
        learn.add_cb(GradientClip(config.clip))
    learn.create_opt()
    learn.opt.set_hypers(wd=config.wd, lr=config.lr)
    rates = combined_cos(config.pct_start, config.lr / config.div, config.lr, config.lr / config.div_final)
    learn.add_cbs([ParamScheduler({"lr": rates, "mom": combined_cos(config.pct_start, *config.moms)}), Place(total)])
    learn.n_epoch = learn.n_iter = 1
    learn(["before_fit", "before_epoch", "before_train"])
    if isinstance(learn, LMLearner):
        learn.prepare_step()
    step = 0
    while True:
        for batch in learn.dls.train:
            learn.one_batch(step, batch)
            step += 1
            yield


@dataclass
class Contender:
    """One who trains, with a clock of its own."""

    name: str
    learn: Learner
    config: LMConfig
    total: int
    weights: Callable[[], dict[str, torch.Tensor]]
    seconds: float = 0.0
    steps: int = 0
    each: list[float] = field(default_factory=list)
    curve: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = drive(self.learn, self.config, self.total)

    def step(self) -> None:
        began = time.process_time()
        next(self.loop)
        self.each.append(time.process_time() - began)
        self.seconds += self.each[-1]
        self.steps += 1

    @property
    def tokens(self) -> int:
        return self.steps * self.config.batch_size * self.config.bptt


FP32, BF16 = {"precision": "fp32", "backend": "vendor"}, {"precision": "bf16", "backend": "auto"}
KINDS: dict[str, dict[str, str]] = {"fastai": FP32, "ulmkit fp32": FP32, "ulmkit bf16": BF16}


def contenders(train: TokenFile, valid: TokenFile, config: LMConfig, totals: dict[str, int]) -> list[Contender]:
    """Those named in `totals`, each a kind and perhaps a comma and more; all from the same weights."""
    result = []
    for name, total in totals.items():
        kind = name.partition(",")[0]  # what follows the comma is how, not who
        torch.manual_seed(config.seed)
        ours = learner(train, valid, replace_config(config, KINDS[kind]), device="cpu")
        if kind == "fastai":
            theirs = fastai_learner(train, config, ours.model)
            _refuse_other_batches(ours, theirs)
            result.append(Contender(name, theirs, config, total, partial(_fastai_weights, theirs)))
        else:
            result.append(Contender(name, ours, config, total, ours.model.state_dict))
    return result


def _fastai_weights(learn: Learner) -> dict[str, torch.Tensor]:
    return from_fastai(learn.model.state_dict())


def _refuse_other_batches(ours: Learner, theirs: Learner) -> None:
    """The comparison is void unless both read the same: checked on the first batch (fastai's is batch first)."""
    mine, other = next(iter(ours.dls.train)), next(iter(theirs.dls.train))
    if not all(torch.equal(a, torch.as_tensor(b).T) for a, b in zip(mine, other, strict=True)):
        raise SystemExit("the two loaders give different batches")
    ours.dls.train.batches.seek(0)


MEMORY_KEPT = "fastai, memory kept"
SPEED_OF = ("fastai", MEMORY_KEPT, "ulmkit fp32", "ulmkit bf16")


def _serve(kind: str, folder: Path, settings: dict[str, Any], threads: int, pipe: Connection) -> None:
    """Take as many steps as `pipe` asks for, again and again, and answer with their CPU seconds."""
    torch.set_num_threads(threads)
    train, valid = (open_token_file(folder, split) for split in ("train", "valid"))
    with contextlib.nullcontext() if kind == "fastai" else kept_memory():
        contender = contenders(train, valid, config_from_json(settings), {kind: 10_000})[0]
        pipe.send(getattr(contender.learn.model, "config", None) and contender.learn.model.config.backend)
        while steps := pipe.recv():
            before = contender.seconds
            for _ in range(steps):
                contender.step()
            pipe.send(contender.seconds - before)


def measure_speed(folder: Path, config: LMConfig, rounds: int, steps: int, threads: int) -> dict[str, Any]:
    """Tokens a CPU second of each in alternating rounds, and their ratios to fastai in each; first steps left out."""
    context = multiprocessing.get_context("spawn")
    pipes, processes, backends = {}, [], {}
    for kind in SPEED_OF:
        pipes[kind], theirs = context.Pipe()
        processes.append(
            context.Process(target=_serve, args=(kind, folder, config.to_json(), threads, theirs), daemon=True)
        )
        processes[-1].start()
        backends[kind] = pipes[kind].recv()  # one after the other: each also chooses its backend by timing it

    def turn(kind: str, count: int) -> float:
        pipes[kind].send(count)
        seconds: float = pipes[kind].recv()
        return seconds

    for kind in SPEED_OF:
        turn(kind, 2)
    rates: dict[str, list[float]] = {kind: [] for kind in SPEED_OF}
    per_round = steps * config.batch_size * config.bptt
    for number in range(rounds):
        for kind in SPEED_OF if number % 2 else reversed(SPEED_OF):
            rates[kind].append(per_round / turn(kind, steps))
    for kind, process in zip(SPEED_OF, processes, strict=True):
        pipes[kind].send(0)
        process.join()
    ratios = {
        name: [ours / theirs for ours, theirs in zip(each, rates["fastai"], strict=True)]
        for name, each in rates.items()
        if name != "fastai"
    }
    return {"tokens_per_second": rates, "ratio": ratios, "backend": {k: v for k, v in backends.items() if v}}


def measure_batcher(train: TokenFile, config: LMConfig) -> float:
    """Tokens a CPU second of the batcher alone, a whole epoch with its shuffle."""
    batches = TrainBatches(train, config.batch_size, config.bptt, seed=config.seed)
    started, tokens = time.process_time(), 0
    for x, _ in batches:
        tokens += x.numel()
    return tokens / (time.process_time() - started)


def curves(train: TokenFile, valid: TokenFile, config: LMConfig, seeds: int, steps: int = 300) -> dict[str, Any]:
    """Training losses of each, `steps` long, dropout on, for every seed: [kind][seed][step]."""
    found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for seed in range(1, seeds + 1):
        for contender in contenders(train, valid, replace_config(config, {"seed": seed}), dict.fromkeys(KINDS, steps)):
            losses = []
            for _ in range(steps):
                contender.step()
                losses.append(float(contender.learn.loss.detach()))
            found[contender.name].append(losses)
            say(f"seed {seed} {contender.name:12} last 20 steps: {statistics.mean(losses[-20:]):.4f}")
    return found


def curve_rows(found: dict[str, Any], width: int = 20) -> list[str]:
    """Means and standard deviations over seeds of the mean loss of windows that end at a few steps."""
    steps = len(found["fastai"][0])
    rows = []
    for end in (50, 100, 200, steps):
        cells = []
        for losses in found.values():
            means = [statistics.mean(one[end - width : end]) for one in losses]
            cells.append(f"{statistics.mean(means):.4f} ({statistics.stdev(means):.4f})")
        rows.append(f"| {end} | " + " | ".join(cells) + " |")
    return rows


def held_out(contender: Contender, judge: AWDLSTM, valid: TokenFile) -> Evaluation:
    """The contender's weights in our model, so that both are judged by the same code."""
    judge.load_state_dict(contender.weights())
    return evaluate(judge, valid)


def race(
    train: TokenFile, valid: TokenFile, config: LMConfig, speed: dict[str, Any], minutes: float, looks: int
) -> list[dict[str, Any]]:
    """fastai for `minutes` of CPU time; ours for as many steps, and ours for as many minutes."""
    per_step = config.batch_size * config.bptt
    steps = {
        name: max(looks, int(minutes * 60 * statistics.median(rates) / per_step))
        for name, rates in speed["tokens_per_second"].items()
        if name in KINDS
    }
    totals = {"fastai": steps["fastai"]}
    totals |= {f"{kind}, equal tokens": steps["fastai"] for kind in steps if kind != "fastai"}
    totals["ulmkit bf16, equal time"] = steps["ulmkit bf16"]
    field_ = contenders(train, valid, config, totals)
    judge = AWDLSTM(train.vocabulary, config)
    running = list(field_)
    while running:
        contender = min(running, key=lambda one: one.seconds)
        contender.step()
        if contender.steps * looks // contender.total > len(contender.curve):
            result = held_out(contender, judge, valid)
            point = {
                "minutes": contender.seconds / 60,
                "tokens": contender.tokens,
                "loss": result.loss,
                "bits_per_character": result.bits_per_character,
            }
            contender.curve.append(point)
            say(f"{contender.name:26} {json.dumps({key: round(value, 4) for key, value in point.items()})}")
        if contender.steps >= contender.total:
            running.remove(contender)
    return [
        {
            "name": one.name,
            "steps": one.steps,
            "tokens": one.tokens,
            "minutes": one.seconds / 60,
            "tokens_per_second": one.tokens / one.seconds,
            "curve": one.curve,
        }
        for one in field_
    ]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def row(name: str, minutes: str, tokens: str, rate: str, loss: float, bits: float) -> str:
    return (
        f"| {name:26} | {minutes:>7} | {tokens:>10} | {rate:>8} | {loss:7.4f} | {math.exp(loss):8.2f} | {bits:7.4f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, help="folder of token files with train and valid")
    parser.add_argument("--minutes", type=float, default=0.0, help="CPU minutes of training for each; 0: speed only")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting, as --set lr=0.01")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds of the speed measurement")
    parser.add_argument("--steps", type=int, default=10, help="steps in a round")
    parser.add_argument("--looks", type=int, default=10, help="evaluations along each training")
    parser.add_argument("--curves", type=int, default=0, metavar="SEEDS", help="compare training losses of 300 steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("lm_cpu.json"))
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    settings = {name: json.loads(value) for name, value in (item.split("=", 1) for item in options.set)}
    config = preset(options.preset, **settings)
    train, valid = (open_token_file(options.tokens, split) for split in ("train", "valid"))
    speed = measure_speed(options.tokens, config, options.rounds, options.steps, options.threads)
    report: dict[str, Any] = {
        "config": config.to_json(),
        "train_tokens": len(train.ids),
        "valid_tokens": len(valid.ids),
        "vocabulary": train.vocabulary,
        "threads": options.threads,
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
        "versions": package_versions(["torch", "fastai", "numpy"]),
        "speed": speed,
    }
    report["batcher_tokens_per_second"] = [measure_batcher(train, config) for _ in range(3)]
    write_json(options.output, report)
    for name, rates in speed["tokens_per_second"].items():
        print(f"{name:20} {statistics.median(rates):9,.0f} tokens/s (from {min(rates):,.0f} to {max(rates):,.0f})")
    for name, ratios in speed["ratio"].items():
        print(f"{name:20} {statistics.median(ratios):9.2f} times fastai (from {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"batcher      {max(report['batcher_tokens_per_second']):,.0f} tokens/s")
    if options.curves:
        with kept_memory():
            report["curves"] = curves(train, valid, config, options.curves)
        write_json(options.output, report)
        print("| step | " + " | ".join(KINDS) + " |\n|---|---|---|---|")
        print("\n".join(curve_rows(report["curves"])))
    if not options.minutes:
        return
    with kept_memory():
        report["race"] = race(train, valid, config, speed, options.minutes, options.looks)
    known = {name: result for order in (3, 5) for name, result in baselines(train, valid, order=order).items()}
    report["baselines"] = {name: [result.loss, result.bits_per_character] for name, result in known.items()}
    write_json(options.output, report)
    print("| model                  | minutes |     tokens | tokens/s | loss    | perplex. | bits/ch |")
    print("|---|---|---|---|---|---|---|")
    for name, result in known.items():
        print(row(name, "", "", "", result.loss, result.bits_per_character))
    for one in report["race"]:
        last = one["curve"][-1]
        figures = f"{one['minutes']:.1f}", f"{one['tokens']:,}", f"{one['tokens_per_second']:,.0f}"
        print(row(one["name"], *figures, last["loss"], last["bits_per_character"]))


if __name__ == "__main__":
    main()
