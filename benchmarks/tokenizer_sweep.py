"""Which vocabulary and which script setting a language should have: bits per character of quick models, not counts.

For each choice the tokenizer is trained on the corpus under ROOT, the corpus is encoded, and models that cost
seconds (unigram, modified Kneser-Ney) or minutes (`--lstm-epochs`: an LSTM of the preset `small`, each reading the
same text) predict the valid split. All of it happens in a scratch folder. Tokens of different vocabularies are
not comparable; bits per character are. Equal text rather than equal time, because that does not depend on what else
the machine does; the CPU time that each took stands beside it.

    python benchmarks/tokenizer_sweep.py data fa --out sweep.json
    python benchmarks/tokenizer_sweep.py data fa --vocab 8000 --vocab 30000 --by-script yes --lstm-epochs 0.5
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ulmkit.artifacts.layout import Layout
from ulmkit.artifacts.tokens import TokenFile, open_token_file
from ulmkit.cli.common import text_table
from ulmkit.errors import UlmkitError
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.lm.checkpoint import load_model
from ulmkit.lm.config import preset
from ulmkit.lm.evaluate import Evaluation, baselines, evaluate
from ulmkit.lm.run import pretrain
from ulmkit.tokenizer.encode import encode_corpus
from ulmkit.tokenizer.evaluate import evaluate_tokenizer
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import train_tokenizer

COLUMNS = ("choice", "s", "tokens", "chars/token", "Rényi", "unigram", "KN3", "KN5", "LSTM")


def n_grams(train: TokenFile, valid: TokenFile) -> dict[str, float]:
    """Bits per character of the models that only count."""
    found = baselines(train, valid, order=3) | baselines(train, valid, order=5)
    return {name: round(one.bits_per_character, 5) for name, one in found.items()}


def lstm(train: TokenFile, valid: TokenFile, folder: Path, epochs: float, seed: int) -> tuple[Evaluation, float]:
    """A small LSTM after `epochs` passes over the text, a whole 1cycle; and the CPU seconds it took."""
    config = preset("small", seed=seed)
    steps = max(1, round(epochs * len(train.ids) / (config.batch_size * config.bptt)))
    started = time.process_time()
    pretrain(train, valid, folder, preset("small", seed=seed, steps=steps), device="cpu")
    seconds = time.process_time() - started
    model, _ = load_model(folder, "last")
    return evaluate(model, valid), seconds


def measure(
    language: Language, corpus: Path, scratch: Path, choice: dict[str, Any], epochs: float, seeds: int
) -> dict[str, Any]:
    """One row of the table."""
    started = time.monotonic()
    train_tokenizer(language, corpus, scratch / "tokenizer", **choice)
    seconds = time.monotonic() - started
    tokenizer = Tokenizer.load(scratch / "tokenizer", language)
    encode_corpus(language, tokenizer, corpus, scratch / "tokens")
    train, valid = (open_token_file(scratch / "tokens", split) for split in ("train", "valid"))
    fit = evaluate_tokenizer(language, tokenizer, corpus, ("valid",))
    row = choice | {
        "seconds": round(seconds, 1),
        "fingerprint": tokenizer.fingerprint,
        "train_tokens": len(train.ids),
        "characters_per_token": round(fit.whole.characters_per_token, 4),
        "byte_share": round(fit.whole.byte_share, 6),
        "renyi_efficiency": round(fit.renyi_efficiency, 5),
        "joiner_pieces": fit.joiner_pieces,
        "bits_per_character": n_grams(train, valid),
    }
    if epochs:
        runs = [lstm(train, valid, scratch / f"lstm{seed}", epochs, seed) for seed in range(1, seeds + 1)]
        row["lstm"] = [round(run.bits_per_character, 5) for run, _ in runs]
        row["lstm_cpu_minutes"] = [round(seconds / 60, 2) for _, seconds in runs]
    return row


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    bits = row["bits_per_character"]
    runs = row.get("lstm", [])
    name = f"{row['model']} {row['vocabulary']:,} {'by script' if row['split_by_script'] else 'across scripts'}"
    return (
        name,
        f"{row['seconds']:.0f}",
        f"{row['train_tokens']:,}",
        f"{row['characters_per_token']:.3f}",
        f"{row['renyi_efficiency']:.3f}",
        *(f"{bits[key]:.4f}" for key in ("unigram", "kneser-ney-3", "kneser-ney-5")),
        " ".join(f"{run:.4f}" for run in runs) or "-",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="data root with a finished corpus")
    parser.add_argument("language")
    parser.add_argument("--languages", type=Path, help="a folder of language folders")
    parser.add_argument("--vocab", type=int, action="append", help="default: 8000, 16000 and 30000")
    parser.add_argument("--model", action="append", choices=["unigram", "bpe"], help="default: unigram")
    parser.add_argument("--by-script", choices=["yes", "no", "both"], default="both", help="split at script borders")
    parser.add_argument("--lstm-epochs", type=float, default=0.0, help="passes over the text for each LSTM; 0: none")
    parser.add_argument("--seeds", type=int, default=1, help="LSTM runs for each choice")
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    try:
        language = get(options.language, options.languages)
        corpus = Layout(options.root, language.code).corpus
        by_script = {"yes": [True], "no": [False], "both": [True, False]}[options.by_script]
        choices = itertools.product(options.model or ["unigram"], options.vocab or [8000, 16000, 30000], by_script)
        for model, vocabulary, split in choices:
            choice = {"model": model, "vocabulary": vocabulary, "split_by_script": split}
            with tempfile.TemporaryDirectory(prefix="tokenizer-sweep-") as scratch:
                rows.append(measure(language, corpus, Path(scratch), choice, options.lstm_epochs, options.seeds))
            print("  ".join(shown(rows[-1])), file=sys.stderr, flush=True)
            if options.out:
                options.out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except UlmkitError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(text_table(COLUMNS, [shown(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
