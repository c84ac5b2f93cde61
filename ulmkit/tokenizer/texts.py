"""Texts of one's own as token files: each once, in normal form, a few held out by a hash of what they say."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.manifest import fingerprint, package_versions, signature
from ulmkit.artifacts.tokens import write_token_file
from ulmkit.errors import InputError
from ulmkit.language.spec import Language
from ulmkit.tokenizer.encode import BatchEncoder, lost_joiners
from ulmkit.tokenizer.model import FIRST_BYTE, FIRST_PIECE, Tokenizer

Splits = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by name: ids, and `DOCUMENT` rows

RECIPE = 1  # raised when the same texts and tokenizer would give other token files
VALID_SHARE, FEWEST_VALID, MOST_VALID = 0.05, 100, 2_000
MOST_SHARE = 0.2  # of a handful of texts a hundred would leave nothing to learn from

_DIGIT = re.compile(r"\d")


@dataclass
class TextCounts:
    """What became of the texts that were given. `unread` rows could not be read, `empty` ones say nothing."""

    given: int = 0
    unread: int = 0
    empty: int = 0
    repeated: int = 0  # equal to one before them, in normal form
    left_out: int = 0  # equal to a text that was to be kept out, folded
    train: int = 0
    valid: int = 0


@dataclass(frozen=True)
class PieceFit:
    """How well pieces fit texts: pieces a word, and the share of pieces that spell a rare character byte by byte."""

    pieces: int
    words: int
    byte_pieces: int

    @staticmethod
    def of(ids: np.ndarray, documents: np.ndarray) -> "PieceFit":
        """Of a token file's ids and documents; the documents' starts are no pieces."""
        spelled = int(((ids >= FIRST_BYTE) & (ids < FIRST_PIECE)).sum())
        return PieceFit(len(ids) - len(documents), int(documents["words"].sum(dtype=np.int64)), spelled)

    @property
    def a_word(self) -> float:
        return self.pieces / max(self.words, 1)

    @property
    def byte_share(self) -> float:
        return self.byte_pieces / max(self.pieces, 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"pieces_a_word": round(self.a_word, 4), "byte_share": round(self.byte_share, 6)}


def _digest(text: str) -> int:
    """64 bits that name `text`; what half of a character pair would need is refused where it is encoded."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass
class TextCollection:
    """Texts as ids, as they are added. Of a text nothing is kept but its ids and two hashes."""

    language: Language
    tokenizer: Tokenizer
    counts: TextCounts = field(default_factory=TextCounts)

    def __post_init__(self) -> None:
        self._out: set[int] = set()
        self._seen: set[int] = set()
        self._keys: list[int] = []  # of the folded text: what decides on which side it stands
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._encoder = BatchEncoder(self.tokenizer, ("texts",), self.language.alphabet.joiners)

    def _key(self, normal: str) -> int:
        """A hash of what `normal` says: its folded words, and its digits, which folding makes one.

        Where folding leaves nothing, of the text itself.
        """
        folded = " ".join(self.language.fold(normal).split())
        digits = "".join(str(unicodedata.decimal(digit)) for digit in _DIGIT.findall(normal))
        return _digest(f"{folded}\n{digits}" if folded else normal.strip())

    def keep_out(self, texts: Iterable[str]) -> None:
        """Leave these texts out of all that is added from now on, however they are spelled."""
        self._out.update(self._key(normal) for text in texts if (normal := self.language.normalize(text)).strip())

    def add(self, texts: Sequence[str]) -> None:
        """Take these texts, each of any length; repeated ones and those kept out are counted."""
        new: list[str] = []
        for text in texts:
            self.counts.given += 1
            normal = self.language.normalize(text)
            if not normal.strip():
                self.counts.empty += 1
                continue
            key, name = self._key(normal), _digest(normal)
            if key in self._out:
                self.counts.left_out += 1
            elif name in self._seen:
                self.counts.repeated += 1
            else:
                self._seen.add(name)
                self._keys.append(key)
                new.append(normal)
        if new:
            self._parts.append(self._encoded(new))

    def _encoded(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        words = [len(text.split()) for text in texts]
        found = self._encoder.encode(texts, words, [0] * len(texts))
        if found.joiners[0] != found.joiners[1]:
            raise lost_joiners("a text", *found.joiners)
        return found.ids, found.documents

    def splits(self) -> Splits:
        """`train` and `valid`, each as ids and documents: which side a text stands on is a function of all texts.

        Raises `InputError` where fewer than two different texts are there.
        """
        keys = np.array(self._keys, np.uint64)
        different = np.unique(keys)
        if len(different) < 2:
            raise InputError(
                f"{self.counts.given:,} texts, of which {len(different)} different: nothing to learn from and to "
                "measure on. Give more texts."
            )
        held = min(max(FEWEST_VALID, round(VALID_SHARE * len(different))), MOST_VALID)
        held = max(1, min(held, int(MOST_SHARE * len(different))))
        valid = keys <= different[held - 1]
        ids, documents = (np.concatenate(parts) for parts in zip(*self._shifted(), strict=True))
        lengths = np.diff(documents["end"], prepend=0)
        found = {}
        for split, mine in (("train", ~valid), ("valid", valid)):
            rows = documents[mine]
            rows["end"] = np.cumsum(lengths[mine])
            found[split] = (ids[np.repeat(mine, lengths)], rows)
        self.counts.train, self.counts.valid = int((~valid).sum()), int(valid.sum())
        return found

    def _shifted(self) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Every batch, its ends counted from the first id of all."""
        before = 0
        for ids, documents in self._parts:
            moved = documents.copy()
            moved["end"] += before
            before += len(ids)
            yield ids, moved


def texts_inputs(collection: TextCollection, splits: Splits) -> dict[str, Any]:
    """What the token files of `splits` are made of: equal inputs, equal files."""
    digests = [hashlib.sha256(part.tobytes()).hexdigest() for split in splits.values() for part in split]
    return {
        "recipe": RECIPE,
        "texts": fingerprint(digests),
        "tokenizer": collection.tokenizer.fingerprint,
        "language": collection.language.code,
    }


def write_texts(folder: Path, collection: TextCollection, splits: Splits) -> dict[str, Any]:
    """Write the token files of `splits` into `folder`; what their manifest says."""
    tokenizer, code = collection.tokenizer, collection.language.code
    inputs = texts_inputs(collection, splits)
    entries = {
        split: write_token_file(folder, split, [part], vocabulary=tokenizer.vocabulary)
        for split, part in splits.items()
    }
    return {
        "fingerprint": fingerprint(inputs),
        "inputs": inputs,
        "language": code,
        "normalization": tokenizer.normalization,
        "tokenizer": tokenizer.fingerprint,
        "vocabulary": tokenizer.vocabulary,
        "bos": tokenizer.bos,
        "newline": tokenizer.newline,
        "sources": ["texts"],
        "splits": entries,
        "versions": package_versions(["sentencepiece", "numpy"]),
        "signature": signature(
            "tokens",
            language=code,
            tokenizer=tokenizer.fingerprint,
            texts=inputs["texts"],
            tokens="/".join(str(entry["tokens"]) for entry in entries.values()),
        ),
    }
