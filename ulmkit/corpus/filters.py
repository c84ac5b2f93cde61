"""Which documents stay, and why the others go: `FILTERS` is the table, one row a question, in the order of asking.

Gopher is Rae et al. 2021 (arXiv 2112.11446, appendix A), FineWeb is Penedo et al. 2024 (arXiv 2406.17557).
What judges in a build, what `language calibrate` measures, what `language show` prints, what the manifest records and
docs/filters.md are all read from the table.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import numpy as np

from ulmkit.corpus.genre import FEW_LINES, listed, printed_lines
from ulmkit.corpus.page import NAN, Page
from ulmkit.document import KEEP, Verdict, drop
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language
from ulmkit.text.rules import pattern_limit

SHORT_LINE = 30  # characters, FineWeb
BULLETS = "•‣⁃◦▪▫●○■□►–-*·"
WORD_CHARACTER = re.compile(r"\w")
NO_WORD = re.compile(r"(?<!\S)(?:[^\w\s]|\d)+(?!\S)")  # marks and digits alone, as spaces part them

Direction = Literal["at least", "at most"]
TextKind = Literal["verse", "song", "quotes_verse", "prose", "told", "said_in_lines"]  # of text, as `Page` tells it


class DecidedBy(Enum):
    """Who decides a limit, and so what `language calibrate` may make of it."""

    LANGUAGE = "the language: a trusted sample widens it, and narrows it where junk.txt needs that, or on demand"
    MIXTURE = "what the corpus is to hold: a trusted sample widens it, and narrows it only on demand"
    PAGES = "what pages are made of: a trusted sample only widens it"
    CHOICE = "a choice: no sample moves it"


@dataclass(frozen=True)
class Filter:
    """A question about a page: whether what `measure` gives keeps to a limit of `[filters]`."""

    measure: Callable[[Page], float]  # its docstring says what is measured
    direction: Direction
    limit: str  # key of [filters]
    reason: str  # what a page that is turned away is counted under
    decided_by: DecidedBy
    part: int | None = None  # which number of the limit, where it holds several
    spares: tuple[TextKind, ...] = ()  # kinds of text that are not asked
    falling: bool = False  # it measures no more than the row before does
    bound: Callable[[Page], float] | None = None  # of "at least": cheaper, and never more than `measure`

    @property
    def name(self) -> str:
        """The limit, with the place of the number in it where there are several: `max_top_ngram[0]`."""
        return self.limit if self.part is None else f"{self.limit}[{self.part}]"

    def limit_in(self, limits: Filters) -> float:
        """The number that a page's measure is compared with."""
        value = getattr(limits, self.limit)
        return value if self.part is None else value[self.part]

    def applied(self, page: Page) -> float:
        """What `measure` gives; NaN where the page is of a kind that is not asked."""
        return NAN if self.spared(page) else self.measure(page)

    def spared(self, page: Page) -> bool:
        """Whether the page is of a kind of text that this is not asked of."""
        return any(getattr(page, kind) for kind in self.spares)

    @property
    def about(self) -> str:
        """What is measured, as a phrase."""
        if isinstance(self.measure, functools.partial):
            return (self.measure.func.__doc__ or "").format(**self.measure.keywords)
        return self.measure.__doc__ or ""


# ---------------------------------------------------------------- what is measured of a page


def characters(page: Page) -> float:
    """Characters of the text."""
    return len(page.text)


def word_count(page: Page) -> float:
    """Words of the match form."""
    return len(page.words)


def damage_share(page: Page) -> float:
    """The share of the characters, one left out, that are U+FFFD or for private use."""
    return max(page.counts["damage"] - 1, 0) / len(page.text)


def letters_in_script(page: Page) -> float:
    """The share of the letters that are in the language's script."""
    return min(1.0, page.counts["script"] / max(page.counts["letters"], 1))


def digit_share(page: Page) -> float:
    """The share of the characters that are digits, of any script."""
    return page.counts["digits"] / len(page.text)


def mean_word_length(page: Page) -> float:
    """Characters of a word, on average."""
    return page.word_characters / len(page.words)


def stop_words_found(page: Page) -> float:
    """How many different stop words occur; NaN where the language has none."""
    language = page.language
    if not language.stop_words:
        return NAN
    if language.segmentation.spaced:
        return len(language.matched_stop_words.intersection(page.words))
    return len(set(language.stop_words_of(page.words)))


def stop_word_share(page: Page) -> float:
    """The share of the words that are stop words; NaN where the language has none."""
    return page.stop_word_share


def symbol_word_ratio(page: Page) -> float:
    """`#`, and lines that break off in an ellipsis, for each word."""
    return (page.text.count("#") + sum(page.broken_lines)) / len(page.words)


