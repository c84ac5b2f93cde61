"""The beginning of the AWD-LSTM paper's WikiText-2 run, ours beside fastai's own AWD_LSTM and Learner, on a CPU.

    ulmkit tokenizer words wt2 --train wiki.train.tokens --valid wiki.valid.tokens --test wiki.test.tokens
    python benchmarks/wikitext2.py data/wt2/tokens --minutes 25

Both begin with the same weights and read the same windows in the same order, drawn as in the paper; one recipe, the
preset `wikitext-2` (SGD at 30, clip, AR and TAR, all dropouts, each with random numbers of its own), one thread, full
size. They take turns of a few steps in one process, each with a clock of CPU seconds that stops while the other runs
or a model is evaluated. fastai's data cost it nothing: it is handed our batches. Every few steps both are judged by the
same code on the first lines of valid; at the end on all of valid and test, or on `--final` tokens of each. The JSON is
written after every turn.
"""

import argparse
import dataclasses
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy as torch_cross_entropy

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import package_versions
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.learner.fastai_imports import SGD, Callback, DataLoaders, GradientClip, Learner, ParamScheduler
from ulmkit.learner.learner import LMLearner, learner
from ulmkit.lm.batches import TrainBatches
from ulmkit.lm.config import LMConfig, preset
from ulmkit.lm.evaluate import baselines, evaluate
from ulmkit.lm.loss import cross_entropy
from ulmkit.lm.model import AWDLSTM
from ulmkit.publish.fastai import fastai_settings, from_fastai, to_fastai

FASTAI, OURS = "fastai", "ulmkit"
ROWS = 80  # of the evaluations: ten, as in the preset, take a CPU twice as long


class BatchFirst:
    """Our training batches as fastai's model wants them: (B, T)."""

    n_inp = 1

    def __init__(self, batches: TrainBatches) -> None:
        self.batches = batches

    @property
    def dataset(self) -> TokenFile:
        return self.batches.tokens

    def to(self, device: Any) -> "BatchFirst":
        return self

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for x, y in self.batches:
            yield x.T.contiguous(), y.T.contiguous()


class RateByWindow(Callback):
    """A short window gets a smaller step, as our own ScaleRate has it for (T, B)."""

    order, run_valid = 61, False

    def __init__(self, bptt: int) -> None:
        self.bptt = bptt

    def before_batch(self) -> None:
        share = self.learn.xb[0].shape[1] / self.bptt
        for group in self.opt.hypers:
            group["lr"] = group["lr"] * share


def batches_of(train: TokenFile, config: LMConfig) -> TrainBatches:
    return TrainBatches(train, config.batch_size, config.bptt, seed=config.seed, variable_bptt=config.variable_bptt)


def fastai_learner(train: TokenFile, config: LMConfig, weights: AWDLSTM) -> Learner:
    """fastai's model, optimizer, callbacks and Learner, beginning with our weights."""
    from fastai.callback.rnn import rnn_cbs
    from fastai.losses import CrossEntropyLossFlat
    from fastai.text.models.awdlstm import AWD_LSTM
    from fastai.text.models.core import get_language_model

    # no padding here; fastai's default pad id would leave a real word out of training
    model = get_language_model(AWD_LSTM, train.vocabulary, fastai_settings(config) | {"pad_token": None}, 1.0)
    model.load_state_dict(to_fastai(weights.state_dict()))
    loader = BatchFirst(batches_of(train, config))
    learn = Learner(
        DataLoaders(loader, loader, device=torch.device("cpu")),
        model,
        loss_func=CrossEntropyLossFlat(),
        opt_func=partial(SGD, mom=0.0),
        cbs=[*rnn_cbs(config.ar, config.tar), GradientClip(config.clip), RateByWindow(config.bptt)],
        wd_bn_bias=True,  # as in the paper's code: every parameter decays
    )
    learn.remove_cbs([learn.progress, learn.recorder])  # a picture and a log that we keep ourselves
    return learn


