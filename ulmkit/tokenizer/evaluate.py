"""How well the pieces fit held-out text, and the proof that nothing is lost on the way to ids and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ulmkit.artifacts.shards import corpus_read, read_batches, shard_paths
from ulmkit.errors import ArtifactError
from ulmkit.language.spec import Language
from ulmkit.notebook import html_table
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer.elsewhere import TOKENIZER_JSON, ElsewhereReader
from ulmkit.tokenizer.marks import Marks
from ulmkit.tokenizer.model import FIRST_BYTE, FIRST_PIECE, UNK, Tokenizer

BATCH = 500
RENYI_ORDER = 2.5  # Zouhar et al. 2023, "Tokenization and the Noiseless Channel": the order that tracked BLEU best


@dataclass
class Measures:
    """Counts over some documents, in normal form."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    words: int = 0
    tokens: int = 0
    byte_tokens: int = 0  # ids that spell a rare character byte by byte
    unknown_tokens: int = 0
    exact: int = 0  # documents whose ids decode to exactly their text

    def add(self, other: "Measures") -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def characters_per_token(self) -> float:
        return self.characters / max(self.tokens, 1)

    @property
    def bytes_per_token(self) -> float:
        return self.bytes / max(self.tokens, 1)

    @property
    def fertility(self) -> float:
        """Tokens per word; a word is what white space surrounds. Paragraph breaks count as tokens."""
        return self.tokens / max(self.words, 1)

    @property
    def byte_share(self) -> float:
        return self.byte_tokens / max(self.tokens, 1)

    @property
    def unknown_share(self) -> float:
        return self.unknown_tokens / max(self.tokens, 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "characters_per_token": round(self.characters_per_token, 4),
            "bytes_per_token": round(self.bytes_per_token, 4),
            "fertility": round(self.fertility, 4),
            "byte_share": round(self.byte_share, 6),
            "unknown_share": round(self.unknown_share, 6),
        }


@dataclass(frozen=True)
class RoundTrips:
    """How many of `total` texts came back exactly, and the first that did not (its place, or its id)."""

    total: int
    exact: int
    first_failing: str = ""


@dataclass(frozen=True)
class TokenizerEvaluation:
    """What `evaluate_tokenizer` found."""

    tokenizer: str
    vocabulary: int
    splits: tuple[str, ...]
    whole: Measures
    by_source: Mapping[str, Measures]
    first_failing: str  # id of the first document that did not come back
    not_normal: int  # documents that normalizing once more changes
    joiner_pieces: int  # pieces that hold a joiner of the language
    joiner_uses: int  # tokens that do
    unused: int  # pieces (bytes and special ids apart) that no document used
    renyi_efficiency: float  # 1: every piece equally often; of all ids
    mark_uses: int  # tokens that hold an end mark, a native mark or a quote
    glued_marks: int  # those of them that hold a letter too: none, in what is trained here
    elsewhere: int | None = None  # documents whose ids tokenizer.json gives too; None where it was not asked

    @property
    def round_trips(self) -> RoundTrips:
        return RoundTrips(self.whole.documents, self.whole.exact, self.first_failing)

    def summary(self) -> str:
        """A table for people: one line a source, then what holds for all."""
        header = ("source", "documents", "characters", "chars/token", "bytes/token", "tokens/word", "bytes", "exact")
        rows = [_row(name, measures) for name, measures in self.by_source.items()]
        lines = _aligned([header, *rows, _row("all", self.whole)])
        lines += [
            f"unknown: {self.whole.unknown_tokens:,} tokens; spelled in bytes: {self.whole.byte_share:.3%}",
            f"pieces with a joiner: {self.joiner_pieces:,}, used {self.joiner_uses:,} times",
            f"pieces never used: {self.unused:,} of {self.vocabulary:,}",
            f"Rényi efficiency (order {RENYI_ORDER}): {self.renyi_efficiency:.4f}",
            f"exact round trips: {self.whole.exact:,} of {self.whole.documents:,}"
            + (f", the first that failed: {self.first_failing}" if self.first_failing else ""),
        ]
        if self.glued_marks:
            lines.append(
                f"marks that share a piece with a letter: {self.glued_marks:,} of {self.mark_uses:,}; train it again"
            )
        if self.elsewhere is not None:
            lines.append(f"the same ids from {TOKENIZER_JSON}: {self.elsewhere:,} of {self.whole.documents:,}")
        if self.not_normal:
            lines.append(f"documents not in normal form: {self.not_normal:,}; build the corpus again")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            (name, each.documents, each.characters_per_token, each.fertility, each.byte_share, each.exact)
            for name, each in (*self.by_source.items(), ("all", self.whole))
        ]
        headers = ("source", "documents", "characters a token", "tokens a word", "spelled in bytes", "exact")
        return html_table(f"on {', '.join(self.splits)}", rows, headers=headers)

    def to_json(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer,
            "vocabulary": self.vocabulary,
            "splits": list(self.splits),
            "all": self.whole.to_json(),
            "sources": {name: measures.to_json() for name, measures in self.by_source.items()},
            "round_trips": asdict(self.round_trips),
            "not_normal": self.not_normal,
            "joiner_pieces": self.joiner_pieces,
            "joiner_uses": self.joiner_uses,
            "unused_pieces": self.unused,
            "mark_uses": self.mark_uses,
            "glued_marks": self.glued_marks,
            "elsewhere": self.elsewhere,
            "renyi_efficiency": round(self.renyi_efficiency, 6),
        }


