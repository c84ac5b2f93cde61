"""What the preset `beyond` gives over `small`: equal tokens and equal time, several seeds, on the token files given.

    python benchmarks/beyond.py data/fa/tokens                            an hour on two cores
    python benchmarks/beyond.py data/fa/tokens --steps 800 --seeds 1      a look, in minutes

A CPU second is not the same at all times of a busy machine. So what a step costs is measured first, the models taking
turns step by step in one process, and equal time is the number of steps that the ratio allows. Every run is one of
`ulmkit lm pretrain`: audited, one thread, its weights judged on valid and test, alone and mixed with a 5-gram model
whose share was tuned on valid. Backend and precision are the same for all.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ulmkit.artifacts.atomic import write_json
from ulmkit.artifacts.manifest import package_versions, signature
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.lm.audit import Finding, audit
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.config import LMConfig, preset, replace_config
from ulmkit.lm.evaluate import Evaluation, best_share, mix, model_losses, summarize
from ulmkit.lm.model import AWDLSTM
from ulmkit.lm.ngram import KneserNey
from ulmkit.lm.probe import resolve
from ulmkit.lm.run import pretrain
from ulmkit.lm.setup import set_up

JUDGED = ("valid", "test")
ORDER = 5
Job = dict[str, Any]


def step_costs(train: TokenFile, valid: TokenFile, configs: dict[str, LMConfig], rounds: int) -> dict[str, Any]:
    """CPU seconds of ten steps of each in alternating rounds, and their ratios to the first's."""
    loops = {}
    for name, config in configs.items():
        torch.manual_seed(config.seed)
        training = set_up(train, valid, config, torch.device("cpu"))
        resolve(training.step)
        training.model.train()
        loops[name] = training.step, iter(training.batches)
    seconds: dict[str, list[float]] = {name: [] for name in configs}
    for number in range(rounds + 1):
        for name in list(configs) if number % 2 else list(configs)[::-1]:
            step, batches = loops[name]
            began = time.process_time()
            for _ in range(10):
                step(*next(batches))
            if number:  # the first round pays for memory
                seconds[name].append(time.process_time() - began)
    first = seconds[next(iter(configs))]
    ratios = {name: [a / b for a, b in zip(each, first, strict=True)] for name, each in seconds.items()}
    return {"seconds_of_ten_steps": seconds, "ratios": ratios}


def audited(train: TokenFile, config: LMConfig) -> list[Finding]:
    """What every ingredient of a run does, measured before its first step."""
    training = set_up(train, train, config, torch.device("cpu"))
    resolve(training.step)
    return audit(training, train)


def figures(result: Evaluation) -> dict[str, float]:
    return {
        "loss": result.loss,
        "perplexity": result.perplexity,
        "bits_per_character": result.bits_per_character,
        "tokens": result.tokens,
    }


def judge(model: AWDLSTM, files: dict[str, TokenFile], ngrams: dict[str, np.ndarray]) -> dict[str, Any]:
    """Alone and mixed with the n-gram model, by split."""
    found = {split: model_losses(model, tokens) for split, tokens in files.items()}
    share = best_share(found["valid"][0], ngrams["valid"])
    judged: dict[str, Any] = {"share": share}
    for split, (losses, right) in found.items():
        alone = summarize(files[split], losses, right)
        mixture = summarize(files[split], mix(losses, ngrams[split], share))
        judged[split] = {**figures(alone), "accuracy": alone.accuracy, "mixed": figures(mixture)}
    return judged


def work(job: Job) -> Job:
    """One training, in a process of its own."""
    torch.set_num_threads(1)
    files = {split: open_token_file(job["tokens"], split) for split in ("train", *JUDGED)}
    with tempfile.TemporaryDirectory() as folder:
        result = pretrain(files["train"], files["valid"], Path(folder), job["config"], device="cpu", budget_clock="cpu")
        model, _ = load_model(Path(folder))
    judged = judge(model, {split: files[split] for split in JUDGED}, job["ngrams"])
    return {
        "name": job["name"],
        "seed": job["config"].seed,
        "steps": result.step,
        "tokens": result.tokens,
        "cpu_seconds": result.seconds,
        **judged,
    }


def parameters(train: TokenFile, config: LMConfig) -> int:
    return sum(p.numel() for p in AWDLSTM(train.vocabulary, config).parameters())


def spread(values: list[float], digits: int) -> str:
    """Mean and, of several, standard deviation."""
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