def drive(learn: Learner, config: LMConfig) -> Iterator[None]:
    """Learner's own loop at a constant rate, one batch at each `next`."""
    learn.create_opt()
    learn.opt.set_hypers(wd=config.wd, lr=config.lr)
    # set anew for each batch, because the window changes it
    learn.add_cb(ParamScheduler({"lr": lambda _: config.lr}))
    learn.n_epoch = learn.n_iter = 1
    learn(["before_fit", "before_epoch"])
    if isinstance(learn, LMLearner):
        learn.prepare_step()
    step = 0
    while True:
        learn("before_train")  # which forgets the hidden state
        for batch in learn.dls.train:
            learn.one_batch(step, batch)
            step += 1
            yield


@dataclass
class Side:
    """One who trains, with a clock of its own."""

    name: str
    learn: Learner
    config: LMConfig
    weights: Callable[[], dict[str, torch.Tensor]]
    seconds: float = 0.0
    tokens: int = 0
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # tokens a CPU second, of each step
    curve: list[dict[str, float]] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = drive(self.learn, self.config)

    def step(self) -> None:
        began = time.process_time()
        next(self.loop)
        taken = time.process_time() - began
        size = self.learn.yb[0].numel()
        self.seconds += taken
        self.tokens += size
        self.rates.append(size / taken)
        self.losses.append(float(self.learn.loss.detach()))

    def to_json(self) -> dict[str, Any]:
        return {
            "steps": len(self.losses),
            "tokens": self.tokens,
            "cpu_seconds": self.seconds,
            "tokens_per_second": statistics.median(self.rates) if self.rates else None,
            "training_loss": self.losses,
            "curve": self.curve,
            "final": self.final,
        }


def sides(train: TokenFile, valid: TokenFile, config: LMConfig) -> list[Side]:
    torch.manual_seed(config.seed)
    ours = learner(train, valid, config, device="cpu")
    theirs = fastai_learner(train, config, ours.model)
    return [
        Side(FASTAI, theirs, config, lambda: from_fastai(theirs.model.state_dict())),
        Side(OURS, ours, config, ours.model.state_dict),
    ]


@torch.no_grad()
def difference(field_: list[Side]) -> float:
    """How far their losses on two windows are apart before the first step, without dropout."""
    theirs, ours = (side.learn.model for side in field_)
    batches = iter(batches_of(field_[0].learn.dls.train.dataset, field_[0].config))
    worst = 0.0
    for model in (theirs, ours):
        model.eval()
        model.reset()
    for _ in range(2):
        x, y = next(batches)
        logits = theirs(x.T)[0].transpose(0, 1).flatten(0, 1)
        worst = max(worst, abs(float(torch_cross_entropy(logits, y.flatten()) - cross_entropy(ours(x), y))))
    return worst


def first_lines(tokens: TokenFile, wanted: int) -> TokenFile:
    """The first lines of `tokens`, `wanted` tokens or a few more."""
    lines = int(tokens.documents["end"].searchsorted(wanted)) + 1
    documents = tokens.documents[:lines]
    return dataclasses.replace(tokens, documents=documents, ids=tokens.ids[: documents["end"][-1]])


