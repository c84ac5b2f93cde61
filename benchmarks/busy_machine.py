"""How a training fares on an idle machine and beside other work, by how its threads wait: 40 steps and a validation.

    python benchmarks/busy_machine.py                    idle
    python benchmarks/busy_machine.py --loops 2          beside two processes that never rest
    python benchmarks/busy_machine.py --presets small --ways ulmkit,one-thread

Each way is a process of its own, since GNU's OpenMP reads its environment when torch is loaded. Tokens are drawn from
30,000 pieces as words are (Zipf). A way that has not made its steps after `--patience` seconds is reported by how many
it made.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np

import ulmkit  # noqa: F401 (before torch, which reads what it sets)

WAYS: dict[str, dict[str, str]] = {
    "ulmkit": {},
    "torch": {"GOMP_SPINCOUNT": "300000"},  # what OpenMP does where nothing is said
    "spin-1000": {"GOMP_SPINCOUNT": "1000"},
    "one-thread": {"OMP_NUM_THREADS": "1"},
}
VOCABULARY, STEPS, TRAIN, VALID = 30_000, 40, 200, 10  # pieces, steps, documents of 400 pieces


def measured(preset_name: str, patience: float) -> str:
    """Seconds of the steps, of the validation, how many steps there were, and CPU seconds of both."""
    from pathlib import Path

    import torch

    from ulmkit.artifacts.tokens import DOCUMENT, TokenFile, id_dtype
    from ulmkit.lm.config import preset
    from ulmkit.lm.evaluate import model_losses
    from ulmkit.lm.probe import resolve
    from ulmkit.lm.setup import set_up

    def tokens(documents: int) -> TokenFile:
        pieces = 5 + np.random.default_rng(0).zipf(1.3, (documents, 401)) % (VOCABULARY - 10)
        pieces[:, 0] = 1
        rows = np.array([(401 * (n + 1), 1200, 2400, 400, 0) for n in range(documents)], DOCUMENT)
        flat = pieces.ravel().astype(id_dtype(VOCABULARY))
        return TokenFile(flat, rows, VOCABULARY, 1, "aaaaaaaaaaaa", "xx", ("drawn",), Path("memory.bin"))

    valid = tokens(VALID)
    training = set_up(
        tokens(TRAIN), valid, preset(preset_name, backend="vendor", precision="fp32"), torch.device("cpu")
    )
    resolve(training.step)
    started, used, steps = time.perf_counter(), time.process_time(), 0
    for inputs, targets in training.batches:
        training.step(inputs, targets)
        steps += 1
        if steps == STEPS or time.perf_counter() - started > patience:
            break
    trained = time.perf_counter()
    model_losses(training.model, valid)
    ended = time.perf_counter()
    return (
        f"{trained - started:7.2f} {ended - trained:7.2f} {steps:5} {time.process_time() - used:7.1f}   "
        f"{torch.get_num_threads()} threads"
    )


def spin() -> None:
    """Other work, for ever."""
    while True:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=0, help="processes that never rest beside it")
    parser.add_argument("--presets", default="tiny,small")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measured(options.measure, options.patience))
        sys.exit()
    print("preset way         steps_s valid_s steps   CPU_s")
    loops = [multiprocessing.Process(target=spin, daemon=True) for _ in range(options.loops)]
    for loop in loops:
        loop.start()
    for name in options.presets.split(","):
        for way in options.ways.split(","):
            command = [sys.executable, __file__, "--measure", name, "--patience", str(options.patience)]
            done = subprocess.run(command, env=os.environ | WAYS[way], capture_output=True, text=True)
            print(f"{name:6} {way:11} {done.stdout.strip() or done.stderr[-300:]}", flush=True)
    for loop in loops:
        loop.kill()