def evaluate_tokenizer(
    language: Language,
    tokenizer: Tokenizer,
    corpus: Path,
    splits: Sequence[str] = ("valid", "test"),
    report: Report = silent,
    *,
    elsewhere: ElsewhereReader | None = None,
) -> TokenizerEvaluation:
    """Encode and decode every document of `splits`, and count; with `elsewhere`, whether it gives the same ids.

    Raises `ArtifactError` where the splits hold no document.
    """
    by_source: dict[str, Measures] = {}
    used = np.zeros(tokenizer.vocabulary, np.int64)
    first_failing, not_normal, agreeing, done = "", 0, 0, 0
    with corpus_read(corpus) as built:
        paths = [path for split in splits for path in shard_paths(built, split)]
        for batch in read_batches(paths, ["id", "source", "text"], BATCH):
            columns = batch.to_pydict()
            texts = [tokenizer.normalize(text) for text in columns["text"]]
            not_normal += sum(text != stored for text, stored in zip(texts, columns["text"], strict=True))
            encoded = tokenizer.encode_normalized(texts)
            if elsewhere is not None:
                agreeing += sum(elsewhere.agreeing(texts, encoded))
            for name, source, text, ids in zip(columns["id"], columns["source"], texts, encoded, strict=True):
                counts = np.bincount(ids, minlength=tokenizer.vocabulary)
                used += counts
                measures = _measure(text, ids, counts, exact=tokenizer.decode(ids) == text)
                by_source.setdefault(source, Measures()).add(measures)
                if not measures.exact:
                    first_failing = first_failing or name
            done += len(texts)
            report(Progress("evaluate", done, None, "documents"))
    whole = Measures()
    for measures in by_source.values():
        whole.add(measures)
    if not whole.documents:
        raise ArtifactError(f"{corpus}: no document in {' and '.join(splits)}. Build the corpus from more input.")
    marks = Marks.of(language)
    joined = np.array([any(joiner in piece for joiner in language.alphabet.joiners) for piece in tokenizer.inventory])
    return TokenizerEvaluation(
        tokenizer=tokenizer.fingerprint,
        vocabulary=tokenizer.vocabulary,
        splits=tuple(splits),
        whole=whole,
        by_source=dict(sorted(by_source.items())),
        first_failing=first_failing,
        not_normal=not_normal,
        joiner_pieces=int(joined.sum()),
        joiner_uses=int(used[joined].sum()),
        unused=int((used[FIRST_PIECE:] == 0).sum()),
        renyi_efficiency=renyi_efficiency(used),
        mark_uses=int(used[marks.held_by(tokenizer.inventory)].sum()),
        glued_marks=int(used[marks.glued_in(tokenizer.inventory)].sum()),
        elsewhere=None if elsewhere is None else agreeing,
    )


def round_trip_texts(tokenizer: Tokenizer, texts: Iterable[str]) -> RoundTrips:
    """Normalize, encode and decode raw texts; `first_failing` is the place (from 1) of the first that differs."""
    total = exact = 0
    first_failing = ""
    for total, text in enumerate(texts, 1):
        normal = tokenizer.normalize(text)
        if tokenizer.decode(tokenizer.encode_normalized([normal])[0]) == normal:
            exact += 1
        else:
            first_failing = first_failing or str(total)
    return RoundTrips(total, exact, first_failing)


def renyi_efficiency(counts: np.ndarray, order: float = RENYI_ORDER) -> float:
    """Rényi entropy of the unigram distribution over its maximum, log of the vocabulary; shape (vocabulary,).

    Four pieces, used 4, 4, 0 and 0 times: an entropy of log 2 of log 4, so 0.5 at any order.
    """
    p = counts / counts.sum()
    entropy = np.log((p[p > 0] ** order).sum()) / (1 - order)
    return float(entropy / np.log(len(counts)))


def _measure(text: str, ids: np.ndarray, counts: np.ndarray, *, exact: bool) -> Measures:
    return Measures(
        documents=1,
        characters=len(text),
        bytes=len(text.encode()),
        words=len(text.split()),
        tokens=len(ids),
        byte_tokens=int(counts[FIRST_BYTE:FIRST_PIECE].sum()),
        unknown_tokens=int(counts[UNK]),
        exact=int(exact),
    )


def _row(name: str, m: Measures) -> tuple[str, ...]:
    return (
        name,
        f"{m.documents:,}",
        f"{m.characters:,}",
        f"{m.characters_per_token:.3f}",
        f"{m.bytes_per_token:.3f}",
        f"{m.fertility:.3f}",
        f"{m.byte_share:.2%}",
        f"{m.exact:,}",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
