"""Character tables: which code points become which, in one pass over a text.

A table means: every single character first, then the sequences, leftmost and longest; but a character that a sequence
holds waits for the sequences. `close` makes that one pass: no target holds a source, so applying it twice changes
nothing. `table_file` reads the files that tables are written in.

The engine was chosen by measuring 14.6 MB of news on one core: a lookup over UTF-16 code units 710 MB/s,
SentencePiece's C++ normalizer 120, `str.translate` 20 (a search that finds nothing to do: 780). So texts are
normalized by lookup, and the same table goes to SentencePiece as rows (`sentencepiece_rows`), where a model shall
carry it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from typing import TYPE_CHECKING

from ulmkit.errors import LanguageError

if TYPE_CHECKING:
    import numpy as np

# marks in a lookup table; as characters both are controls, which no text keeps
_DELETE, _EXPAND = 0, 1
UNTOUCHED = 2  # from here on an entry is a character


@dataclass(frozen=True)
class CharacterRow:
    """One line of a table. `where` names the neighbours that it asks for (`table_file.WHERE`); empty: any."""

    source: str
    target: str
    reason: str = ""
    line: int = 0
    where: str = ""


def in_code_points(text: str) -> str:
    """`text` in code points: `U+06CC U+0654`."""
    return " ".join(f"U+{ord(character):04X}" for character in text)


def close(rows: Sequence[CharacterRow], name: str = "table") -> tuple[CharacterRow, ...]:
    """`rows` with the table applied to its own targets until none holds a source.

    Raises `LanguageError` where that never ends (a character that leads back to itself).
    """
    mapping = {row.source: row.target for row in rows if not row.where}
    sequences = sorted((source for source in mapping if len(source) > 1), key=len, reverse=True)
    held = frozenset("".join(sequences)).intersection(mapping)
    closed = []
    for row in rows:
        if not row.target or row.target == row.source:
            closed.append(row)
            continue
        target, seen = row.target, {row.source}
        while True:
            if target in seen or any(source in target for source in seen):
                where = f"{name}:{row.line}" if row.line else name
                raise LanguageError(
                    f"{where}: {in_code_points(row.source)} leads back to itself. Remove one of the lines."
                )
            seen.add(target) if target else None
            step = _apply_once(target, mapping, sequences, held)
            if step == target:
                break
            target = step
        closed.append(replace(row, target=target))
    return tuple(closed)


def _apply_once(text: str, mapping: Mapping[str, str], sequences: Sequence[str], held: frozenset[str]) -> str:
    """Single characters first, then sequences, then the characters that sequences hold."""
    text = "".join(c if c in held else mapping.get(c, c) for c in text)
    for source in sequences:
        text = text.replace(source, mapping[source])
    return "".join(mapping[c] if c in held else c for c in text)


@dataclass(frozen=True)
class CharacterTable:
    """A closed table, ready to be applied, composed with others, or handed to SentencePiece."""

    rows: tuple[CharacterRow, ...]

    @classmethod
    def of(cls, rows: Iterable[CharacterRow] | Mapping[str, str], name: str = "table") -> "CharacterTable":
        if isinstance(rows, Mapping):
            rows = [CharacterRow(source, target) for source, target in rows.items()]
        return cls(close(tuple(rows), name))

    @cached_property
    def singles(self) -> dict[str, str]:
        return {row.source: row.target for row in self.rows if len(row.source) == 1}

    @cached_property
    def sequences(self) -> dict[str, str]:
        return {row.source: row.target for row in self.rows if len(row.source) > 1}

    @cached_property
    def _single(self) -> re.Pattern[str]:
        return re.compile(f"[{character_class(self.singles)}]")

    @cached_property
    def _sequence(self) -> re.Pattern[str]:
        longest = sorted(self.sequences, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest)))

    def substitute(self, text: str) -> tuple[str, int]:
        """`text` with the table applied, and how many characters and sequences it changed."""
        count = more = 0
        if self.singles:
            text, count = self._single.subn(lambda match: self.singles[match[0]], text)
        if self.sequences and self._apart:
            for source, target in self.sequences.items():
                # one character, and a rare one, is found faster than two
                if source[-1] in text and (found := text.count(source)):
                    text, more = text.replace(source, target), more + found
        elif self.sequences:
            text, more = self._sequence.subn(lambda match: self.sequences[match[0]], text)
        return text, count + more

    @cached_property
    def _apart(self) -> bool:
        """Whether a few sequences can be replaced one by one, ten times as fast: no two can overlap in a text."""
        sources = list(self.sequences)
        ends = {source[-length:] for source in sources for length in range(1, len(source) + 1)}
        starts = [source[:length] for source in sources for length in range(1, len(source))]
        inside = any(a != b and a in b for a in sources for b in sources)
        return len(sources) <= 16 and not inside and not ends.intersection(starts)

    def sentencepiece_rows(self) -> dict[str, str]:
        """The table for SentencePiece, which knows one pass, leftmost and longest, and only literal sources.

        So every spelling that the single characters turn into a source sequence becomes a row of its own.
        """
        spellings: dict[str, list[str]] = {}
        for source, target in self.singles.items():
            spellings.setdefault(target, []).append(source)
        rows = dict(self.singles)
        for source, target in self.sequences.items():
            for spelling in product(*([character, *spellings.get(character, ())] for character in source)):
                rows["".join(spelling)] = target
        return rows

    def sentencepiece_tsv(self) -> str:
        """`sentencepiece_rows` in the file format of its `normalization_rule_tsv`: hexadecimal code points."""
        rows = self.sentencepiece_rows()
        return "".join(
            f"{' '.join(f'{ord(c):X}' for c in source)}\t{' '.join(f'{ord(c):X}' for c in rows[source])}\n"
            for source in sorted(rows)
        )

    def sentencepiece(self) -> Callable[[str], str]:
        """SentencePiece's own normalizer compiled from this table, to prove that both engines agree."""
        from sentencepiece import SentencePieceNormalizer

        normalizer = SentencePieceNormalizer(
            norm_map=list(self.sentencepiece_rows().items()),
            add_dummy_prefix=False,
            escape_whitespaces=False,
            remove_extra_whitespaces=False,
        )
        return lambda text: str(normalizer.Normalize(text))


