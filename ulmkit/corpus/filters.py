"""Which documents stay, and why the others go.

Each filter is a question about a page with a limit from the language; the first that says no gives the reason.
Gopher is Rae et al. 2021 (arXiv 2112.11446, appendix A), FineWeb is Penedo et al. 2024 (arXiv 2406.17557).
"""

import functools
import re
from collections.abc import Callable

import numpy as np

from ulmkit.corpus.shingles import ngrams
from ulmkit.document import KEEP, Verdict, drop
from ulmkit.language.spec import Filters, Language
from ulmkit.text.census import Census, code_points, letters, members
from ulmkit.text.census import digits as digits_of_any_script
from ulmkit.text.script import letters as letters_of

SHORT_LINE = 30  # characters, FineWeb
BULLETS = "•‣⁃◦▪▫●○■□►–-*·"
DAMAGE = "\ufffd\ue000-\uf8ff"  # what a decoder could not read, and private use


SPACE, NEWLINE = ord(" "), ord("\n")
NAN = float("nan")  # what a filter does not ask of a page; it is over no limit and under none


@functools.cache
def census(script: str) -> Census:
    """The classes that filters ask about in a text of `script`."""
    return Census(
        {
            "digits": digits_of_any_script(),
            "damage": members(DAMAGE),
            "letters": letters(),
            "script": members(letters_of(script)),
        }
    )


class Page:
    """A normalized text with what the filters ask of it, computed once and only when asked."""

    def __init__(self, text: str, words: list[str], hashes: np.ndarray, language: Language) -> None:
        """`words` are those of the match form and `hashes` their hashes, shape (len(words),)."""
        self.text = text
        self.words = words
        self.hashes = hashes
        self.language = language
        self.limits: Filters = language.filters

    @functools.cached_property
    def lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line]

    @functools.cached_property
    def codes(self) -> np.ndarray:
        return code_points(self.text)

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Characters by class: digits, damage, letters, and letters of the script."""
        return census(self.language.identity.script)(self.codes)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each word, shape (words,)."""
        return np.fromiter(map(len, self.words), np.int64, len(self.words))

    def duplicated_share(self, n: int) -> float:
        """Share of the words' characters that lie in an n-gram which occurred before."""
        grams = ngrams(self.hashes, n)
        if len(runs(np.sort(grams))[0]) == len(grams):
            return 0.0
        _, first, inverse = np.unique(grams, return_index=True, return_inverse=True)
        again = first[inverse] != np.arange(len(grams))
        if not again.any():
            return 0.0
        covered = np.zeros(len(self.words) + 1, np.int64)
        starts = np.flatnonzero(again)
        np.add.at(covered, starts, 1)
        np.add.at(covered, np.minimum(starts + n, len(self.words)), -1)
        inside = np.cumsum(covered[:-1]) > 0
        return float(self.lengths[inside].sum() / max(self.lengths.sum(), 1))

    def top_share(self, n: int) -> float:
        """Share of the words' characters that the most frequent n-gram covers."""
        grams = ngrams(self.hashes, n)
        distinct, counts = runs(np.sort(grams))
        most = int(counts.max())
        if most < 3:  # twice is a headline and the sentence that says it again
            return 0.0
        # of equally frequent ones the first in the text
        first = min(int((grams == gram).argmax()) for gram in distinct[counts == most])
        size = int(self.lengths[first : first + n].sum())
        return size * most / max(int(self.lengths.sum()), 1)

    @functools.cached_property
    def verse(self) -> bool:
        """Whether the lines are verse: many, of nearly one length, unlike a menu's.

        Half-verses of classical poetry vary by an eighth of their length, menus by more than half.
        """
        lengths = np.fromiter(map(len, self.lines), np.int64, len(self.lines))
        if len(lengths) < 4:
            return False
        lengths.sort()
        # a poem may come with a title and the poet's name
        low, high = quantile(lengths, 0.1), quantile(lengths, 0.9)
        inner = lengths[(lengths >= low) & (lengths <= high)]
        return bool(12 <= quantile(inner, 0.5) <= 80 and inner.std() < 0.2 * inner.mean())

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether any 5-gram occurs twice or four words make up a tenth of the text: else nothing can repeat much."""
        grams = np.sort(ngrams(self.hashes, 5))
        if np.count_nonzero(grams[1:] != grams[:-1]) + 1 < 0.95 * len(grams):
            return True
        distinct, times = runs(np.sort(self.hashes))
        fourth = np.partition(times, -4)[-4] if len(times) > 4 else 1
        frequent = distinct[times >= fourth]
        lengths = np.fromiter((self.lengths[(self.hashes == word).argmax()] for word in frequent[:32]), np.int64)
        counts = times[times >= fourth][:32]
        order = np.lexsort((-lengths, -counts))[:4]
        return int((lengths * counts)[order].sum()) > 0.16 * max(int(self.lengths.sum()), 1)


def runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of an ordered array, and how often each occurs."""
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return ordered[starts], np.diff(starts, append=len(ordered))


