"""Does a tokenizer's folder give the same ids elsewhere: in tokenizers, in transformers, in plain SentencePiece?

    python benchmarks/tokenizer_elsewhere.py fa data/fa/tokenizer --corpus data/fa/corpus --texts DIR --fuzz 100000

Documents of valid and test as they are stored, every record of the files below DIR normalized, and texts made up of
what goes wrong: reserved spellings, spaces, breaks, joiners, emoji, bytes, pieces, long words.
"""

import argparse
import os
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ulmkit.artifacts.shards import finished_corpus
from ulmkit.document import RawDocument
from ulmkit.formats.inputs import named_inputs, read_input
from ulmkit.formats.origin import Reading
from ulmkit.language.registry import get
from ulmkit.language.spec import Language
from ulmkit.tokenizer.elsewhere import TOKENIZER_JSON
from ulmkit.tokenizer.model import FIRST_PIECE, SPACE, Tokenizer
from ulmkit.tokenizer.train import held_out_texts

BATCH = 2_000
RESERVED = ("<s>", "</s>", "<unk>", "<pad>", "<0x0A>", "<0xE2>", SPACE, SPACE * 2, "<", "s>", "0x41")
SPACES = ("\n", "\n\n", " ", "  ", "\xa0", "\u2028", "\t", "\r")
EMOJI = ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f1ee\U0001f1f7")
MARKS = ("\u200c", "\u200d", "\ufe0f", "e\u0301", "\u0651")
ODD = ("\x00", "\x7f", "\ufffd", "\ufeff", "\u2047", "\u2585", "\U00010348", "\U0002070e", "\ufdfa")


def fuzz_texts(tokenizer: Tokenizer, count: int) -> Iterator[str]:
    """Texts of up to sixty parts, the same for the same tokenizer; one in a thousand is of thousands."""
    draw = random.Random(0)
    pieces = [piece.replace(SPACE, " ") for piece in tokenizer.inventory[FIRST_PIECE:]]
    letters = sorted({character for piece in pieces for character in piece})
    for number in range(count):
        size = draw.randint(2_000, 30_000) if number % 1_000 == 999 else draw.randint(0, 60)
        kinds: tuple[Sequence[str], ...] = (RESERVED, SPACES, EMOJI, MARKS, ODD, letters, letters, *[pieces] * 4)
        yield "".join(draw.choice(draw.choice(kinds)) for _ in range(size))


def normalized_texts(folder: Path, language: Language) -> Iterator[str]:
    reading = Reading.of(language)
    for item in named_inputs([str(folder)]):
        for raw in read_input(item, reading):
            if isinstance(raw, RawDocument):
                content = raw.content
                yield language.normalize(
                    content if isinstance(content, str) else reading.decode(content, raw.encoding)[0]
                )


def plain_sentencepiece(path: Path) -> Any:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return lambda texts: pieces.encode([re.sub("\n(?=[^\n])", "\n ", text) for text in texts])


def compared(name: str, texts: Iterator[str], tokenizer: Tokenizer, others: dict[str, Any]) -> None:
    """Print how many of `texts` have other ids in each of `others`, and the processor seconds of each."""
    count = characters = 0
    spent = dict.fromkeys(("ours", *others), 0.0)
    differ = dict.fromkeys(others, 0)
    marked = 0
    first = dict.fromkeys(others, "")
    texts = iter(texts)
    while batch := [text for _, text in zip(range(BATCH), texts, strict=False)]:
        began = time.process_time()
        ours = [ids.tolist() for ids in tokenizer.encode_normalized(batch)]
        spent["ours"] += time.process_time() - began
        for other, encode in others.items():
            began = time.process_time()
            found = encode(batch)
            spent[other] += time.process_time() - began
            for text, mine, theirs in zip(batch, ours, found, strict=True):
                if mine != theirs and not (other == "sentencepiece" and SPACE in text):
                    differ[other] += 1
                    first[other] = first[other] or text[:60]
        count += len(batch)
        characters += sum(map(len, batch))
        marked += sum(SPACE in text for text in batch)
    for other in others:
        without = f" (of {count - marked:,} without U+2581)" if other == "sentencepiece" else ""
        seen = f", first {first[other]!r}" if first[other] else ""
        print(
            f"{name}: {count:,} texts, {characters:,} characters: {other} differs in {differ[other]:,}{without}{seen}"
        )
    print(f"{name}: processor seconds " + ", ".join(f"{who} {seconds:.1f}" for who, seconds in spent.items()))
    sys.stdout.flush()


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("language")
    asked.add_argument("tokenizer", type=Path)
    asked.add_argument("--corpus", type=Path)
    asked.add_argument("--texts", type=Path)
    asked.add_argument("--fuzz", type=int, default=0)
    options = asked.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import tokenizers
    import transformers

    language = get(options.language)
    tokenizer = Tokenizer.load(options.tokenizer, language)
    plain = tokenizers.Tokenizer.from_file(str(options.tokenizer / TOKENIZER_JSON))
    automatic = transformers.AutoTokenizer.from_pretrained(str(options.tokenizer))
    others = {
        f"tokenizers {tokenizers.__version__}": lambda texts: [one.ids for one in plain.encode_batch(texts)],
        f"transformers {transformers.__version__}": lambda texts: automatic(texts)["input_ids"],
        "sentencepiece": plain_sentencepiece(options.tokenizer / "spm.model"),
    }
    if options.corpus:
        held_out = (text for _, text in held_out_texts(finished_corpus(options.corpus)))
        compared("valid and test", held_out, tokenizer, others)
    if options.texts:
        compared("texts", normalized_texts(options.texts, language), tokenizer, others)
    if options.fuzz:
        compared("fuzz", fuzz_texts(tokenizer, options.fuzz), tokenizer, others)


if __name__ == "__main__":
    main()
