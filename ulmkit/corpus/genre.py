"""What the lines of a text are: verse, items of a list that the text announces, or a sentence's last.

A menu, a poem, a recipe's ingredients and a play are all short lines. Each has a sign of its own: in verse a sentence
goes on over the line's end, so that lines begin with function words; a list in a text is announced with a colon and
stands among sentences; what is said ends as sentences do.
"""

import functools
import itertools
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

FEW_LINES = 5  # of fewer lines the shares say little: one line is a half, a third or a fourth of them
PRINTED_LINE = 80  # characters; a paragraph counts as the lines that it would fill on paper
PARAGRAPH = 120  # characters; headlines and items of lists are shorter
LISTED = (3, 20)  # lines; a shorter list is a heading's first words, a longer one more than a text announces
TOLD = 0.2  # of the lines end a sentence, in a text that announces a list
LISTED_CHARACTERS = 60  # of one of them; what is longer is text again
AMOUNTS = 0.5  # of the items of a list that nothing announces begin or end with how much of it is wanted
MIN_VERSES = 8  # different lines; fewer of all lengths are a caption, or a notice said again and again
VERSE_LINE = 60  # characters; in free verse nine lines of ten are shorter
VERSE_DIGITS = 0.02  # of the characters; tables and price lists have more
TITLES = 0.05  # of the lines begin with a stop word where they are titles; of poems 99 in 100 have more
SAME_BEGINNING = 0.6  # of the lines begin with the same two words: the parts of one programme, and no verse
VERSE_AGAIN = 3  # lines for each different one: a refrain comes back, but there are strophes between
LONG_LINE = 60  # characters; of text that was broken at a column, most lines have more
ENDS_INSIDE = 2.0  # ends for each hundred words, in text that was broken at a column; menus have none inside of lines
MANY_WORDS = 300  # of a page in few lines; a front page in one line has more, a comment without marks fewer
MORE_STOP_WORDS = 0.04  # which a page of many words without marks needs: headlines in a row have what a comment has
UNMARKED_STOP_WORDS = 0.06  # more than in paragraphs, of lines that are shorter: rhymed prose without marks
SAID = 0.6  # of the lines end a sentence where steps and notices are told, however few function words they have
TOLD_ARTICLE = 400  # characters of sentences in an article that holds a list
UNENDED = 5  # lines of such a list at the least
RHYME = 3  # letters at the end of every second line
RHYMED = 0.8  # of these lines end alike
REFRAIN = (0.25, 0.75)  # of the lines end alike where every second verse does; of titles nearly all do
ANNOUNCING = (":", "：")
SECOND_COPY = 500  # characters in long lines of a passage that stands twice; refrains and notices have fewer

_CHORD = r"[A-H][#b♯♭]?(?:m|maj|min|dim|aug|sus|add)?\d{0,2}(?:/[A-H][#b♯♭]?)?"
_CHORDS = re.compile(rf"\n{_CHORD}((?: {_CHORD})*)(?=\n|\Z)")
_INLINE_CHORD = re.compile(rf"\[{_CHORD}\]")
SONG_CHORDS = 3  # lines of two chords or more, or different chords in brackets, in a song

_NUMBER_OF = r"(?:\d{1,4}(?:[.,/–-]\d{1,3})?|[½¼¾⅓⅔]) ?"
# "2 dl koort", "½ sibulat", "jahu 250 g"; no telephone number
_AMOUNT = re.compile(rf"(?:[-–•*·] ?)?{_NUMBER_OF}[^\W\d_]|[^\d\n]*[^\W\d_]:? {_NUMBER_OF}[^\W\d_]{{1,12}}$")


@functools.lru_cache(maxsize=8)
def sentence_end(ends: str, closers: str, spaceless: str) -> re.Pattern[str]:
    """Where a sentence may end: a mark of `ends`, what closes, and a space, or a word where the space was forgotten; a
    mark of `spaceless` anywhere. A dot behind a digit, but for a line's last, is an ordinal's, a date's or a list's.
    """
    mark = f"[{re.escape(ends)}]"
    after = f"[{re.escape(closers)}]*" if closers else ""
    marks = (
        f"(?<!\\d){mark}+{after}(?=\\s|$)|{mark}{after}(?=\\n|$)|(?<=[^\\W\\d_]{{2}}){mark}(?![a-z])(?=[^\\W\\d_]{{2}})"
    )
    return re.compile(f"{marks}|[{re.escape(spaceless)}]" if spaceless else marks)