def quantile(ordered: np.ndarray, share: float) -> float:
    """The quantile of an ordered array, as `np.quantile` gives it for a tenth of the time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def over(reason: str, value: float, limit: float) -> Verdict:
    return drop(reason, f"{value:.3g} > {limit:.3g}") if value > limit else KEEP


def under(reason: str, value: float, limit: float) -> Verdict:
    return drop(reason, f"{value:.3g} < {limit:.3g}") if value < limit else KEEP


# ---------------------------------------------------------------- what is measured of a page


def damage_share(page: Page) -> float:
    return page.counts["damage"] / len(page.text)


def letters_in_script(page: Page) -> float:
    return min(1.0, page.counts["script"] / max(page.counts["letters"], 1))


def digit_share(page: Page) -> float:
    return page.counts["digits"] / len(page.text)


def mean_word_length(page: Page) -> float:
    return float(page.lengths.mean())


def stop_words_found(page: Page) -> float:
    """How many different stop words are there; NaN where the language has none."""
    language = page.language
    return len(set(language.stop_words_of(page.words))) if language.stop_words else NAN


def stop_word_share(page: Page) -> float:
    """The share of the text that is stop words; NaN where the language has none."""
    return page.language.stop_word_share(page.words) if page.language.stop_words else NAN


def symbol_word_ratio(page: Page) -> float:
    return (page.text.count("#") + page.text.count("…") + page.text.count("...")) / len(page.words)


def beginnings(blank: np.ndarray) -> int:
    """How many runs of False there are."""
    return int(np.count_nonzero(blank[:-1] & ~blank[1:])) + int(len(blank) > 0 and not blank[0])


def words_with_letter(page: Page) -> float:
    blank = (page.codes == SPACE) | (page.codes == NEWLINE)  # no other white space is in normal form
    # where only letters and blanks are left, a word with a letter begins where a letter follows a blank
    lettered = blank[blank | letters().take(page.codes)]
    return beginnings(lettered) / max(beginnings(blank), 1)


def bullet_lines(page: Page) -> float:
    firsts = "".join([line[0] for line in page.lines])
    return sum(map(firsts.count, BULLETS)) / len(page.lines)


def ellipsis_lines(page: Page) -> float:
    if "…" not in page.text and "..." not in page.text:
        return 0.0
    return sum(line.endswith(("…", "...")) for line in page.lines) / len(page.lines)


def punctuated_lines(page: Page) -> float:
    """The share of lines that end in punctuation; NaN for verse, which needs none."""
    return NAN if page.verse else ending_in_punctuation(page)


def ending_in_punctuation(page: Page) -> float:
    lasts = "".join([line[-1] for line in page.lines])
    return sum(map(lasts.count, set(page.limits.line_ends))) / len(page.lines)


def short_line_share(page: Page) -> float:
    """The share of short lines; NaN for verse."""
    return NAN if page.verse else short(page)


def short(page: Page) -> float:
    return sum([len(line) <= SHORT_LINE for line in page.lines]) / len(page.lines)


def duplicate_line_share(page: Page) -> float:
    return 1 - len(set(page.lines)) / len(page.lines)


def duplicate_line_characters(page: Page) -> float:
    """The share of the text's characters that lie in lines which stood before."""
    seen: set[str] = set()
    again = 0
    for line in page.lines:
        if line in seen:
            again += len(line)
        seen.add(line)
    return again / len(page.text)


def top_ngrams(page: Page) -> list[float]:
    """For 2-, 3- and 4-grams, what the commonest covers; NaN for verse, which a refrain makes."""
    return [NAN if page.verse else page.top_share(n) if page.repeats else 0.0 for n in range(2, 5)]


def duplicate_ngrams(page: Page) -> list[float]:
    """For 5- to 10-grams, the share that lies in one which occurred before."""
    return [page.duplicated_share(n) if page.repeats else 0.0 for n in range(5, 11)]


# limit of [filters] -> what it is a limit of: calibration measures these on pages that are trusted
MEASURES: dict[str, Callable[[Page], float | list[float]]] = {
    "min_script_share": letters_in_script,
    "mean_word_length": mean_word_length,
    "min_stop_words": stop_words_found,
    "min_stop_word_share": stop_word_share,
    "min_word_with_letter": words_with_letter,
    "min_line_punctuation": punctuated_lines,
    "max_digit_share": digit_share,
    "max_symbol_word_ratio": symbol_word_ratio,
    "max_bullet_lines": bullet_lines,
    "max_ellipsis_lines": ellipsis_lines,
    "max_short_lines": short_line_share,
    "max_duplicate_lines": duplicate_line_share,
    "max_duplicate_line_characters": duplicate_line_characters,
    "max_top_ngram": top_ngrams,
    "max_duplicate_ngrams": duplicate_ngrams,
}