def character_class(characters: Iterable[str]) -> str:
    """The body of a regular expression's character class that holds exactly `characters`, ranges folded."""
    points = sorted({ord(character) for character in characters})
    out: list[str] = []
    start = 0
    for index, point in enumerate(points):
        if index + 1 < len(points) and points[index + 1] == point + 1:
            continue
        low = points[start]
        out.append(_escape(low) if low == point else f"{_escape(low)}-{_escape(point)}")
        start = index + 1
    return "".join(out)


def _escape(point: int) -> str:
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


@cache
def _every_unit() -> str:
    return "".join(map(chr, range(0x10000)))


@cache
def _beyond() -> str:
    import numpy as np

    return np.arange(0x10000, 0x110000, dtype="<u4").tobytes().decode("utf-32-le")


# a character, plain, escaped or by its number; then perhaps a second one, which ends a range
_ITEM = re.compile(
    r"(?:\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|\\([^\w\s])|([^\\\]]))"
    r"(?:-(?:\\u([0-9a-f]{4})|\\U([0-9a-f]{8})|\\([^\w\s])|([^\\\]])))?",
    re.ASCII,
)


def _spans_of(body: str) -> list[tuple[int, int]] | None:
    """The code points of a character class in spans, first and last; None where only `re` knows: `\\w`, or an error."""
    spans: list[tuple[int, int]] = []
    end = 0
    while end < len(body):
        match = _ITEM.match(body, end)
        if match is None:
            return None
        halves = match.group(1, 2, 3, 4), match.group(5, 6, 7, 8)
        points = [int(a or b, 16) if a or b else ord(c or d) for a, b, c, d in halves if a or b or c or d]
        spans.append((points[0], points[-1]))
        end = match.end()
    return spans if all(first <= last for first, last in spans) else None


