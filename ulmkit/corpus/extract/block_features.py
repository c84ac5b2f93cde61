"""What is known of each block of a page: a row of numbers, the columns of the judge of main content.

Nothing here knows a language: marks are Unicode's, and names of classes are what web designers write everywhere.
"""

import functools
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ulmkit.corpus.extract.layout import ANCESTRY, LINE, TAG_NUMBERS, PageLayout

FeatureColumns = dict[str, np.ndarray]

LEVELS = 4  # of elements around a block, each holding more blocks than the one within
_FAR = 99.0  # blocks: where there is none to be near to

_MARKS = {
    "commas": ",،、，;؛",
    "stops": ".!?…؟۔。।॥！？։።၊။",
    "signs": "|©®@»›→•·",
    "closers": "»”’\"')]›」』",
    "separators": "./:-",
    "colons": ":：",
}
_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FIRST_HEADING, _LAST_HEADING = TAG_NUMBERS["h1"], TAG_NUMBERS["h6"]


@dataclass(frozen=True, slots=True)
class Spans:
    """Of each block the nearest elements that hold more, one array a level; and where elements begin and end."""

    levels: np.ndarray  # LEVELS x blocks
    firsts: np.ndarray
    lasts: np.ndarray
    chars: np.ndarray


@functools.lru_cache(maxsize=20_000)  # pages of a site repeat them
def name_words(names: str) -> list[str]:
    """The words in an element's names, each once, in their order in the alphabet.

    >>> name_words("relatedPosts widget-2")
    ['posts', 'related', 'widget']
    """
    return sorted({word.lower() for word in _NAME_PARTS.findall(names) if len(word) > 1})


@functools.cache
def _classes() -> np.ndarray:
    """For each character of the basic plane a bit for each of `_MARKS`, then one for digits and one for spaces."""
    table = np.zeros(0x10000, np.uint8)
    for number, marks in enumerate(_MARKS.values()):
        for mark in marks:
            table[ord(mark)] |= 1 << number
    for code in range(0x10000):
        table[code] |= (chr(code).isdecimal() << 6) | (chr(code).isspace() << 7)
    return table


def _own(page: PageLayout) -> FeatureColumns:
    """Of a block's text alone."""
    texts = page.texts
    chars = np.array([len(text) for text in texts])
    ends = np.cumsum(chars)
    starts = ends - chars
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    bits = _classes()[np.minimum(codes, 0xFFFF)]

    def count(bit: int) -> np.ndarray:
        return np.add.reduceat((bits >> bit) & 1, starts, dtype=np.float32)

    digit, separator = (bits >> 6) & 1, (bits >> 4) & 1
    dates = np.zeros(len(bits), np.uint8)
    dates[1:-1] = digit[:-2] & separator[1:-1] & digit[2:]
    last = ends - 1
    for _ in range(2):
        last = np.where((bits[last] >> 3) & (last > starts), last - 1, last)
    words = count(7) + 1
    links = np.minimum(np.array(page.links), chars)
    stops = count(1)
    own = {
        "chars": np.log1p(chars),
        "words": np.log1p(words),
        "word length": chars / words,
        "commas": count(0) / words,
        "stops": stops / words,
        "sentences": stops,
        "signs": count(2),
        "digits": count(6) / chars,
        "dates": np.add.reduceat(dates, starts, dtype=np.float32),
        "ends": (bits[last] >> 1) & 1,
        "colon": (bits[ends - 1] >> 5) & 1,
        "cut off": ((codes[last] == ord("…")) | ((codes[last] == 46) & (codes[np.maximum(last - 1, starts)] == 46))),
        "density": links / chars,
        "links": np.array(page.link_counts),
        "bold": np.minimum(np.array(page.bolds), chars) / chars,
        "images": np.array(page.images),
    }
    counts = Counter(texts)
    own["repeated"] = np.array([counts[text] for text in texts])
    return own