def table(runs: list[Job], baselines: dict[str, Any]) -> list[str]:
    rows = [
        "| model | tokens | CPU s | perplexity valid | test | bits per character valid | test "
        "| mixed with the 5-gram: valid | test |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    both = [[baselines[split][key] for split in JUDGED] for key in ("perplexity", "bits_per_character")]
    cells = [f"{value:.2f}" for value in both[0]] + [f"{value:.4f}" for value in both[1]]
    rows.append(f"| Kneser-Ney {ORDER}-gram | | | {' | '.join(cells)} | | |")
    for name in dict.fromkeys(run["name"] for run in runs):
        mine = [run for run in runs if run["name"] == name]
        cells = [f"{mine[0]['tokens']:,}", spread([run["cpu_seconds"] for run in mine], 0)]
        cells += [spread([run[split]["perplexity"] for run in mine], 1) for split in JUDGED]
        cells += [spread([run[split]["bits_per_character"] for run in mine], 4) for split in JUDGED]
        cells += [spread([run[split]["mixed"]["bits_per_character"] for run in mine], 4) for split in JUDGED]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def text(report: dict[str, Any]) -> str:
    """The report as a page, of the runs that are there."""
    costs, config = report["step"], report["configs"]["small"]
    ratios, tokens = costs["ratios"]["beyond"], report["tokens"]
    rate = 10 * config["batch_size"] * config["bptt"] / statistics.median(costs["seconds_of_ten_steps"]["small"])
    count = report["parameters"]
    seeds = {name: [run["seed"] for run in report["runs"] if run["name"] == name] for name in report["steps"]}
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        "# `beyond` against `small`",
        "",
        f"`{report['signature']}`, {versions}. {config['precision']} products, backend {config['backend']}, one "
        "thread.",
        f"{tokens['train']:,} training tokens, {tokens['valid']:,} valid, {tokens['test']:,} test; "
        f"{report['vocabulary']:,} pieces. 1cycle over the steps of each run. CPU seconds are those of the whole run, "
        "its audit and validation included.",
        *([report["note"]] if report.get("note") else []),
        "",
        f"- parameters: small {count['small']:,}, beyond {count['beyond']:,}",
        f"- a step of `beyond` takes {report['ratio']:.3f} times as long as one of `small` (median of {len(ratios)} "
        f"alternating rounds, {min(ratios):.3f} to {max(ratios):.3f}), which takes {rate:,.0f} tokens a CPU second",
        f"- seeds done: {', '.join(f'{name} {len(done)}' for name, done in seeds.items())}",
        "",
        *table(report["runs"], report["baseline"]),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, help="folder of token files with train, valid and test")
    parser.add_argument("--steps", type=int, default=5000, help="of `small`, and of `beyond` at equal tokens")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time, one thread each")
    parser.add_argument("--rounds", type=int, default=15, help="of the measurement of a step's cost")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a setting of `beyond` alone")
    parser.add_argument("--note", default="", help="a sentence for the report, say of what else the machine did")
    parser.add_argument("--output", type=Path, default=Path("beyond.json"))
    options = parser.parse_args()

    torch.set_num_threads(1)
    changes = {name: json.loads(value) for name, value in (item.split("=", 1) for item in options.set)}
    pinned: dict[str, Any] = {"backend": "stepwise", "precision": options.precision}
    configs = {"small": preset("small", **pinned), "beyond": preset("beyond", **pinned, **changes)}
    files = {split: open_token_file(options.tokens, split) for split in ("train", *JUDGED)}
    costs = step_costs(files["train"], files["valid"], configs, options.rounds)
    ratio = statistics.median(costs["ratios"]["beyond"])
    counted = KneserNey(files["train"], ORDER)
    ngrams = {split: -counted.log_probabilities(files[split]) for split in JUDGED}
    wanted = {
        "small": ("small", options.steps),
        "beyond, equal time": ("beyond", round(options.steps / ratio)),
        "beyond, equal tokens": ("beyond", options.steps),
    }
    report: dict[str, Any] = {
        "signature": signature("beyond", tokenizer=files["train"].tokenizer, steps=options.steps, seeds=options.seeds),
        "configs": {name: config.to_json() for name, config in configs.items()},
        "tokens": {split: len(tokens.ids) for split, tokens in files.items()},
        "vocabulary": files["train"].vocabulary,
        "parameters": {name: parameters(files["train"], config) for name, config in configs.items()},
        "audit": [asdict(finding) for finding in audited(files["train"], configs["beyond"])],
        "machine": {"processor": platform.processor() or platform.machine(), "system": platform.platform()},
        "versions": package_versions(["torch", "fastai", "numpy"]),
        "step": costs,
        "ratio": ratio,
        "baseline": {split: figures(summarize(files[split], ngrams[split])) for split in JUDGED},
        "note": options.note,
        "steps": {name: steps for name, (_, steps) in wanted.items()},
        "runs": [],
    }
    jobs = [
        {
            "name": name,
            "tokens": options.tokens,
            "ngrams": ngrams,
            "config": replace_config(configs[which], {"steps": steps, "seed": seed}),
        }
        for names in (list(wanted)[:2], list(wanted)[2:])
        for seed in range(1, options.seeds + 1)
        for name, (which, steps) in ((name, wanted[name]) for name in names)
    ]
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for run in pool.imap_unordered(work, jobs, chunksize=1):
            print(
                f"{run['name']:22} seed {run['seed']}: {run['valid']['bits_per_character']:.4f} "
                f"{run['test']['bits_per_character']:.4f} bits per character, {run['cpu_seconds']:.0f} CPU s",
                file=sys.stderr,
                flush=True,
            )
            report["runs"].append(run)
            report["runs"].sort(key=lambda one: (list(wanted).index(one["name"]), one["seed"]))
            write_json(options.output, report)
            options.output.with_suffix(".md").write_text(text(report), encoding="utf-8")
    print(text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
