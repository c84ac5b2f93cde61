"""Words as tokens: a benchmark that comes cut into words, taken as it is, to token files.

Penn Treebank, WikiText-2 and WikiText-103 are text files whose tokens stand between spaces, with rare words already
replaced by `<unk>`. Nothing is normalized. As in the published evaluations every line ends with `<eos>`, the lines
follow each other as one text, and the vocabulary is that of the training file.

One id is what end and start of a document are elsewhere: `<eos>` is the `bos`. A line is written as `<eos>` and its
words, and the `<eos>` behind its words is the next line's. So each word and each `<eos>` is counted and predicted
once, the first word of all from an `<eos>` that nothing precedes; and the order of ids is the published one.
"""

import gzip
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import batched
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ulmkit.artifacts.atomic import read_json, write_json
from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import Manifest, file_sha256, fingerprint, package_versions, signature
from ulmkit.artifacts.stage import stage
from ulmkit.artifacts.steady import unchanged
from ulmkit.artifacts.tokens import DOCUMENT, write_token_file
from ulmkit.errors import ArtifactError, InputError, UsageError
from ulmkit.files import open_regular
from ulmkit.formats.containers import hidden
from ulmkit.names import readable
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.model import VOCABULARY

KIND = "words"
EOS, UNK = "<eos>", "<unk>"
LINES = 10_000  # that are encoded at once: a few megabytes
LONGEST_LINE = 1 << 26  # bytes; a longer one is no text cut into lines, and would be held in memory whole


