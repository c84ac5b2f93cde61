"""SentencePiece's trainer in a process of its own: its logs, its aborts and its memory stay there.

Run as a program by `train.py`: options as JSON in the first argument, the place for the model in the second,
`word<TAB>count` lines on stdin. It imports nothing of ulmkit, so it starts in a blink.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FAILED = "failed: "  # starts the last line on stderr where SentencePiece raised


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line[:-1].decode("utf-8")


def train(options: dict[str, Any], model: Path) -> None:
    """Train on stdin and leave the serialized model in `model`."""
    import sentencepiece

    with open(model, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=_lines(), model_writer=file, **options)


if __name__ == "__main__":
    try:
        train(json.loads(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        sys.stderr.write(f"\n{FAILED}{' '.join(str(error).split())}\n")
        sys.exit(1)
