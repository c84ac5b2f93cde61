"""Presets against each other on real text: same sizes, several seeds, beside n-gram models and the mix of both.

    python benchmarks/recipes.py data/fa/tokens origin default --tokens 3e6 --seeds 3

Every recipe trains a model of the same sizes (`--size NAME=NUMBER`; those of `small` if not given) for `--tokens`
tokens, on one thread. Where one recipe took more CPU time than the first, it trains once more for as many seconds as
the first took: equal tokens and equal time. Figures are token-weighted, on valid and test; in the mix the network's
share is tuned on valid. A recipe is a preset, or one with settings: `default:lr=0.005,ar=0`. Runs stay under `--work`;
those that are finished there are not repeated. The JSON is written after each.
"""

import argparse
import dataclasses
import json
import math
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import package_versions
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.config import PRESETS, LMConfig, preset, replace_config
from ulmkit.lm.evaluate import Evaluation, best_share, mix, model_losses, summarize
from ulmkit.lm.ngram import KneserNey
from ulmkit.lm.run import pretrain

SIZES = ("embedding_size", "hidden_size", "layers")
ENOUGH = 0.03  # two times that differ by less are equal


def recipe(text: str, sizes: dict[str, int], **given: Any) -> LMConfig:
    """`preset[:name=value,…]` as a config of the wanted sizes."""
    name, _, settings = text.partition(":")
    changes = dict(setting.split("=", 1) for setting in settings.split(",") if setting)
    parsed = {key: json.loads(value) for key, value in changes.items()}
    return replace_config(preset(name, **sizes), parsed | given)


def figures(result: Evaluation) -> dict[str, float]:
    return {"loss": result.loss, "perplexity": result.perplexity, "bits_per_character": result.bits_per_character,
            "bits_per_byte": result.bits_per_byte}  # fmt: skip


def thinned(tokens: TokenFile, every: int) -> TokenFile:
    """Of the documents each `every`-th: reading all held-out text would take longer than a short training."""
    ends = tokens.documents["end"]
    starts = np.concatenate([[0], ends[:-1]])
    documents = tokens.documents[::every].copy()
    ids = np.concatenate([tokens.ids[a:b] for a, b in zip(starts[::every], ends[::every], strict=True)])
    documents["end"] = (ends - starts)[::every].cumsum()
    return dataclasses.replace(tokens, ids=ids, documents=documents)


class Judge:
    """Held-out figures of a network, alone and mixed with one n-gram model that was counted once."""

    def __init__(self, files: dict[str, TokenFile], order: int) -> None:
        self.files, self.order = files, order
        counted = KneserNey(files["train"], order)
        self.ngram = {split: -counted.log_probabilities(files[split]) for split in ("valid", "test")}

    def known(self) -> dict[str, Any]:
        """The n-gram models alone."""
        unigram = KneserNey(self.files["train"], 1)
        return {
            name: {split: figures(summarize(self.files[split], losses(split))) for split in ("valid", "test")}
            for name, losses in (
                ("unigram", lambda split: -unigram.log_probabilities(self.files[split])),
                (f"kneser-ney-{self.order}", self.ngram.__getitem__),
            )
        }

    def judge(self, folder: Path) -> dict[str, Any]:
        model, _ = load_model(folder, "best", device="cpu")
        own = {split: model_losses(model, self.files[split])[0] for split in ("valid", "test")}
        share = best_share(own["valid"], self.ngram["valid"])
        return {"share_in_mix": share} | {
            split: {
                "alone": figures(summarize(self.files[split], own[split])),
                "mixed": figures(summarize(self.files[split], mix(own[split], self.ngram[split], share))),
            }
            for split in own
        }


def train_once(
    files: dict[str, TokenFile], judge: Judge, folder: Path, config: LMConfig, seconds: float | None
) -> dict[str, Any]:
    """One run, or what an earlier call found for it."""
    kept = folder / "judged.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        if found["config"] == config.to_json():
            return found
        raise SystemExit(f"{folder}: holds another recipe's run. Choose another --work.")
    began = time.process_time()
    result = pretrain(
        files["train"], files["valid"], folder, config,
        resume=(folder / "last").exists(), device="cpu", time_budget_s=seconds, budget_clock="cpu",
    )  # fmt: skip
    parameters = sum(weight.numel() for weight in load_model(folder, "best", device="cpu")[0].parameters())
    found = {
        "config": config.to_json(),
        "cpu_seconds": result.seconds if seconds else time.process_time() - began,
        "tokens": result.tokens,
        "steps": result.step,
        "parameters": parameters,
        "backend": result.backend,
        "precision": result.precision,
        **judge.judge(folder),
    }
    write_json(kept, found)
    return found