@dataclass(frozen=True)
class Words:
    """The vocabulary of a training file: `<eos>`, then its words by frequency; `unk` is None without an `<unk>`."""

    words: tuple[str, ...]

    bos = eos = 0

    @staticmethod
    def load(folder: Path) -> "Words":
        """What `encode_words` left in `folder`. Raises `ArtifactError` where that is missing, changed or of pieces."""
        manifest = Manifest.read(folder, "tokenizer")
        if manifest.kind != KIND:
            raise ArtifactError(f"{folder}: a tokenizer of pieces, not of words.")
        if problems := manifest.problems():
            raise ArtifactError(f"{problems[0]}. Run `ulmkit tokenizer words` again.")
        words = Words(tuple(word for word, _ in read_json(folder / VOCABULARY)["pieces"]))
        if words.fingerprint != manifest.fingerprint:
            raise ArtifactError(f"{folder}: other words than its manifest names. Run `ulmkit tokenizer words` again.")
        return words

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint([KIND, self.words])

    @cached_property
    def ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @property
    def vocabulary(self) -> int:
        return len(self.words)

    @property
    def unk(self) -> int | None:
        return self.ids.get(UNK)

    @property
    def unwritten(self) -> tuple[int, ...]:
        """Ids that no generated text holds."""
        return () if self.unk is None else (self.unk,)

    def encode(self, text: str) -> np.ndarray:
        """The ids of the words of `text`, lines joined by `<eos>`; shape (tokens,), int32.

        Raises `UsageError` for a word that is unknown where there is no `<unk>`.
        """
        found: list[int] = []
        for number, line in enumerate(text.split("\n")):
            found += [self.eos] * (number > 0)
            for word in line.split():
                at = self.ids.get(word, self.unk)
                if at is None:
                    raise UsageError(f"{word[:40]!r} is none of the {self.vocabulary:,} words, and there is no {UNK}.")
                found.append(at)
        return np.array(found, np.int32)

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` with spaces between them, `<eos>` as the end of a line.

        Raises `UsageError` for a number that is no id.
        """
        lines: list[list[str]] = [[]]
        for number in map(int, ids):
            if not 0 <= number < self.vocabulary:
                raise UsageError(f"{number} is no id of this vocabulary: ids go from 0 to {self.vocabulary - 1:,}.")
            if number == self.eos:
                lines.append([])
            else:
                lines[-1].append(self.words[number])
        return "\n".join(map(" ".join, lines))


def holds_words(folder: Path) -> bool:
    """Whether the tokenizer in `folder` is one of words."""
    return (folder / "manifest.json").exists() and Manifest.read(folder, "tokenizer").kind == KIND


def read_lines(path: Path) -> Iterator[list[str]]:
    """The words of each line of a UTF-8 file, plain, gzipped or alone in a zip; any white space parts them.

    Raises `InputError` for a zip of several files, bytes that are no UTF-8, a broken gzip or zip, a line without end,
    and a literal `<eos>`.
    """
    try:
        raw = open_regular(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Give a text file, plain or .gz.") from error
    number = 0
    with raw, _unpacked(raw, path) as file:
        try:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise InputError(
                        f"{path}:{number}: a line of more than {LONGEST_LINE:,} bytes. Is it cut into lines?"
                    )
                # what an editor of another system puts before a file is not a part of its first word
                words = line.decode("utf-8-sig" if number == 1 else "utf-8").split()
                if EOS in words:
                    raise InputError(f"{path}:{number}: holds {EOS}, which is added to every line. Take it out.")
                yield words
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{number}: not UTF-8 ({error.reason} at byte {error.start + 1:,}).") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{path}: a damaged gzip file ({error}). Fetch it again.") from error
        except (zipfile.BadZipFile, lzma.LZMAError) as error:
            raise InputError(f"{path}: a damaged zip ({error}). Fetch it again.") from error


def _unpacked(raw: io.BufferedReader, path: Path) -> IO[bytes]:
    """The text in `raw`: itself, what gzip packed, or the one file of a zip."""
    if raw.peek(2)[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(raw))
    if raw.peek(4)[:4] != b"PK\3\4":
        return raw
    try:
        archive = zipfile.ZipFile(raw)
        found = [entry for entry in archive.infolist() if not entry.is_dir() and not hidden(entry.filename)]
        if len(found) == 1:
            return archive.open(found[0])
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path}: a damaged zip ({error}). Fetch it again.") from error
    except (NotImplementedError, RuntimeError) as error:  # packed in a way of its own, or with a password
        raise InputError(
            f"{path}: a zip that is not read ({error}). Unpack it and give the text file in it."
        ) from error
    names = ", ".join(readable(entry.filename, 40) for entry in found[:4])
    raise InputError(f"{path}: a zip of {len(found):,} files ({names}). Unpack it and give the text file in it.")


def count_types(path: Path, report: Report = silent) -> dict[str, int]:
    """Every type of a training file with its count: `<eos>`, then its words by frequency.

    Raises `InputError` where it holds no word.
    """
    counts: Counter[str] = Counter()
    number = 0
    for number, words in enumerate(read_lines(path), 1):
        counts.update(words)
        if number % LINES == 0:
            report(Progress("count words", number, None, "lines", f"{len(counts):,} words"))
    if not counts:
        raise InputError(f"{path}: no words in it.")
    # equal counts by spelling: the same words whatever the order of the lines
    return {EOS: number} | dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass
class _Split:
    """One file on its way to ids."""

    path: Path
    words: Words
    report: Report
    lines: int = 0
    replaced: int = 0  # words that only this file has, written as <unk>

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for lines in batched(read_lines(self.path), LINES):
            yield self._encode(lines)
            self.report(Progress("encode", self.lines, None, "lines", self.path.name))
        if not self.lines:
            raise InputError(f"{self.path}: empty.")

    def _encode(self, lines: Iterable[list[str]]) -> tuple[np.ndarray, np.ndarray]:
        known = self.words.ids
        ids: list[int] = []
        documents = []
        for words in lines:
            self.lines += 1
            ids.append(Words.bos)
            try:
                ids += [known[word] for word in words]
            except KeyError:
                ids += [self._id(word) for word in words]
            text = " ".join(words)
            # a line's end is a character of it, as <eos> is a token
            documents.append((len(ids), len(text) + 1, len(text.encode()) + 1, len(words), 0))
        return np.array(ids), np.array(documents, DOCUMENT)

    def _id(self, word: str) -> int:
        known = self.words.ids.get(word)
        if known is not None:
            return known
        if self.words.unk is None:
            raise InputError(
                f"{self.path}:{self.lines}: {word[:40]!r} is not in the training file, which has no {UNK} for it. "
                f"Replace rare words by {UNK} in all files."
            )
        self.replaced += 1
        return self.words.unk


def encode_words(
    code: str, files: Mapping[str, Path], tokenizer: Path, tokens: Path, *, report: Report = silent
) -> dict[str, Any]:
    """Write the vocabulary of `files["train"]` to folder `tokenizer`, the token files of all splits to `tokens`.

    `code` only labels them. Each line is a document, and the documents stay in their order. Returns the manifest of
    the token files. Memory holds the vocabulary and a record a line, not the text.

    Raises `InputError` for a file that is no such text, `UsageError` where `tokenizer` holds one of pieces.
    """
    with (
        stage(tokenizer, "tokenizer", doing="tokenizer training") as vocabulary,
        stage(tokens, "tokens", doing="encoding") as encoded,
    ):
        if (tokenizer / "manifest.json").exists() and not holds_words(tokenizer):
            raise UsageError(f"{tokenizer}: holds a tokenizer of pieces. Choose another label, or another --root.")
        with unchanged(files.values(), _other_text):
            counts = count_types(files["train"], report)
            words = Words(tuple(counts))
            special = {"bos": words.bos, "unk": words.unk}
            inputs = {split: {"name": files[split].name, "sha256": file_sha256(files[split])} for split in SPLITS}
            splits: dict[str, Any] = {}
            for split in SPLITS:
                lines = _Split(files[split], words, report)
                entry = write_token_file(encoded.new, split, lines.chunks(), vocabulary=words.vocabulary)
                splits[split] = entry | {"replaced": lines.replaced}
        write_json(vocabulary.new / VOCABULARY, {"ids": special, "pieces": list(counts.items())})
        versions = package_versions(["numpy"])
        common = {"kind": KIND, "language": code, "normalization": None, "inputs": inputs, "versions": versions}
        line = {"language": code, "words": words.vocabulary, "fingerprint": words.fingerprint}
        vocabulary.finish(
            {
                **common,
                "language_fingerprint": None,
                "fingerprint": words.fingerprint,
                "ids": special,
                "signature": signature("tokenizer", kind=KIND, **line),
            }
        )
        counted = "/".join(str(splits[split]["tokens"]) for split in SPLITS)
        manifest = encoded.finish(
            {
                **common,
                "ordered": True,
                "tokenizer": words.fingerprint,
                "vocabulary": words.vocabulary,
                "bos": words.bos,
                "sources": ["text"],
                "splits": splits,
                "signature": signature("tokens", kind=KIND, **line, tokens=counted),
            }
        )
        return dict(manifest.content)


def _other_text(path: Path) -> InputError:
    return InputError(f"{path}: changed while it was read. Wait until it is whole, then run the same command again.")
