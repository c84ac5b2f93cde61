"""A normalized page with what the filters ask of it: its lines, characters by class, repetitions, and kind of text."""

import functools
import re

import numpy as np

from ulmkit.corpus.genre import (
    ENDS_INSIDE,
    FEW_LINES,
    LONG_LINE,
    MANY_WORDS,
    MIN_VERSES,
    MORE_STOP_WORDS,
    PARAGRAPH,
    SAID,
    TITLES,
    UNMARKED_STOP_WORDS,
    VERSE_AGAIN,
    VERSE_DIGITS,
    VERSE_LINE,
    begin_alike,
    breaks_off,
    ends_sentence,
    lists_beside_article,
    of_any_length,
    of_one_length,
    quantile,
    refrain,
    rhymed,
    second_copies,
    sentence_end,
    stand_over_new,
)
from ulmkit.corpus.shingles import WordHasher, ngrams
from ulmkit.language.sections import Filters
from ulmkit.language.spec import Language
from ulmkit.text.addresses import without_addresses
from ulmkit.text.census import Census, code_points, digit_mask, letter_mask, members
from ulmkit.text.script import letters as letters_of

NAN = float("nan")  # a measure that does not apply to a page; it is over no limit and under none
BLANK, LINE_END = ord(" "), ord("\n")
LETTER = re.compile(r"[^\W\d_]")
DAMAGE = "\ufffd\ue000-\uf8ff"  # what a decoder could not read, and private use


@functools.cache
def _census(script: str) -> Census:
    """Counts the classes of characters that filters ask about in a text of `script`."""
    return Census(
        {
            "digits": digit_mask(),
            "damage": members(DAMAGE),
            "letters": letter_mask(),
            "script": members(letters_of(script)),
        }
    )


