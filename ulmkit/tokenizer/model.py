"""Text to ids and back, exactly: a SentencePiece model behind the language's normalizer.

How a text is written for SentencePiece. A paragraph break is a piece of its own, `\\n`. Behind each break stands the
same word boundary as at the start of the text, so a word is the same piece at the start of a paragraph as in the
middle of one: `"سلام\\nسلام"` is `▁سلام`, `\\n`, `▁سلام`. Nothing else is changed, and decoding undoes it.

Ids, the same in every tokenizer: 0 `<pad>`, 1 `<unk>`, 2 `<s>` (before each document), 3 `</s>`, 4 the paragraph
break, 5 to 260 the bytes that spell rare characters, then the pieces. Encoding yields none of 0 to 3: the text
`<s>` is three characters.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ulmkit.artifacts.atomic import read_regular
from ulmkit.artifacts.manifest import Manifest, fingerprint
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.language.spec import Language
from ulmkit.tokenizer.grid import EXACT, UNKNOWN_PENALTY, best_path, is_on_grid

MODEL = "spm.model"
VOCABULARY = "vocab.json"
PAD, UNK, BOS, EOS, NEWLINE = range(5)
FIRST_BYTE, FIRST_PIECE = 5, 261
SPACE = "▁"  # U+2581, how SentencePiece writes a space; in a text it is spelled in bytes
UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # only a model that invents ids ever shows it

# what a normalizer, an escape or a decoder inside the model would damage
PROBES = (
    "a  b   c ",
    " a\n b\n\n\nc\n",
    "<s>x</s> <unk> <pad> <0x41> <n> \\n",
    "x\u200cy \u200c\u200c z\u200c",
    "a▁b ▁ ▁▁c▁",
    "ﬁ ① ｆｕｌｌ ½ \u00a0\u2009\u3000| e\u0301 \ufdfa",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f \U00010348 \U0002070e",
    "\t\r\x00\x7f\u2028\u2581\u2585\u2047\ufffd\ufeff",
    "0123456789 ۰۱۲۳۴۵۶۷۸۹ ٠١٢٣ ०१२",
)

_BREAK = re.compile(r"\n(?=[^\n])")


def _unchanged(text: str) -> str:
    return text


class Tokenizer:
    """A trained tokenizer. `encode` normalizes first; without a language, text is taken as it is.

    `inventory` holds the pieces by id, `model` the serialized SentencePiece model. `fingerprint` names vocabulary,
    scores and normalization together: equal fingerprints give equal ids for equal text.
    """

    pad, unk, bos, eos, newline = PAD, UNK, BOS, EOS, NEWLINE
    unwritten = (PAD, UNK, EOS)  # ids that no generated text holds

    def __init__(
        self,
        model: bytes,
        *,
        normalization: str,
        normalize: Callable[[str], str] = _unchanged,
        where: str = "tokenizer",
    ) -> None:
        import sentencepiece

        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise ArtifactError(f"{where}: not a SentencePiece model. Train the tokenizer again.") from error
        self.model = model
        self.normalize = normalize
        self.normalization = normalization
        self._check_layout(where)
        self._check_identity(model, where)
        self._bytes = [self._spelling(i) for i in range(self.vocabulary)]
        self.exact_length = self._characters_that_add_up() if is_on_grid(model, NEWLINE) else None
        self._after_break = len(self._ids("\n"))

    @classmethod
    def load(cls, folder: Path, language: Language | None = None) -> Self:
        """The tokenizer in `folder`, checked: its file, its normalization, and that it loses nothing.

        Raises `ArtifactError` where the file is not the one that was trained, where `language` normalizes
        otherwise than at training, or where a text does not come back from its ids.
        """
        try:
            manifest = Manifest.read(folder, "tokenizer")
        except ArtifactError as error:
            if (folder / "manifest.json").exists():
                raise
            name = f" {language.code}" if language else ""
            raise ArtifactError(f"{folder}: no tokenizer here. Run `ulmkit tokenizer train{name}` first.") from error
        path = folder / MODEL
        files = manifest.files
        if MODEL not in files:
            raise ArtifactError(f"{folder}: a tokenizer of words, not of pieces. Choose another --root for pieces.")
        model = read_regular(path)
        if hashlib.sha256(model).hexdigest() != files[MODEL].sha256:
            raise ArtifactError(f"{path}: not the file its manifest describes. Train the tokenizer again.")
        trained = manifest.normalization or ""
        if language is not None:
            now = language.normalizer("standard").fingerprint
            if now != trained:
                code = language.code
                raise ArtifactError(
                    f"this tokenizer was trained with normalization {trained[:6]}, {code} now has {now[:6]}. "
                    f"Train it again, or use {code} as it was."
                )
        tokenizer = cls(
            model,
            normalization=trained,
            normalize=language.normalize if language is not None else _unchanged,
            where=str(path),
        )
        if tokenizer.fingerprint != manifest.fingerprint:
            raise ArtifactError(f"{path}: other pieces than its manifest describes. Train the tokenizer again.")
        tokenizer.check_round_trips(where=str(path))
        return tokenizer

    @property
    def vocabulary(self) -> int:
        """How many ids there are: every id is below."""
        return int(self._processor.get_piece_size())

    @cached_property
    def inventory(self) -> tuple[str, ...]:
        """Every piece, by id."""
        return tuple(self._processor.id_to_piece(list(range(self.vocabulary))))

    @cached_property
    def scores(self) -> tuple[float, ...]:
        return tuple(self._processor.get_score(list(range(self.vocabulary))))

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint([self.inventory, self.scores, self.normalization])

    def encode(self, text: str) -> np.ndarray:
        """The ids of `text`, normalized first; shape (tokens,), int32. No id for the document's start is added."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode` for many texts at once, 1.4 times as fast as one by one. The arrays are read-only."""
        return self.encode_normalized([self.normalize(text) for text in texts])

    def encode_normalized(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode_batch` for texts that are in normal form already: the corpus."""
        written = [_BREAK.sub("\n ", text) if "\n" in text else text for text in texts]
        longest = self.exact_length or max(map(len, written), default=0)
        by_part = [number for number, text in enumerate(written) if len(text) > longest or SPACE in text]
        whole = list(written)
        for number in by_part:
            whole[number] = ""
        try:
            # one thread: whoever wants more speed runs more processes
            encoded = self._processor.encode(whole, out_type="numpy", num_threads=1)
            for number in by_part:
                encoded[number] = self._encode_by_part(written[number])
        except (RuntimeError, TypeError, UnicodeEncodeError) as error:
            raise InputError(_surrogate(texts)) from error
        return encoded

    def pieces(self, text: str) -> list[str]:
        """`text`, normalized, cut into the pieces whose ids `encode` gives; `▁` begins a word, `<0xE2>` is a byte."""
        return [self.inventory[i] for i in self.encode(text)]

    def decode(self, ids: Iterable[int] | np.ndarray) -> str:
        """The text of `ids`: exactly what was encoded, in normal form. Special ids are nothing.

        Raises `UsageError` for a number that is no id. Bytes that make no character (only a language model writes
        such) become U+FFFD.
        """
        numbers = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        if numbers and (min(numbers) < 0 or max(numbers) >= self.vocabulary):
            wrong = next(n for n in numbers if not 0 <= n < self.vocabulary)
            raise UsageError(f"{wrong} is no id of this tokenizer: ids go from 0 to {self.vocabulary - 1:,}.")
        text = b"".join([self._bytes[n] for n in numbers]).decode("utf-8", "replace")
        return text.removeprefix(" ").replace("\n ", "\n")

    def check_round_trips(self, texts: Iterable[str] = PROBES, where: str = "tokenizer") -> None:
        """Raise `ArtifactError` for the first text that does not come back whole, raw or normalized."""
        for probe in texts:
            for text in {probe, self.normalize(probe)}:
                back = self.decode(self.encode_normalized([text])[0])
                if back != text:
                    raise ArtifactError(f"{where}: {text!r} comes back as {back!r}. Train the tokenizer again.")

    def _ids(self, written: str) -> list[int]:
        """Ids of `written`, behind a word boundary: in one go, or where that is too long to add up, cut at spaces."""
        limit = self.exact_length
        if limit is None or len(written) <= limit:
            return self._processor.encode(written)
        ids: list[int] = []
        start, last = 0, len(written) - 1
        while len(written) - start > limit:
            # the space of a cut is the word boundary before what follows, which must not be nothing
            cut = written.rfind(" ", start + 1, min(start + limit + 1, last))
            if cut < 0:
                cut = written.find(" ", start + limit, last)
                cut = len(written) if cut < 0 else cut
                ids += self._ids_of_stretch(" " + written[start:cut])
            else:
                ids += self._processor.encode(written[start:cut])
            start = cut + 1
        return ids + self._processor.encode(written[start:])

    def _ids_of_stretch(self, written: str) -> list[int]:
        ids: list[int] = []
        for piece in best_path(written.replace(" ", SPACE), self._plain_scores):
            number = self._plain_ids.get(piece)
            ids += [FIRST_BYTE + byte for byte in piece.encode()] if number is None else [number]
        return ids

    @cached_property
    def _plain_ids(self) -> dict[str, int]:
        """The id of each piece that a text can hold."""
        return {
            piece: number for number, piece in enumerate(self.inventory) if number == NEWLINE or number >= FIRST_PIECE
        }

    @cached_property
    def _plain_scores(self) -> dict[str, float]:
        return {piece: self.scores[number] for piece, number in self._plain_ids.items()}

    def _characters_that_add_up(self) -> int:
        """How long a text may be so that no sum of scores is rounded, were every character of it unknown."""
        return int(EXACT / (UNKNOWN_PENALTY - min(self.scores)))

    def _encode_by_part(self, written: str) -> np.ndarray:
        """Ids of a text that is long, or holds U+2581, which SentencePiece would take for a space: in bytes."""
        first, *rest = written.split(SPACE)
        mark = [FIRST_BYTE + byte for byte in SPACE.encode()]
        ids = self._ids(first)
        for part in rest:
            # behind a break SentencePiece adds no word boundary of its own
            ids = ids + mark + self._ids("\n" + part)[self._after_break :]
        return np.array(ids, np.int32)

    def _spelling(self, number: int) -> bytes:
        """The bytes that `number` adds to a text."""
        if number < NEWLINE:
            return UNKNOWN.encode() if number == UNK else b""
        if number < FIRST_PIECE and number != NEWLINE:
            return bytes([number - FIRST_BYTE])
        return self.inventory[number].replace(SPACE, " ").encode()

    def _check_layout(self, where: str) -> None:
        p = self._processor
        special: tuple[Any, ...] = (p.pad_id(), p.unk_id(), p.bos_id(), p.eos_id(), p.piece_to_id("\n"))
        whole = self.vocabulary >= FIRST_PIECE and all(p.is_byte(n) for n in range(FIRST_BYTE, FIRST_PIECE))
        if special != (PAD, UNK, BOS, EOS, NEWLINE) or not whole:
            raise ArtifactError(
                f"{where}: a SentencePiece model whose ids are laid out otherwise (no byte pieces, or other special "
                "ids). Train one with `ulmkit tokenizer train`."
            )

    def _check_identity(self, model: bytes, where: str) -> None:
        """Refuse a model that normalizes: SentencePiece's default turns U+200C into a space."""
        import sentencepiece

        try:
            rules = sentencepiece.SentencePieceNormalizer(model_proto=model).Decompile()
        except RuntimeError:  # it says so where there is no table at all: identity
            return
        if rules:
            raise ArtifactError(
                f"{where}: this model normalizes text itself ({len(rules):,} rules). "
                "Train one with `ulmkit tokenizer train`, which leaves that to the language."
            )


def _surrogate(texts: Sequence[str]) -> str:
    """What to say of a text that is not Unicode: half of a surrogate pair is no character."""
    for text in texts:
        for place, character in enumerate(text):
            if "\ud800" <= character <= "\udfff":
                return (
                    f"a text holds half a surrogate pair (U+{ord(character):04X} at character {place:,}), "
                    "which no UTF-8 file can hold. Decode it again from its source."
                )
    return "SentencePiece refused a text. Encode the texts one by one to find it."