def judged(side: Side, judge: AWDLSTM, tokens: TokenFile) -> dict[str, float]:
    """The side's weights in our model, so that both are judged by the same code."""
    judge.load_state_dict(side.weights())
    result = evaluate(judge, tokens, batch_size=ROWS)
    return {"loss": result.loss, "perplexity": result.perplexity, "tokens": result.tokens}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report_lines(report: dict[str, Any]) -> list[str]:
    """The two curves side by side, and where they end."""
    theirs, ours = report["sides"][FASTAI], report["sides"][OURS]
    lines = [
        f"| step | tokens | epochs | CPU minutes, {FASTAI} / {OURS} | {FASTAI} | {OURS} | difference in nats |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for a, b in zip(theirs["curve"], ours["curve"], strict=False):
        lines.append(
            f"| {a['step']} | {a['trained']:,} | {a['trained'] / report['train_tokens']:.3f} "
            f"| {a['minutes']:.1f} / {b['minutes']:.1f} | {a['perplexity']:,.1f} | {b['perplexity']:,.1f} "
            f"| {b['loss'] - a['loss']:+.4f} |"
        )
    lines += ["", f"| | {FASTAI} | {OURS} | ratio |", "| --- | ---: | ---: | ---: |"]
    for split in theirs["final"]:
        a, b = theirs["final"][split], ours["final"][split]
        lines.append(
            f"| {split}, {a['tokens']:,} tokens: perplexity | {a['perplexity']:,.2f} | {b['perplexity']:,.2f} | |"
        )
    a, b = theirs["tokens_per_second"], ours["tokens_per_second"]
    lines.append(f"| tokens a CPU second, median of the steps | {a:,.0f} | {b:,.0f} | {b / a:.2f} |")
    a, b = (side["tokens"] / side["cpu_seconds"] for side in (theirs, ours))
    lines.append(f"| tokens a CPU second, all steps | {a:,.0f} | {b:,.0f} | {b / a:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, help="folder of token files that `ulmkit tokenizer words` made")
    parser.add_argument("--minutes", type=float, default=25.0, help="CPU minutes of training for the slower side")
    parser.add_argument("--wall-minutes", type=float, default=math.inf, help="training ends then in any case")
    parser.add_argument("--turn", type=int, default=5, help="steps of one side before the other's")
    parser.add_argument("--every", type=int, default=15, help="steps between two looks at valid")
    parser.add_argument("--part", type=int, default=20_000, help="tokens of valid that are looked at")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting, as --set lr=20")
    parser.add_argument("--final", type=int, default=1 << 62, help="tokens of valid and of test judged at the end")
    parser.add_argument("--output", type=Path, default=Path("wikitext2.json"))
    options = parser.parse_args()

    began = time.monotonic()
    torch.set_num_threads(1)
    settings = {name: json.loads(value) for name, value in (item.split("=", 1) for item in options.set)}
    config = preset("wikitext-2", backend="vendor", **settings)
    splits = {split: open_token_file(options.tokens, split) for split in ("train", "valid", "test")}
    train, part = splits["train"], first_lines(splits["valid"], options.part)
    field_ = sides(train, splits["valid"], config)
    report: dict[str, Any] = {
        "config": config.to_json(),
        "vocabulary": train.vocabulary,
        "train_tokens": len(train.ids),
        "part_tokens": len(part.ids),
        "rows": ROWS,
        "threads": 1,
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
        "versions": package_versions(["torch", "fastai", "numpy"]),
        "difference_at_the_start": difference(field_),
    }
    say(f"losses before the first step differ by {report['difference_at_the_start']:.1e}")

    def keep() -> None:
        write_json(options.output, report | {"sides": {side.name: side.to_json() for side in field_}})

    judge = AWDLSTM(train.vocabulary, config)
    steps, turn = 0, 0
    while True:
        if steps % options.every == 0:
            for side in field_:
                place = {"step": steps, "trained": side.tokens, "minutes": side.seconds / 60}
                side.curve.append(place | judged(side, judge, part))
                say(f"{side.name:7} {json.dumps({k: round(v, 3) for k, v in side.curve[-1].items()})}")
        keep()
        late = time.monotonic() - began > 60 * options.wall_minutes
        if late or max(side.seconds for side in field_) >= 60 * options.minutes:
            break
        now = min(options.turn, options.every - steps % options.every)
        for side in field_ if turn % 2 else reversed(field_):
            for _ in range(now):
                side.step()
        steps, turn = steps + now, turn + 1
    if steps % options.every:
        for side in field_:
            place = {"step": steps, "trained": side.tokens, "minutes": side.seconds / 60}
            side.curve.append(place | judged(side, judge, part))
    keep()
    for split in ("test", "valid"):
        judged_on = first_lines(splits[split], min(options.final, len(splits[split].ids) - 1))
        for side in field_:
            side.final[split] = judged(side, judge, judged_on)
            say(f"{side.name:7} {split} {side.final[split]['perplexity']:.2f}")
            keep()
        report.setdefault("n-grams", {})[split] = {
            name: result.perplexity for name, result in baselines(train, judged_on).items()
        }
    keep()
    print("\n".join(report_lines(report | {"sides": {side.name: side.to_json() for side in field_}})))
    for split, found in report.get("n-grams", {}).items():
        print(f"{split}: " + ", ".join(f"{name} {perplexity:,.2f}" for name, perplexity in found.items()))


if __name__ == "__main__":
    main()