def ends_sentence(line: str, ends: str, closers: str) -> bool:
    """Whether a sentence ends where `line` does."""
    return line.rstrip(closers)[-1:] in tuple(ends)


def breaks_off(line: str, end: re.Pattern[str]) -> bool:
    """Whether `line` is one sentence that is not told to its end, as under a headline: speech with … is several."""
    if not line.endswith(("…", "...")):
        return False
    body = line.rstrip(".… ")
    return "…" not in body and "..." not in body and not end.search(body)


def listed(lines: Sequence[str], last: Sequence[bool]) -> list[bool]:
    """Which of `lines` are items of a list: one that the line before them announces, or of amounts, as in a recipe.

    `last`: which end a sentence. None are in a text of which less than a fifth of the lines do: that is headings with
    what stands under them.

    >>> listed(["Koostisosad:", "3 muna", "jahu", "või", "Sega kõik.", "Küpseta."], [False] * 4 + [True, True])
    [False, True, True, True, False, False]
    >>> listed(["Supp", "3 muna", "1 dl koort", "2 l vett", "Keeda."], [False] * 4 + [True])
    [False, True, True, True, False]
    """
    items = [False] * len(lines)
    if sum(last) < TOLD * len(lines):
        return items
    for start in (place + 1 for place, line in enumerate(lines) if line.endswith(ANNOUNCING)):
        end = _items_end(lines, last, start)
        if end - start >= LISTED[0]:
            items[start:end] = [True] * (end - start)
    amounts = [_AMOUNT.match(line) is not None for line in lines]
    start = 0
    while start < len(amounts):
        if not amounts[start] or items[start]:
            start += 1
            continue
        end = _items_end(lines, last, start)
        if end - start >= LISTED[0] and sum(amounts[start:end]) >= AMOUNTS * (end - start):
            items[start:end] = [True] * (end - start)
        start = max(end, start + 1)
    return items


def _items_end(lines: Sequence[str], last: Sequence[bool], start: int) -> int:
    """Where a list that begins at `start` ends: at a sentence, a line that is long or announces, or after twenty."""
    end = start
    while end < len(lines) and end - start < LISTED[1] and _item(lines[end], last[end]):
        end += 1
    return end


def _item(line: str, ends: bool) -> bool:
    return not ends and not line.endswith(ANNOUNCING) and len(line) <= LISTED_CHARACTERS


def printed_lines(lengths: np.ndarray) -> np.ndarray:
    """How many lines each of some lines, given in characters, would fill on paper, shape (lines,); at least one."""
    return np.maximum(1.0, lengths / PRINTED_LINE)


def of_one_length(lengths: np.ndarray) -> bool:
    """Whether there are many lines of nearly one length, given in characters, unlike a menu's.

    Half-verses of classical poetry vary by an eighth of their length, menus by more than half.
    """
    if len(lengths) < 4:
        return False
    ordered = np.sort(lengths)
    # a poem may come with a title and the poet's name
    low, high = quantile(ordered, 0.1), quantile(ordered, 0.9)
    inner = ordered[(ordered >= low) & (ordered <= high)]
    return bool(12 <= quantile(inner, 0.5) <= 80 and inner.std() < 0.2 * inner.mean())


def refrain(lines: Sequence[str]) -> bool:
    """Whether every second line or so ends with the same two words, as the verses of one rhyme do, and few neighbours.

    >>> refrain(["tuul tuleb", "ja läheb öösel ära", "vesi jookseb", "ja lumi sulab öösel ära"])
    True
    """
    lasts = [tuple(line.rsplit(" ", 2)[-2:]) for line in lines]
    most, times = Counter(lasts).most_common(1)[0]
    neighbours = sum(one == most == other for one, other in itertools.pairwise(lasts))
    return REFRAIN[0] * len(lines) <= times <= REFRAIN[1] * len(lines) and 3 * neighbours <= times


def rhymed(lines: Sequence[str]) -> bool:
    """Whether nearly every second line ends in the same letters, as couplets of one rhyme do.

    >>> rhymed(["not every reed", "is made of gold", "not every seed", "is worth a fold"] * 2)
    True
    """
    ends = Counter("".join(filter(str.isalpha, line))[-RHYME:] for line in lines[1::2])
    return len(lines) >= MIN_VERSES and ends.most_common(1)[0][1] >= RHYMED * ends.total()