def words_with_letter(page: Page) -> float:
    """The share of the words, as spaces part them, that hold a letter; a sentence's dashes and numbers are none."""
    lettered, spaced = page.spaced_words
    told = zip(page.lines, page.sentences_end, strict=True)
    sentences = "\n".join(
        [line for line, ends in told if ends or not WORD_CHARACTER.search(line)]
    )  # and rules between them
    no_words = len(NO_WORD.findall(sentences))
    return lettered / max(spaced - no_words, 1)


def lettered_at_least(page: Page) -> float:
    """What `words_with_letter` is no less than: dashes and numbers counted among the words."""
    lettered, spaced = page.spaced_words
    return lettered / max(spaced, 1)


def bullet_lines(page: Page) -> float:
    """The share of the lines that begin with a bullet or a dash, and are no sentence."""
    firsts = "".join([line[0] for line in page.lines])
    if not sum(map(firsts.count, BULLETS)):
        return 0.0
    items = [first in BULLETS and not ended for first, ended in zip(firsts, page.sentences_end, strict=True)]
    return sum(items) / len(page.lines)


def teaser_lines(page: Page) -> float:
    """The share of the lines that break off in an ellipsis, but the last, if there are three: one sentence each."""
    broken = page.broken_lines
    return sum(broken[:-1]) / (len(broken) - 1) if sum(broken) >= 3 else 0.0


def short_line_share(page: Page) -> float:
    """The share of the printed lines, but for announced items, that have at most 30 characters and end no sentence."""
    short = page.line_lengths <= SHORT_LINE
    if not short.any():
        return 0.0
    short &= ~np.array(page.sentences_end)
    counted = ~np.array(listed(page.lines, page.sentences_end))
    sizes = printed_lines(page.line_lengths)
    return float(sizes[counted & short].sum() / sizes[counted].sum())


def punctuated_lines(page: Page) -> float:
    """The share of the lines that end in one of `line_ends`, the last counted only if it does; NaN under five lines."""
    if len(page.lines) < FEW_LINES and page.language.segmentation.spaced:
        return NAN
    lasts = "".join([line[-1] for line in page.said_lines])
    if len(lasts) > 1 and lasts[-1] not in page.limits.line_ends:
        lasts = lasts[:-1]  # a page may be cut in mid-sentence
    return sum(map(lasts.count, set(page.limits.line_ends))) / len(lasts)


def sentence_ends(page: Page) -> float:
    """Ends of sentences for each hundred words, in a page of fewer than five lines; NaN in others."""
    if len(page.lines) >= FEW_LINES or not page.language.segmentation.spaced:
        return NAN
    return 100 * len(page.sentence_end.findall(page.said)) / len(page.words)


def duplicate_line_share(page: Page) -> float:
    """The share of the printed lines that stood before; lines without a letter are none."""
    again, lines = page.lines_again
    if not again.any():
        return 0.0
    sizes = printed_lines(np.fromiter(map(len, lines), np.int64, len(lines)))
    return float(sizes[again].sum() / max(sizes.sum(), 1.0))


def duplicate_line_characters(page: Page) -> float:
    """The share of the characters that lie in lines which stood before; lines without a letter are none."""
    again, lines = page.lines_again
    return sum(len(line) for line, stood in zip(lines, again, strict=True) if stood) / len(page.text)


def top_ngram(page: Page, n: int) -> float:
    """The share of the words' characters that the commonest {n}-gram covers from its third time on."""
    return page.top_share(n) if page.repeats else 0.0


def said_again(page: Page) -> float:
    """The share of the words' characters that lie in 5-grams which occurred before."""
    return page.duplicated_share(5, 1) if page.repeats else 0.0


def duplicate_ngrams(page: Page, n: int) -> float:
    """The share of the words' characters that lie in {n}-grams which occurred twice before."""
    return page.duplicated_share(n, 2) if page.repeats else 0.0


# ---------------------------------------------------------------- the table

LANGUAGE, MIXTURE, PAGES, CHOICE = DecidedBy