def mean_and_spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.4f}" + (f" ({statistics.stdev(values):.4f})" if len(values) > 1 else "")


def row(name: str, runs: list[dict[str, Any]]) -> str:
    """Means over seeds, and standard deviations."""

    def held_out(split: str, how: str, figure: str) -> list[float]:
        return [run[split][how][figure] for run in runs]

    perplexities = [statistics.mean(held_out(split, "alone", "perplexity")) for split in ("valid", "test")]
    cells = [
        name,
        f"{runs[0]['tokens']:,}",
        f"{statistics.mean(run['cpu_seconds'] for run in runs) / 60:.1f}",
        " / ".join(f"{perplexity:.1f}" for perplexity in perplexities),
        *(mean_and_spread(held_out(split, "alone", "bits_per_character")) for split in ("valid", "test")),
        f"{statistics.mean(held_out('test', 'alone', 'bits_per_byte')):.4f}",
        mean_and_spread(held_out("test", "mixed", "bits_per_character")),
    ]
    return "| " + " | ".join(cells) + " |"


def report(found: dict[str, Any]) -> str:
    lines = [
        "| model | tokens | CPU minutes | perplexity valid / test | bits/char valid | test | bits/byte test "
        "| bits/char test, mixed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in found["baselines"].items():
        perplexities = " / ".join(f"{each[split]['perplexity']:.1f}" for split in ("valid", "test"))
        bits = [f"{each[split]['bits_per_character']:.4f}" for split in ("valid", "test")]
        lines.append(f"| {name} | | | {perplexities} | {bits[0]} | {bits[1]} | {each['test']['bits_per_byte']:.4f} | |")
    lines += [row(name, runs) for name, runs in found["runs"].items()]
    return "\n".join(lines)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens_folder", type=Path, help="folder of token files with train, valid and test")
    parser.add_argument("recipes", nargs="+", help="presets, perhaps with settings; the first sets the time")
    parser.add_argument("--size", action="append", default=[], metavar="NAME=NUMBER", help=", ".join(SIZES))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting of all recipes")
    parser.add_argument("--tokens", type=float, default=3e6, help="to train on in each run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=1, help="hold out only each such document of valid and test")
    parser.add_argument("--order", type=int, default=5, help="of the Kneser-Ney model")
    parser.add_argument("--work", type=Path, required=True, help="where the runs stay")
    parser.add_argument("--output", type=Path, default=Path("recipes.json"))
    options = parser.parse_args()

    torch.set_num_threads(1)
    files = {split: open_token_file(options.tokens_folder, split) for split in ("train", "valid", "test")}
    files |= {split: thinned(files[split], options.every) for split in ("valid", "test")}
    sizes = {name: getattr(PRESETS["small"], name) for name in SIZES}
    sizes |= {name: int(value) for name, value in (item.split("=", 1) for item in options.size)}
    common = {name: json.loads(value) for name, value in (item.split("=", 1) for item in options.set)}
    judge = Judge(files, options.order)
    found: dict[str, Any] = {
        "tokens": {split: len(file.ids) for split, file in files.items()},
        "vocabulary": files["train"].vocabulary,
        "sizes": sizes,
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
        "versions": package_versions(["torch", "fastai", "numpy"]),
        "baselines": judge.known(),
        "runs": {},
    }

    def train_all(names: list[str], limit: float | None) -> None:
        """Every recipe with one seed, then with the next: what stands after any run is balanced."""
        for seed in range(1, options.seeds + 1):
            for text in names:
                name = text if limit is None else f"{text}, equal time"
                config = recipe(text, sizes, **common, seed=seed)
                if limit is None:
                    steps = math.ceil(options.tokens / config.batch_size / config.bptt)
                    config = dataclasses.replace(config, steps=steps)
                place = options.work / name.replace(", ", "-").replace(" ", "-") / str(seed)
                run = train_once(files, judge, place, config, limit)
                found["runs"].setdefault(name, []).append(run)
                write_json(options.output, found)
                say(f"{name}, seed {seed}: {run['test']['alone']['bits_per_character']:.4f} bits a character on test")

    train_all(options.recipes, None)
    seconds = {name: statistics.mean(run["cpu_seconds"] for run in found["runs"][name]) for name in options.recipes}
    budget = seconds[options.recipes[0]]
    train_all([name for name in options.recipes if abs(seconds[name] / budget - 1) >= ENOUGH], budget)
    print(report(found))


if __name__ == "__main__":
    main()