def name_scores(page: PageLayout, words: dict[str, float]) -> np.ndarray:
    """Elements x 4: what an element's names say, their sum and least over its ancestors, the nearest that says any."""
    known: dict[str, float] = {"": 0.0}
    owns: list[float] = []
    totals: list[float] = []
    leasts: list[float] = []
    nearest: list[float] = []
    for names, parent in zip(page.names, page.parents, strict=True):
        own = known.get(names)
        if own is None:
            own = known[names] = sum([words[word] for word in name_words(names) if word in words])
        owns.append(own)
        if parent < 0:
            totals.append(own)
            leasts.append(own)
            nearest.append(own)
        elif own:
            totals.append(totals[parent] + own)
            least = leasts[parent]
            leasts.append(own if own < least else least)
            nearest.append(own)
        else:
            totals.append(totals[parent])
            leasts.append(min(leasts[parent], 0.0))
            nearest.append(nearest[parent])
    return np.array((owns, totals, leasts, nearest), np.float32).T


def _spans(page: PageLayout, chars: np.ndarray) -> Spans:
    firsts, lasts, parents = page.firsts, page.lasts, page.parents
    wider = [0] * len(parents)
    for number, parent in enumerate(parents):
        if parent >= 0:
            same = firsts[parent] == firsts[number] and lasts[parent] == lasts[number]
            wider[number] = wider[parent] if same else parent
        else:
            wider[number] = number
    above, first, last = np.array(wider), np.array(firsts), np.array(lasts)
    element = np.array(page.elements)
    levels = np.empty((LEVELS, len(element)), np.int64)
    levels[0] = np.where(last[element] - first[element] <= 1, above[element], element)
    for level in range(1, LEVELS):
        levels[level] = above[levels[level - 1]]
    return Spans(levels, first, last, chars)


def _siblings(page: PageLayout) -> np.ndarray:
    """How many elements that hold text their parent has of their tag and names."""
    keys = list(zip(page.parents, page.tags, page.names, strict=True))
    held = zip(keys, page.firsts, page.lasts, strict=True)
    counts = Counter(key for key, first, last in held if last > first)
    return np.array([counts[key] for key in keys], np.float32)


def _sums(values: np.ndarray) -> np.ndarray:
    return np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))


def _around(
    page: PageLayout, own: FeatureColumns, spans: Spans, names: np.ndarray, heading: np.ndarray
) -> FeatureColumns:
    """Of the elements around a block, level by level."""
    chars, count = spans.chars, len(spans.chars)
    tags, siblings = np.array(page.tags), _siblings(page)
    block_tags = tags[np.array(page.elements)]
    prose = (chars >= 80) & (own["density"] < 1 / 3) & (own["sentences"] >= 1)
    summed = {
        "density": _sums(own["density"] * chars),
        "stops": _sums(own["sentences"]),
        "commas": _sums(own["commas"] * np.expm1(own["words"])),
        "prose share": _sums(chars * prose),
    }
    counted = {
        "prose": _sums(prose),
        "paragraphs": _sums(block_tags == TAG_NUMBERS["p"]),
        "items": _sums((np.array(page.flags)[np.array(page.elements)] >> ANCESTRY.index("li")) & 1),
        "headings": _sums(heading),
        "images": _sums(own["images"]),
        "dates": _sums(own["dates"]),
    }
    held = _sums(chars)
    level, first, last = spans.levels, spans.firsts[spans.levels], spans.lasts[spans.levels]
    size = np.maximum(last - first, 1)

    def total(sums: np.ndarray) -> np.ndarray:
        found: np.ndarray = sums[last] - sums[first]
        return found

    inside = total(held)
    at_least_one = np.maximum(inside, 1)
    found = {
        "chars": np.log1p(inside),
        "blocks": np.log1p(size),
        "mean": inside / size,
        "of page": inside / held[-1],
    }
    found |= {name: total(sums) / at_least_one for name, sums in summed.items()}
    found |= {name: total(sums) / size for name, sums in counted.items()}
    found["prose of page"] = total(summed["prose share"]) / max(1.0, summed["prose share"][-1])
    found["place in"] = (np.arange(count) - first) / size
    found["starts"] = first / count
    found["siblings"], found["names"], found["tag"] = siblings[level], names[level, 0], tags[level]
    columns: FeatureColumns = {"own siblings": siblings[np.array(page.elements)]}
    for number in range(LEVELS):
        columns |= {f"{name} {number}": column[number] for name, column in found.items()}
    columns["page prose"] = np.full(count, counted["prose"][-1])
    columns["page density"] = np.full(count, summed["density"][-1] / held[-1])
    return columns