def lists_beside_article(lines: Sequence[str], last: Sequence[bool]) -> list[bool]:
    """Which of `lines` are lists that an article holds or ends in: captions, results, names. None without an article.

    `last`: which end a sentence. An article has 400 characters in two or more long lines that do; a list has five lines
    or more in a row, none of which does, and most of which are shorter than lines of prose that was broken at a column;
    a paragraph among them stays.

    >>> lists_beside_article([*["word " * 50] * 2, *["a name"] * 5, "The end."], [True] * 2 + [False] * 5 + [True])
    [False, False, True, True, True, True, True, False]
    """
    told = [len(line) for line, ends in zip(lines, last, strict=True) if ends and len(line) >= LONG_LINE]
    if len(told) < 2 or sum(told) < TOLD_ARTICLE:  # one paragraph may be a notice
        return [False] * len(lines)
    found: list[bool] = []
    for ends, run in itertools.groupby(last):
        size = len(list(run))
        lengths = [len(line) for line in lines[len(found) : len(found) + size]]
        of_list = not ends and size >= UNENDED and 2 * sum(length >= LONG_LINE for length in lengths) < size
        found += [of_list and length < PARAGRAPH for length in lengths]
    return found


def without_chords(text: str) -> tuple[str, int]:
    """A song's text without the chords over its verses, or in brackets in them, and how many lines of them went.

    >>> without_chords("Am G\\nTuul tuleb\\nF E\\nja läheb\\nAm\\nära\\nC G/B\\nkoju")
    ('Tuul tuleb\\nja läheb\\nära\\nkoju', 4)
    >>> without_chords("[Am]Tuul [G]tuleb\\nja [F]läheb [Am]ära"), without_chords("[A] ja [B]")
    (('Tuul tuleb\\nja läheb ära', 0), ('[A] ja [B]', 0))
    """
    if "[" in text:
        inline = _INLINE_CHORD.findall(text)
        if len(inline) > len(set(inline)) >= SONG_CHORDS and any(len(chord) > len("[A]") for chord in inline):
            text = _INLINE_CHORD.sub("", text)
    found = _CHORDS.findall(f"\n{text}")
    if sum(map(bool, found)) < SONG_CHORDS:
        return text, 0
    return _CHORDS.sub("", f"\n{text}").strip("\n"), len(found)


def second_copies(lines: Sequence[str]) -> list[bool]:
    """Which of `lines` belong to a passage that stands in the text before, as where an article was stored twice.

    A passage has 500 characters or more in long lines, so that no refrain, heading or notice is one, and does not
    overlap with what it repeats.

    >>> second_copies(["Pealkiri", "a" * 300, "b" * 300, "Lõpp.", "a" * 300, "b" * 300])
    [False, False, False, False, True, True]
    """
    copies = [False] * len(lines)
    firsts: dict[str, int] = {}
    for place, line in enumerate(lines):
        firsts.setdefault(line, place)
    start = 0
    while start < len(lines):
        first, size = firsts[lines[start]], 0
        while start + size < len(lines) and first + size < start and lines[first + size] == lines[start + size]:
            size += 1
        if sum(len(line) for line in lines[start : start + size] if len(line) >= LONG_LINE) >= SECOND_COPY:
            copies[start : start + size] = [True] * size
            start += size
        else:
            start += 1
    return copies


def stand_over_new(lines: Sequence[str], again: np.ndarray, longest: int) -> np.ndarray:
    """Which of `lines` are headings or steps of at most `longest` characters before a line that did not stand before.

    `again`: which stood before, shape (lines,), as what is given back. Manuals have the same headings in each part,
    with other text under them; where a notice is repeated, a repeated line follows a repeated one.
    """
    over = np.zeros(len(lines), bool)
    over[:-1] = again[:-1] & ~again[1:]
    return over & (np.fromiter(map(len, lines), np.int64, len(lines)) <= longest)


def begin_alike(lines: Sequence[str]) -> bool:
    """Whether most of `lines` begin with the same two words."""
    firsts = Counter(tuple(line.split(" ", 2)[:2]) for line in lines)
    return max(firsts.values()) > SAME_BEGINNING * len(lines)


def of_any_length(lengths: np.ndarray, different: int) -> bool:
    """Whether so many `different` lines, given in characters, are as short as free verse's and songs'."""
    return different >= MIN_VERSES and quantile(np.sort(lengths), 0.9) <= VERSE_LINE


def quantile(ordered: np.ndarray, share: float) -> float:
    """The quantile of an ordered array, as `np.quantile` gives it for a tenth of the time."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)
