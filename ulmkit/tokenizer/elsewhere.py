"""The same ids elsewhere: the tokenizer as `tokenizers` and `transformers` read it, compared before it is written.

What SentencePiece is told by `model.py` stands in `tokenizer.json` itself: a word boundary at the start and behind each
paragraph break, and bytes for what is no piece. Its pieces are spelled with a space where ours have `▁`, so that a `▁`
in a text is no space. Special pieces and bytes are in the vocabulary, since ids hang on it, with scores so low that no
text is cut into them; where a character of their spelling (`<s>`, `<0x0A>`) is no piece, it is parted from the rest
before, which changes nothing else, since no piece holds it.
"""

import importlib.util
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ulmkit.artifacts.atomic import read_regular, write_json
from ulmkit.artifacts.manifest import package_versions
from ulmkit.errors import ArtifactError
from ulmkit.tokenizer.model import FIRST_PIECE, NEWLINE, PROBES, SPACE, UNK, Tokenizer

TOKENIZER_JSON = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL_MAP = "special_tokens_map.json"

PACKAGE = "tokenizers"
INSTALL = "pip install tokenizers"

NEVER = -1_000.0  # nats; six unknown characters, the longest spelling of a special piece, have more
BREAK = r"\n(?=[^\n])"
NO_BOUNDARY = rf"\A {SPACE}"  # a text that begins with U+2581, in bytes, has none before it
_BATCH = 500  # documents that are compared at once
NO_LIMIT = int(1e30)  # what transformers writes for a tokenizer that cuts no text


class _UnsayableError(Exception):
    """Why no tokenizer.json can give a tokenizer's ids."""


@dataclass(frozen=True)
class Elsewhere:
    """Whether tokenizer.json was written; if so, on how many texts it was compared (None: on none), else why not."""

    compared: int | None = None
    with_version: str = ""
    refused: str = ""

    def summary(self) -> str:
        """One line for people."""
        if self.refused:
            return f"{TOKENIZER_JSON} not written: {self.refused}"
        if self.compared is None:
            return f"{TOKENIZER_JSON} written, not compared with these ids: {PACKAGE} is not installed ({INSTALL})"
        texts = f"{self.compared:,} held-out and made-up texts"
        return f"{TOKENIZER_JSON}: the same ids on {texts} ({PACKAGE} {self.with_version})"


def write_elsewhere(tokenizer: Tokenizer, kind: str, folder: Path, held_out: Iterable[tuple[str, str]]) -> Elsewhere:
    """Leave the three files in `folder`, where `tokenizers` gives the ids of every text; what came of it.

    `kind` is unigram or bpe, `held_out` yields names and texts in normal form. Without the package the files are
    written and not compared.
    """
    try:
        content = tokenizer_json(tokenizer, kind)
    except _UnsayableError as reason:
        return Elsewhere(refused=str(reason))
    compared, version = None, ""
    if can_compare():
        version = package_versions([PACKAGE])[PACKAGE]
        reader, compared = ElsewhereReader(json.dumps(content, ensure_ascii=False)), 0
        for names, texts in _batched(_with_made_up(tokenizer, held_out)):
            agreeing = reader.agreeing(texts, tokenizer.encode_normalized(texts))
            if not all(agreeing):
                return Elsewhere(refused=f"{PACKAGE} {version} gives other ids for {names[agreeing.index(False)]}")
            compared += len(texts)
    write_json(folder / TOKENIZER_JSON, content)
    write_json(folder / CONFIG, tokenizer_config())
    write_json(folder / SPECIAL_MAP, SPECIAL_TOKENS)
    return Elsewhere(compared, version)


def can_compare() -> bool:
    """Whether `tokenizers` is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


class ElsewhereReader:
    """A tokenizer.json as `tokenizers` reads it."""

    def __init__(self, content: str, where: str = TOKENIZER_JSON) -> None:
        # one thread a process here; and it warns of its own in every worker that is forked later
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import tokenizers

        try:
            self._reads = tokenizers.Tokenizer.from_str(content)
        except Exception as error:  # what it raises is no narrower
            raise ArtifactError(f"{where}: {PACKAGE} cannot read it ({error}). Train the tokenizer again.") from error

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The one in a tokenizer's folder; None where there is none, or the package is not installed."""
        path = folder / TOKENIZER_JSON
        if not path.exists() or not can_compare():
            return None
        return cls(read_regular(path).decode("utf-8", "replace"), str(path))

    def agreeing(self, texts: Sequence[str], encoded: Sequence[np.ndarray]) -> list[bool]:
        """Of each text in normal form, whether it has just the ids `encoded` here, and comes back from them."""
        theirs = [found.ids for found in self._reads.encode_batch(list(texts), add_special_tokens=False)]
        back = self._reads.decode_batch(theirs, skip_special_tokens=False)
        return [
            ours.tolist() == ids and text == again
            for ours, ids, text, again in zip(encoded, theirs, texts, back, strict=True)
        ]