def _places(page: PageLayout, spans: Spans, heading: np.ndarray, block_tags: np.ndarray, title: str) -> FeatureColumns:
    """Where a block stands: on the page, from the title, from the heading before."""
    chars, count = spans.chars, len(spans.chars)
    index = np.arange(count)
    before = np.cumsum(chars) - chars
    total = float(before[-1] + chars[-1])
    title = title.casefold()
    folded = [text.casefold() for text in page.texts]
    headings = np.flatnonzero(heading)
    named = [
        i for i in headings if len(folded[i]) > 3 and (folded[i] in title or (len(title) > 3 and title in folded[i]))
    ]
    main = np.flatnonzero(block_tags == _FIRST_HEADING)
    start = int(named[0] if named else main[0] if len(main) else -1)
    away = before - before[start] if start >= 0 else np.zeros(count)
    last = np.maximum.accumulate(np.where(heading, index, -1))
    return {
        "place": index / count,
        "place in text": before / total,
        "before": np.log1p(before),
        "after": np.log1p(total - before - chars),
        "page chars": np.full(count, np.log1p(total)),
        "page blocks": np.full(count, np.log1p(count)),
        "title": np.full(count, 2 if named else 1 if start >= 0 else 0),
        "from title": index - start if start >= 0 else np.full(count, -10 * _FAR),
        "chars from title": np.sign(away) * np.log1p(np.abs(away)) if start >= 0 else np.full(count, -_FAR),
        "in title": np.array([text in title for text in folded]),
        "from heading": np.where(last >= 0, index - last, _FAR),
        "under heading": np.where(last >= 0, block_tags[last] - _FIRST_HEADING + 1, 0),
    }


def _shifted(values: np.ndarray, by: int, fill: float) -> np.ndarray:
    """Each block's neighbour's value, `by` blocks on."""
    moved = np.full(len(values), fill, np.float32)
    if by < 0:
        moved[-by:] = values[:by]
    else:
        moved[:-by] = values[by:]
    return moved


def block_features(page: PageLayout, words: dict[str, float], title: str) -> FeatureColumns:
    """Columns of `page`, a value a block; there is one.

    `words` says of words in names of classes how they speak for main content (above 0) or against it.
    """
    elements = np.array(page.elements)
    tags = np.array(page.tags)[elements]
    heading = (tags >= _FIRST_HEADING) & (tags <= _LAST_HEADING)
    own = _own(page)
    spans = _spans(page, np.array([len(text) for text in page.texts], np.float64))
    scores = name_scores(page, words)
    columns = own | {
        "tag": tags,
        "lines": np.array([text.count(LINE) + 1 for text in page.texts]),
        "heading": np.where(heading, tags - _FIRST_HEADING + 1, 0),
    }
    columns |= {"is " + tag: tags == TAG_NUMBERS[tag] for tag in ("div", "p", "li", "td")}
    flags = np.array(page.flags)[elements]
    columns |= {"in " + flag: (flags >> number) & 1 for number, flag in enumerate(ANCESTRY)}
    depths: list[int] = []
    for parent in page.parents:
        depths.append(depths[parent] + 1 if parent >= 0 else 0)
    columns["depth"] = np.array(depths)[elements]
    columns |= {"names " + label: scores[elements, k] for k, label in enumerate(("own", "sum", "least", "last"))}
    columns |= _places(page, spans, heading, tags, title)
    columns |= _around(page, own, spans, scores, heading)
    looked_at = {"chars": (own["chars"], 0), "density": (own["density"], 1)}
    nearer = looked_at | {"ends": (own["ends"], 0), "names": (scores[elements, 1], 0), "heading": (heading, 0)}
    for by in (-3, -2, -1, 1, 2, 3):
        for name, (values, fill) in (looked_at if abs(by) == 3 else nearer).items():
            columns[f"{name} {by:+d}"] = _shifted(values, by, fill)
    loose = np.pad(spans.chars * (1 - own["density"]), 2)
    columns["window"] = np.log1p(np.convolve(loose, np.array([0.25, 0.5, 1, 0.5, 0.25]), "valid"))
    return columns


def matrix(columns: FeatureColumns) -> np.ndarray:
    """FeatureColumns beside each other: blocks x columns."""
    rows = np.empty((len(columns), len(next(iter(columns.values())))), np.float32)
    for number, column in enumerate(columns.values()):
        rows[number] = column
    return rows.T