# ---------------------------------------------------------------- the questions


def too_short(page: Page) -> Verdict:
    verdict = under("too short", len(page.text), page.limits.min_characters)
    return verdict if not verdict.keep else under("too few words", len(page.words), page.limits.min_words)


def too_long(page: Page) -> Verdict:
    return over("too long", len(page.text), page.limits.max_characters)


def not_text(page: Page) -> Verdict:
    return over("damaged characters", damage_share(page), page.limits.max_replacement_characters)


def wrong_script(page: Page) -> Verdict:
    return under("other script", letters_in_script(page), page.limits.min_script_share)


def digits(page: Page) -> Verdict:
    return over("mostly digits", digit_share(page), page.limits.max_digit_share)


def word_length(page: Page) -> Verdict:
    low, high = page.limits.mean_word_length
    mean = mean_word_length(page)
    verdict = under("short words", mean, low)
    return verdict if not verdict.keep else over("long words", mean, high)


def stop_words(page: Page) -> Verdict:
    verdict = under("few stop words", stop_words_found(page), page.limits.min_stop_words)
    if not verdict.keep or not page.limits.min_stop_word_share:
        return verdict
    return under("few stop words", stop_word_share(page), page.limits.min_stop_word_share)


def symbols(page: Page) -> Verdict:
    return over("many symbols", symbol_word_ratio(page), page.limits.max_symbol_word_ratio)


def words_without_letters(page: Page) -> Verdict:
    return under("few words with letters", words_with_letter(page), page.limits.min_word_with_letter)


def bullets(page: Page) -> Verdict:
    return over("bullet list", bullet_lines(page), page.limits.max_bullet_lines)


def ellipses(page: Page) -> Verdict:
    return over("teaser lines", ellipsis_lines(page), page.limits.max_ellipsis_lines)


def line_punctuation(page: Page) -> Verdict:
    verdict = under("few lines end in punctuation", ending_in_punctuation(page), page.limits.min_line_punctuation)
    return (
        verdict if verdict.keep or not page.verse else KEEP
    )  # verse takes longest to tell: asked only where it decides


def short_lines(page: Page) -> Verdict:
    verdict = over("short lines", short(page), page.limits.max_short_lines)
    return verdict if verdict.keep or not page.verse else KEEP


def duplicate_lines(page: Page) -> Verdict:
    share = duplicate_line_share(page)
    if not share:
        return KEEP
    verdict = over("duplicate lines", share, page.limits.max_duplicate_lines)
    if not verdict.keep:
        return verdict
    return over("duplicate line characters", duplicate_line_characters(page), page.limits.max_duplicate_line_characters)


def repetition(page: Page) -> Verdict:
    if not page.repeats:
        return KEEP
    for n, limit in enumerate(page.limits.max_top_ngram if not page.verse else (), 2):
        verdict = over(f"top {n}-gram", page.top_share(n), limit)
        if not verdict.keep:
            return verdict
    if page.duplicated_share(5) <= min(page.limits.max_duplicate_ngrams, default=1.0):
        return KEEP  # a longer run that occurred before is made of shorter ones that did
    for n, limit in enumerate(page.limits.max_duplicate_ngrams, 5):
        verdict = over(f"duplicate {n}-grams", page.duplicated_share(n), limit)
        if not verdict.keep:
            return verdict
    return KEEP


# cheap questions first; each later one may rely on there being words and lines
FILTERS: tuple[Callable[[Page], Verdict], ...] = (
    too_short,
    too_long,
    not_text,
    wrong_script,
    digits,
    word_length,
    stop_words,
    symbols,
    words_without_letters,
    bullets,
    ellipses,
    short_lines,
    line_punctuation,
    duplicate_lines,
    repetition,
)


def judge(page: Page) -> Verdict:
    """The verdict of the first filter that turns the page away, or `KEEP`."""
    for question in FILTERS:
        verdict = question(page)
        if not verdict.keep:
            return verdict
    return KEEP


@functools.cache
def boilerplate_pattern(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """Lines that match one of `patterns` whole, with their newline."""
    if not patterns:
        return None
    return re.compile(rf"^(?:{'|'.join(patterns)})$\n?", re.MULTILINE)


def without_boilerplate(text: str, language: Language) -> tuple[str, int]:
    """`text` without the language's boilerplate lines, and how many went."""
    pattern = boilerplate_pattern(language.filters.boilerplate)
    if pattern is None:
        return text, 0
    text, removed = pattern.subn("", text)
    return (re.sub("\n{3,}", "\n\n", text).strip("\n") if removed else text), removed