# in the order of asking: cheap questions first, and each later one may rely on there being words and lines
_OF_CONTENT: tuple[Filter, ...] = (
    Filter(characters, "at least", "min_characters", "too short", CHOICE),
    Filter(word_count, "at least", "min_words", "too few words", CHOICE),
    Filter(characters, "at most", "max_characters", "too long", CHOICE),
    Filter(damage_share, "at most", "max_replacement_characters", "damaged characters", CHOICE),
    Filter(letters_in_script, "at least", "min_script_share", "other script", MIXTURE),
    Filter(digit_share, "at most", "max_digit_share", "mostly digits", PAGES),
    Filter(mean_word_length, "at least", "mean_word_length", "short words", LANGUAGE, part=0),
    Filter(mean_word_length, "at most", "mean_word_length", "long words", LANGUAGE, part=1),
    Filter(
        stop_words_found, "at least", "min_stop_words", "few stop words", LANGUAGE, spares=("said_in_lines",),
    ),
    Filter(stop_word_share, "at least", "min_stop_word_share", "few stop words", LANGUAGE),
    Filter(symbol_word_ratio, "at most", "max_symbol_word_ratio", "many symbols", PAGES),
    Filter(
        words_with_letter, "at least", "min_word_with_letter", "few words with letters", LANGUAGE,
        bound=lettered_at_least,
    ),
    Filter(bullet_lines, "at most", "max_bullet_lines", "bullet list", PAGES),
    Filter(teaser_lines, "at most", "max_ellipsis_lines", "teaser lines", PAGES),
    Filter(
        short_line_share, "at most", "max_short_lines", "short lines", PAGES,
        spares=("verse", "quotes_verse", "told"),
    ),
    Filter(
        punctuated_lines, "at least", "min_line_punctuation", "few lines end in punctuation", MIXTURE,
        spares=("verse", "quotes_verse", "prose"),
    ),
    Filter(sentence_ends, "at least", "min_sentence_ends", "few sentences end", MIXTURE, spares=("verse", "prose")),
    Filter(duplicate_line_share, "at most", "max_duplicate_lines", "duplicate lines", PAGES, spares=("song",)),
    Filter(
        duplicate_line_characters, "at most", "max_duplicate_line_characters", "duplicate line characters", PAGES,
        spares=("song",),
    ),
)  # fmt: skip
_OF_REPETITION: tuple[Filter, ...] = (
    *(
        Filter(
            functools.partial(top_ngram, n=n), "at most", "max_top_ngram", f"top {n}-gram",
            PAGES, part=n - 2, spares=("song",),
        )
        for n in (2, 3, 4)
    ),
    Filter(said_again, "at most", "max_said_again", "said again", PAGES, spares=("song",)),
    *(
        # a run of words that occurred before is made of shorter ones that did: a longer one covers no more
        Filter(
            functools.partial(duplicate_ngrams, n=n), "at most", "max_duplicate_ngrams", f"duplicate {n}-grams",
            PAGES, part=n - 5, falling=n > 5, spares=("song",),
        )
        for n in (5, 6, 7, 8, 9, 10)
    ),
)  # fmt: skip
FILTERS: tuple[Filter, ...] = _OF_CONTENT + _OF_REPETITION


def filters_of(limit: str) -> tuple[Filter, ...]:
    """The filters that compare with a number of `limit`, in order."""
    return tuple(row for row in FILTERS if row.limit == limit)


def judge(page: Page) -> Verdict:
    """The verdict of the first filter that turns the page away, or `KEEP`."""
    limits = page.limits
    for row in _OF_CONTENT:
        limit, least = row.limit_in(limits), row.direction == "at least"
        if least and not limit:
            continue  # nothing is less than 0
        if row.bound is not None and row.bound(page) >= limit:
            continue
        value = row.measure(page)
        # to tell the kind of text takes longer than to measure: it is asked only where the answer would be no
        if (value < limit if least else value > limit) and not row.spared(page):
            return _turned_away(row, value, limit)
    value = NAN
    for row in _OF_REPETITION if page.repeats else ():  # else their measures are all 0
        limit = row.limit_in(limits)
        if row.falling and value <= limit:
            continue  # the last that was measured is within this limit, and this measure is no more
        if row.spared(page):
            continue  # told sooner than the commonest n-gram is found
        value = row.measure(page)
        if value > limit:
            return _turned_away(row, value, limit)
    return KEEP


def _turned_away(row: Filter, value: float, limit: float) -> Verdict:
    return drop(row.reason, f"{value:.3g} {'<' if row.direction == 'at least' else '>'} {limit:.3g}")


def limits_of(language: Language) -> dict[str, dict[str, Any]]:
    """Limit -> its value, what pages that break it are counted under, and where the value comes from; in order."""
    limits = language.filters
    found: dict[str, dict[str, Any]] = {}
    for row in FILTERS:
        new = {"limit": getattr(limits, row.limit), "drops": [], "from": limits.origins.get(row.limit, "default")}
        found.setdefault(row.limit, new)["drops"].append(row.reason)
    return found


@functools.cache
def boilerplate_pattern(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """Lines that match one of `patterns` whole, with their newline."""
    if not patterns:
        return None
    return re.compile(rf"^(?:{'|'.join(patterns)})$\n?", re.MULTILINE)


def without_boilerplate(text: str, language: Language) -> tuple[str, int]:
    """`text` without the language's boilerplate lines, and how many went; a `RuleError` for a pattern without end."""
    pattern = boilerplate_pattern(language.filters.boilerplate)
    if pattern is None:
        return text, 0
    with pattern_limit("[filters]: a pattern of 'boilerplate'", text, limited=language.rules.limited):
        text, removed = pattern.subn("", text)
    return (re.sub("\n{3,}", "\n\n", text).strip("\n") if removed else text), removed