class Page:
    """A normalized text with what the filters ask of it; most of it is computed when first asked, and kept."""

    def __init__(self, text: str, words: list[str], hashes: np.ndarray, language: Language) -> None:
        """`words` are those of the match form, `hashes` their hashes from `WordHasher`, shape (len(words),)."""
        self.text = text
        self.words = words
        self.hashes = hashes
        self.language = language
        self.limits: Filters = language.filters

    @classmethod
    def of(cls, text: str, language: Language, hasher: WordHasher) -> "Page":
        """The page of `text`; addresses are no words of it."""
        said = without_addresses(text)
        words = language.fold(said).split()
        page = cls(text, words, hasher(words), language)
        page.said = said
        return page

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines that hold anything; in normal form those have no space at either end."""
        return [line for line in self.text.split("\n") if line]

    def without(self, left_out: list[bool]) -> str:
        """The text without those of its lines that are `left_out`; the text itself where none is."""
        if not any(left_out):
            return self.text
        out = iter(left_out)
        kept = [line for line in self.text.split("\n") if not line or not next(out)]
        return re.sub("\n{3,}", "\n\n", "\n".join(kept)).strip("\n")

    def said_once(self) -> str:
        """The text without the second copy of a long passage that stands in it twice."""
        if len(self.distinct_lines) == len(self.lines):
            return self.text
        return self.without(second_copies(self.lines))

    def article_alone(self) -> str:
        """The text without the lists that stand in an article or after it."""
        return self.without(lists_beside_article(self.lines, self.sentences_end))

    @functools.cached_property
    def distinct_lines(self) -> frozenset[str]:
        return frozenset(self.lines)

    @functools.cached_property
    def codes(self) -> np.ndarray:
        return code_points(self.text)

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """How many characters are `digits`, `damage`, and, outside of addresses, `letters` and ones of the `script`."""
        census = _census(self.language.identity.script)
        counts = census(self.codes)
        if self.said is not self.text:
            without = census(code_points(self.said))
            counts |= {name: without[name] for name in ("letters", "script")}
        return counts

    @functools.cached_property
    def spaced_words(self) -> tuple[int, int]:
        """How many of the words that spaces part hold a letter, and how many there are."""
        blank = (self.codes == BLANK) | (self.codes == LINE_END)  # no other white space is in normal form
        # where only letters and blanks are left, a word with a letter begins where a letter follows a blank
        lettered = blank[blank | letter_mask().take(self.codes)]
        return _beginnings(lettered), _beginnings(blank)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Characters of each word, shape (words,)."""
        return np.fromiter(map(len, self.words), np.int64, len(self.words))

    @functools.cached_property
    def word_characters(self) -> int:
        """Characters of all words together."""
        return int(self.lengths.sum())

    @functools.cached_property
    def line_lengths(self) -> np.ndarray:
        """Characters of each line, shape (lines,)."""
        return np.fromiter(map(len, self.lines), np.int64, len(self.lines))

    @functools.cached_property
    def lines_again(self) -> tuple[np.ndarray, list[str]]:
        """Of the lines that hold a letter, which stood before, shape (lines,), and the lines.

        A short one that stands over a line which did not is none: a heading, or a step that is taken again.
        """
        if len(self.distinct_lines) == len(self.lines):
            return np.zeros(len(self.lines), bool), self.lines
        lines = [line for line in self.lines if LETTER.search(line)]
        seen: set[str] = set()
        again = np.zeros(len(lines), bool)
        for place, line in enumerate(lines):
            again[place] = line in seen
            seen.add(line)
        return again & ~stand_over_new(lines, again, LONG_LINE), lines

    def _times_before(self, n: int) -> np.ndarray:
        """How often the n-gram at each place occurred before, shape (n-grams,)."""
        grams = ngrams(self.hashes, n)
        order = np.argsort(grams, kind="stable")
        _, lengths = runs(grams[order])
        before = np.empty(len(grams), np.int64)
        before[order] = np.arange(len(grams)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return before

    def duplicated_share(self, n: int, times: int) -> float:
        """Share of the words' characters that lie in an n-gram which occurred `times` times before, or more."""
        starts = np.flatnonzero(self._times_before(n) >= times)
        if not len(starts):
            return 0.0
        covered = np.zeros(len(self.words) + 1, np.int64)
        np.add.at(covered, starts, 1)
        np.add.at(covered, np.minimum(starts + n, len(self.words)), -1)
        inside = np.cumsum(covered[:-1]) > 0
        return int(self.lengths[inside].sum()) / max(self.word_characters, 1)

    def top_share(self, n: int) -> float:
        """Share of the words' characters that the most frequent n-gram covers from its third time on."""
        grams = ngrams(self.hashes, n)
        distinct, counts = runs(np.sort(grams))
        most = int(counts.max())
        if most < 3:
            return 0.0
        # of equally frequent ones the first in the text
        first = min(int((grams == gram).argmax()) for gram in distinct[counts == most])
        size = int(self.lengths[first : first + n].sum())
        return size * (most - 2) / max(self.word_characters, 1)

    @functools.cached_property
    def said(self) -> str:
        """The text without addresses."""
        return without_addresses(self.text)

    @functools.cached_property
    def said_lines(self) -> list[str]:
        """Of each line what is no address; all of it where it is nothing else."""
        if self.said is self.text:
            return self.lines
        pairs = zip(self.text.split("\n"), self.said.split("\n"), strict=True)
        return [said.strip() or line for line, said in pairs if line]

    @functools.cached_property
    def sentences_end(self) -> list[bool]:
        """Of each line, whether a sentence ends where it does."""
        segmentation = self.language.segmentation
        ends = segmentation.sentence_ends + segmentation.spaceless_ends
        return [ends_sentence(line, ends, segmentation.closers) for line in self.said_lines]

    @functools.cached_property
    def broken_lines(self) -> list[bool]:
        """Of each line, whether it is one sentence that breaks off in an ellipsis."""
        if "…" not in self.text and "..." not in self.text:
            return [False] * len(self.lines)
        return [breaks_off(line, self.sentence_end) for line in self.lines]

    @property
    def sentence_end(self) -> re.Pattern[str]:
        """What finds the ends of sentences in the text."""
        segmentation = self.language.segmentation
        return sentence_end(segmentation.sentence_ends, segmentation.closers, segmentation.spaceless_ends)

    @functools.cached_property
    def stop_word_share(self) -> float:
        """The share of the words that are stop words; NaN where the language has none."""
        return self.language.stop_word_share(self.words) if self.language.stop_words else NAN

    @functools.cached_property
    def going_on(self) -> float:
        """The share of the lines but the first that begin with a stop word; NaN where that cannot be told."""
        return self._begin_with_stop_words(self.lines[1:])

    def _begin_with_stop_words(self, lines: list[str]) -> float:
        """The share of `lines` that begin with a stop word; NaN where that cannot be told."""
        language = self.language
        if not language.stop_words or not language.segmentation.spaced:
            return NAN
        known = language.matched_stop_words
        folded = language.fold("\n".join(lines)).split("\n")
        firsts = [words[0] for line in folded if (words := line.split(None, 1))]
        return sum(map(known.__contains__, firsts)) / max(len(firsts), 1)

    @functools.cached_property
    def verse(self) -> bool:
        """Whether the lines are verse: of nearly one length, or all short and going on from line to line."""
        different = len(self.distinct_lines)
        if different < 4 or len(self.lines) > VERSE_AGAIN * different:
            return False
        if begin_alike(self.lines) and not rhymed(self.lines):
            return False
        if of_one_length(self.line_lengths):
            return True
        if not of_any_length(self.line_lengths, different) or self.counts["digits"] > VERSE_DIGITS * len(self.text):
            return False
        return self.going_on >= self.limits.verse_line_starts

    @property
    def song(self) -> bool:
        """Whether it is verse in which some line goes on from the one before, or every second ends alike: titles of
        one length are no song."""
        return self.verse and (not self.going_on < TITLES or refrain(self.lines))

    @functools.cached_property
    def quotes_verse(self) -> bool:
        """Whether the lines between its paragraphs are verse, of which some go on from line to line."""
        lines = [line for line in self.lines if len(line) < PARAGRAPH]
        if len(lines) == len(self.lines) or len(set(lines)) < MIN_VERSES // 2 or begin_alike(lines):
            return False
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        if sum(map(str.isdigit, "".join(lines))) > VERSE_DIGITS * lengths.sum():
            return False
        if quantile(np.sort(lengths), 0.9) > VERSE_LINE:
            return False
        least = TITLES if of_one_length(lengths) else self.limits.verse_line_starts
        return self._begin_with_stop_words(lines) >= least

    @functools.cached_property
    def prose(self) -> bool:
        """Whether most of the text is running text, told by stop words or by the sentences that end inside of lines.

        Stop words are counted where most of it lies in paragraphs, or in long lines that have still more of them;
        sentences where it was broken at some column.
        """
        if self._in_lines_of(PARAGRAPH):
            few = len(self.lines) < FEW_LINES and len(self.words) > MANY_WORDS
            if self.stop_word_share >= self.limits.prose_stop_word_share + (MORE_STOP_WORDS if few else 0):
                return True
        if not self._in_lines_of(LONG_LINE) or not self.language.segmentation.spaced:
            return False
        if self.stop_word_share >= self.limits.prose_stop_word_share + UNMARKED_STOP_WORDS:
            return len(self.lines) >= FEW_LINES or len(self.words) <= MANY_WORDS
        return len(self.sentence_end.findall(self.said)) >= ENDS_INSIDE / 100 * len(self.words)

    @functools.cached_property
    def said_in_lines(self) -> bool:
        """Whether most of three lines or more end a sentence: so do steps and notices, of few function words."""
        return len(self.lines) >= 3 and sum(self.sentences_end) >= SAID * len(self.lines)

    @functools.cached_property
    def told(self) -> bool:
        """Whether most of the text lies in paragraphs in which sentences end."""
        if not self._in_lines_of(PARAGRAPH):
            return False
        told = sum(len(line) for line in self.lines if len(line) >= PARAGRAPH and self.sentence_end.search(line))
        return 2 * told >= len(self.text)

    def _in_lines_of(self, least: int) -> bool:
        """Whether half of the text, or more, lies in lines of `least` characters or more."""
        return bool(2 * self.line_lengths[self.line_lengths >= least].sum() >= len(self.text))

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether a twentieth of the 5-grams occurred before, or the four commonest words make up 16 % of the text.

        Where neither is so, the measures of repetition are taken as 0: most pages are spared their cost, and stay below
        Gopher's limits, the lowest of which are 16 % for a common n-gram and 10 % for repeated ones.
        """
        grams = np.sort(ngrams(self.hashes, 5))
        if np.count_nonzero(grams[1:] != grams[:-1]) + 1 < 0.95 * len(grams):
            return True
        distinct, times = runs(np.sort(self.hashes))
        fourth = np.partition(times, -4)[-4] if len(times) > 4 else 1
        most = np.flatnonzero(times >= fourth)[:32]
        counts = times[most]
        lengths = np.fromiter((self.lengths[(self.hashes == word).argmax()] for word in distinct[most]), np.int64)
        order = np.lexsort((-lengths, -counts))[:4]
        return int((lengths * counts)[order].sum()) > 0.16 * max(self.word_characters, 1)


def _beginnings(blank: np.ndarray) -> int:
    """How many runs of False there are."""
    return int(np.count_nonzero(blank[:-1] > blank[1:])) + int(len(blank) > 0 and not blank[0])


def runs(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of an ordered array, and how often each occurs."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1])
    bounds = np.empty(len(changes) + 2, np.int64)
    bounds[0], bounds[-1] = 0, len(ordered)
    np.add(changes, 1, out=bounds[1:-1])
    return ordered[bounds[:-1]], bounds[1:] - bounds[:-1]