def made_up_texts(tokenizer: Tokenizer) -> list[str]:
    """What a tokenizer.json is likeliest to get wrong: reserved spellings, spaces, breaks, bytes, a long text."""
    spelled = [*tokenizer.inventory[:FIRST_PIECE], *tokenizer.inventory[-200:]]
    long = " ".join(tokenizer.inventory[FIRST_PIECE:]).replace(SPACE, "")
    return [
        *PROBES,
        " ".join(spelled),
        "".join(spelled),
        "\n".join(PROBES),
        long,
        long.replace(" ", "\n"),
        "",
        " ",
        "\n",
    ]


def _with_made_up(tokenizer: Tokenizer, held_out: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for text in made_up_texts(tokenizer):
        yield f"the made-up text {text[:30]!r}", text
    for name, text in held_out:
        yield f"document {name}", text


def _batched(named: Iterable[tuple[str, str]]) -> Iterator[tuple[list[str], list[str]]]:
    names: list[str] = []
    texts: list[str] = []
    for name, text in named:
        names.append(name)
        texts.append(text)
        if len(texts) == _BATCH:
            yield names, texts
            names, texts = [], []
    if texts:
        yield names, texts


SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def tokenizer_config() -> dict[str, Any]:
    """What `transformers.AutoTokenizer` needs beside tokenizer.json."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **SPECIAL_TOKENS,
        "split_special_tokens": True,  # `<s>` in a text is three characters
        "clean_up_tokenization_spaces": False,
        "model_max_length": NO_LIMIT,
    }


def tokenizer_json(tokenizer: Tokenizer, kind: str) -> dict[str, Any]:
    """The content of tokenizer.json.

    Raises `_UnsayableError` where a piece holds a space elsewhere than in front, or two pieces would be spelled alike.
    """
    fixed, plain = tokenizer.inventory[:FIRST_PIECE], tokenizer.inventory[FIRST_PIECE:]
    spelled = [*fixed, *(piece.replace(SPACE, " ") for piece in plain)]
    if any(" " in piece[1:] for piece in spelled):
        raise _UnsayableError("a piece holds a space behind its first character")
    if len(set(spelled)) < len(spelled):
        raise _UnsayableError("two pieces are spelled alike")
    steps: list[dict[str, Any]] = [_split({"String": " "}, "MergedWithNext")]
    if lacking := _unknown_letters_of_special(spelled):
        steps.append(_split({"Regex": f"[{lacking}]"}, "Isolated"))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Replace", "pattern": {"Regex": BREAK}, "content": "\n "},
                {"type": "Prepend", "prepend": " "},
                {"type": "Replace", "pattern": {"Regex": NO_BOUNDARY}, "content": SPACE},
            ],
        },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
                {"type": "Replace", "pattern": {"String": "\n "}, "content": "\n"},
            ],
        },
        "model": _unigram(tokenizer, spelled) if kind == "unigram" else _bpe(tokenizer, spelled),
    }


def _split(pattern: dict[str, str], behaviour: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": behaviour, "invert": False}


def _unknown_letters_of_special(spelled: Sequence[str]) -> str:
    """The characters of special pieces' and bytes' spelling that are no pieces themselves."""
    fixed = [piece for number, piece in enumerate(spelled[:FIRST_PIECE]) if number != NEWLINE]
    return "".join(sorted(set("".join(fixed)) - set(spelled)))


def _unigram(tokenizer: Tokenizer, spelled: Sequence[str]) -> dict[str, Any]:
    scores = [
        score if number == NEWLINE or number >= FIRST_PIECE else NEVER for number, score in enumerate(tokenizer.scores)
    ]
    return {
        "type": "Unigram",
        "unk_id": UNK,
        "vocab": [list(entry) for entry in zip(spelled, scores, strict=True)],
        "byte_fallback": True,
    }


def _bpe(tokenizer: Tokenizer, spelled: Sequence[str]) -> dict[str, Any]:
    """Merges in the order of the pieces that they make; SentencePiece asks only which piece comes out."""
    plain = set(spelled[FIRST_PIECE:])
    merges = [
        [piece[:cut], piece[cut:]]
        for _, piece in sorted(zip(tokenizer.scores[FIRST_PIECE:], spelled[FIRST_PIECE:], strict=True), reverse=True)
        for cut in range(1, len(piece))
        if piece[:cut] in plain and piece[cut:] in plain
    ]
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": True,
        "ignore_merges": False,
        "vocab": {piece: number for number, piece in enumerate(spelled)},
        "merges": merges,
    }
