"""Pages whose text is a series: posts of a thread, entries of a live report, captions of a gallery.

No entry is much like an article, so a judge of blocks believes few of them. Its sign is not in a block: elements of one
tag and one set of names, again and again, hold most of the page's sentences, and there is no article beside them. Where
there is one they are its comments; where most of them break off, or have a heading that leads elsewhere, they are
teasers.
"""

import re
from collections import Counter, defaultdict

import numpy as np

from ulmkit.corpus.extract.layout import TAG_NUMBERS, PageLayout

_ENTRIES = 3  # at least, with sentences
AN_ARTICLE = 200  # characters of sentences that are chosen elsewhere: more is an article
_REFUSE = 0.04  # likelihood: a block below is none of an entry's text
_CAPTION = 40  # characters of what may be a caption, with links to its subjects
_REPEATED = 3  # times that a block is on the page: a signature
_VERSES = 8  # blocks in a row, at least
_VERSE = (12, 60)  # characters of one
_ONE_LENGTH = 0.25  # of the mean: the deviation of their lengths; of menus it is half
_NUMBER = re.compile(r"\d+")


def series(page: PageLayout, likely: np.ndarray, chosen: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """Which blocks are sentences of the page's series, if it has one; `chosen` are those known to be main content."""
    none = np.zeros(len(chosen), bool)
    counts = Counter(page.texts)
    once = np.array([counts[text] < _REPEATED for text in page.texts], bool)
    length = np.array([len(text) for text in page.texts])
    captions = (length >= _CAPTION) & (3 * np.array(page.links) < 2 * length)
    own = (sentences | captions) & once & (likely >= _REFUSE)
    chars = np.where(own, length, 0)
    known = chars[chosen].sum()
    held = np.concatenate(([0], np.cumsum(chars)))
    kinds: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, names in enumerate(page.names):
        if names and held[page.lasts[number]] > held[page.firsts[number]]:
            kinds[page.tags[number], _NUMBER.sub("", names.partition(" ")[0])].append(number)
    found = none
    most = _ENTRIES - 1
    for entries in kinds.values():
        if len(entries) <= most:
            continue
        within = none.copy()
        for number in entries:
            within[page.firsts[number] : page.lasts[number]] = True
        inside, outside = chars[within].sum(), chars[chosen & ~within].sum()
        largest = max(held[page.lasts[number]] - held[page.firsts[number]] for number in entries)
        fits = 2 * inside > max(held[-1], 4 * known) and 2 * largest < inside and outside < AN_ARTICLE
        if fits and not _teasers(page, entries, own):
            found, most = within & own, len(entries)
    return found


def verses(page: PageLayout) -> list[slice]:
    """Runs of blocks that are verses with an element each: eight or more of one length and one tag, without links."""
    tags = [page.tags[element] for element in page.elements]
    short = [_VERSE[0] <= len(text) <= _VERSE[1] and not page.link_counts[i] for i, text in enumerate(page.texts)]
    runs: list[slice] = []
    start = 0
    while start < len(short):
        end = start + 1
        while end < len(short) and short[start] and short[end] and tags[end] == tags[start]:
            end += 1
        if end - start >= _VERSES:
            lengths = np.array([len(text) for text in page.texts[start:end]])
            if lengths.std() < _ONE_LENGTH * lengths.mean():
                runs.append(slice(start, end))
        start = end
    return runs


def _teasers(page: PageLayout, entries: list[int], sentences: np.ndarray) -> bool:
    """Whether most of the entries only lead to what they are about."""
    first, last = TAG_NUMBERS["h1"], TAG_NUMBERS["h6"]
    leading = 0
    for number in entries:
        for block in range(page.firsts[number], page.lasts[number]):
            text = page.texts[block]
            heading = first <= page.tags[page.elements[block]] <= last
            if (heading and page.links[block] >= len(text)) or (sentences[block] and text.endswith(("…", "..."))):
                leading += 1
                break
    return 2 * leading > len(entries)