@cache
def unit_mask(body: str) -> "np.ndarray":
    """Which UTF-16 code units the character class `[body]` holds: shape (65536,), bool.

    A character beyond U+FFFF is held as the two units it is written with; a class that excludes (`^`) holds them all.
    """
    import numpy as np

    excludes = body.startswith("^")
    spans = _spans_of(body.removeprefix("^"))
    if not spans:
        return _searched_mask(body)
    mask = np.zeros(0x10000, bool)
    for first, last in spans:
        mask[first : last + 1] = True
        if last > 0xFFFF and not excludes:
            points = np.arange(max(first, 0x10000), last + 1) - 0x10000
            mask[0xD800 + (points >> 10)] = True
            mask[0xDC00 + (points & 0x3FF)] = True
    if excludes:
        np.logical_not(mask, out=mask)
        mask[0xD800:0xE000] = True
    return mask


def _searched_mask(body: str) -> "np.ndarray":
    """`unit_mask` of a class that only `re` can read."""
    import numpy as np

    mask = np.zeros(0x10000, bool)
    runs = re.compile(f"[{body}]+")
    mask[np.frombuffer("".join(runs.findall(_every_unit())).encode("utf-16-le", "surrogatepass"), np.uint16)] = True
    if body.startswith("^") or "\\w" in body:
        mask[0xD800:0xE000] = True
    else:
        points = np.frombuffer("".join(runs.findall(_beyond())).encode("utf-32-le"), np.uint32) - 0x10000
        mask[0xD800 + (points >> 10)] = True
        mask[0xDC00 + (points & 0x3FF)] = True
    return mask


class Lookup:
    """Several tables after one another as a single lookup over UTF-16 code units.

    Characters that become several (or lie beyond U+FFFF) are marked in the lookup; a text that holds one of them
    takes the tables one by one. Sequences are not part of it: they are rules with a trigger.
    """

    def __init__(self, tables: Sequence[CharacterTable]) -> None:
        self.tables = [table for table in tables if table.singles]

    @cached_property
    def lookup(self) -> "np.ndarray":
        """What becomes of each code unit: shape (65536,), uint16, with marks for those that a lookup cannot say."""
        import numpy as np

        lookup = np.arange(0x10000, dtype=np.uint16)
        images: dict[str, str] = {}
        for table in self.tables:
            singles = table.singles
            for source, image in images.items():
                if image in singles:
                    images[source] = singles[image]
                elif len(image) > 1:
                    images[source] = "".join(singles.get(c, c) for c in image)
            for source, target in singles.items():
                images.setdefault(source, target)
        for character, image in images.items():
            point = ord(character)
            if point > 0xFFFF:
                lookup[0xD800 + ((point - 0x10000) >> 10)] = _EXPAND
            elif not image:
                lookup[point] = _DELETE
            else:
                lookup[point] = ord(image) if len(image) == 1 and ord(image) < 0x10000 else _EXPAND
        lookup[_DELETE] = lookup[_EXPAND] = _DELETE
        return lookup

    def __bool__(self) -> bool:
        return bool(self.tables)

    def apply(self, codes: "np.ndarray") -> "np.ndarray":
        """UTF-16 code units (n,) after all tables."""
        out = self.lookup.take(codes)
        low = out.min(initial=2)
        if low >= 2:
            return out
        if (out == _EXPAND).any():
            text = from_utf16(codes)
            for table in self.tables:
                text = table._single.sub(lambda match, table=table: table.singles[match[0]], text)  # type: ignore[misc]
            return utf16_units(text.replace("\x00", "").replace("\x01", ""))
        kept: np.ndarray = out[out != _DELETE]
        return kept


def utf16_units(text: str) -> "np.ndarray":
    """`text` as UTF-16 code units, shape (n,), uint16; lone surrogates are left out."""
    import numpy as np

    try:
        data = text.encode("utf-16-le")
    except UnicodeEncodeError:
        data = drop_surrogates(text).encode("utf-16-le")
    return np.frombuffer(data, np.uint16)


def from_utf16(codes: "np.ndarray") -> str:
    return codes.tobytes().decode("utf-16-le")


def drop_surrogates(text: str) -> str:
    """`text` without lone surrogates; two that belong together become the character they spell."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


@cache
def compatibility(first: int, last: int) -> dict[str, str]:
    """The compatibility forms (NFKC) of the assigned code points from `first` to `last` that have one."""
    table = {}
    for point in range(first, last + 1):
        form = unicodedata.normalize("NFKC", chr(point))
        if form != chr(point):
            table[chr(point)] = form
    return table
