"""Digits, punctuation, quotation marks, and the spaces around them."""

import operator
import re
from collections.abc import Callable
from functools import cache, partial

from ulmkit.text.operations.base import (
    LATIN,
    VOWEL_SIGNS,
    Apply,
    Operation,
    Rule,
    Settings,
    operation,
    substitution,
    table_operation,
)
from ulmkit.text.protect import NUMBER, OPAQUE
from ulmkit.text.script import letters, marks


@operation
def digits(settings: Settings) -> Operation:
    """Plain numerals in the digits that the language chose.

    `native`: ASCII digits become the script's, but not in a Latin span: touching a Latin letter, joined to a Latin word
    by one space or mark (`Windows 10`, `COVID-19`, `Page:12`), or in a line that has Latin letters and none of the
    script. `ascii`: the other way round, everywhere.
    """
    native, ascii_digits = settings.native_digits, "0123456789"
    if settings.digits == "keep" or native == ascii_digits:
        return Operation("digits")
    if settings.digits == "ascii":
        return table_operation("digits", dict(zip(native, ascii_digits, strict=True)))
    to_native = str.maketrans(ascii_digits, native)
    joint = r" \-\u2013.+/&'_:"
    pattern = (
        f"[0-9](?<![{LATIN}_{OPAQUE}0-9].)(?<![{LATIN}{OPAQUE}][{joint}].)[0-9]*+"
        f"(?![{LATIN}_{OPAQUE}\ufe0f\u20e3]|[{joint}][{LATIN}])"
    )
    numeral = cache(partial(re.compile, pattern))
    latin, own = re.compile(f"[{LATIN}]"), re.compile(f"[{letters(settings.script)}]")

    def apply(text: str) -> tuple[str, int]:
        if not latin.search(text):
            return numeral().subn(lambda match: match[0].translate(to_native), text)
        end = hits = 0
        latin_line = False

        def translated(match: re.Match[str]) -> str:
            nonlocal end, hits, latin_line
            if match.start() >= end:  # in another line than the one before
                start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
                end = len(text) if end < 0 else end
                latin_line = not own.search(text, start, end) and latin.search(text, start, end) is not None
            hits += not latin_line
            return match[0] if latin_line else match[0].translate(to_native)

        return numeral().sub(translated, text), hits

    return Operation("digits", rules=(Rule(apply, (("", "0-9"),), enables=()),))


@operation
def ellipsis(_: Settings) -> Operation:
    """Three dots and more become U+2026, single spaces between them or not, and so does a run of it; `...args` before
    Latin is code and stays."""
    rules = (
        substitution(r"\.(?<!\.\.)(?: \.){2,}+(?!\.)", "\u2026", (" ", r"\.")),
        substitution(r"\.{3,}+[.\u2026\u22ef]*+(?![A-Za-z_$\[{(])", "\u2026", (r"\.", r"\.")),
        substitution(r"\u2026[.\u2026\u22ef]++|\u22ef[.\u2026\u22ef]*+", "\u2026", *_DOTS),
    )
    return Operation("ellipsis", rules=rules)


_DOTS = (("\u2026", r".\u2026\u22ef"), ("", "\u22ef"))


@operation
def repeats(settings: Settings) -> Operation:
    """`!` and `?` stand three times at most; a letter's run of `max_letter_run` or more shrinks to `letter_run_to`
    (never where `max_letter_run` is 0)."""
    letter, most, to = letters(settings.script), settings.max_letter_run, settings.letter_run_to
    rules = [substitution(r"([!?\u061f])\1{3,}", r"\1\1\1", (r"!?\u061f", r"!?\u061f"), enables=())]
    if most:
        run = rf"([{letter}])\1{{{most - 1},}}"
        rules.append(substitution(run, r"\1" * to, ("=3" if most == 3 else "=4", letter), enables=()))
    return Operation("repeats", rules=tuple(rules))


# pictures, arrows and stars, without skin tones and the letters of flags; what may follow one
_PICTURE = (
    "\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2b00-\u2bff"
    "\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff"
)
_TONE = "\ufe0f\U0001f3fb-\U0001f3ff"
_SEQUENCE = f"[{_PICTURE}][{_TONE}]{{0,2}}(?:\u200d[{_PICTURE}][{_TONE}]{{0,2}}){{0,5}}"
_SIGNS = "()\u060c\u061b*~^"


@operation
def sign_runs(_: Settings) -> Operation:
    """A picture (with its skin tone or family), a flag, or one of ( ) ، ؛ * ~ ^ that is repeated stays three times.

    For comments: 😂😂😂😂😂, )))))). In a table or a program a row of signs is meant.
    """
    flag = "[\U0001f1e6-\U0001f1ff]{2}"
    run = f"({flag}|{_SEQUENCE})\\1{{3,}}(?![\u200d{_TONE}])"
    picture = substitution(run, r"\1\1\1", ("", f"{_PICTURE}\U0001f1e6-\U0001f1ff"), enables=())
    sign = substitution(rf"([{_SIGNS}])\1{{3,}}", r"\1\1\1", ("=4", _SIGNS), enables=())
    return Operation("sign_runs", rules=(picture, sign))


@operation
def punctuation(settings: Settings) -> Operation:
    """ASCII marks become the script's own where the nearest neighbour on one side is a letter of the script, behind
    closing and end marks (`(الف) , [ب]`, `کتاب!!!?`) or an opening one."""
    letter = letters(settings.script) + VOWEL_SIGNS + marks(settings.script) + "\u200c"
    closing = re.escape('»)]}"!…' + "".join(own for _, own in settings.punctuation))
    near = f"{letter}{settings.native_digits}{closing}«(\\[{{"
    said = re.compile(f"[{letter}](?: ?[{closing}])+ ?\\Z")
    rules = []
    for mark, own in settings.punctuation:
        m = re.escape(mark)
        pattern = f'{m}(?:(?<=[{letter}]{m})|(?<=[{letter}][»)\\]}}"!…]{m})|(?<=[{letter}] {m})'
        # the space before a closing mark goes in `spacing`
        pattern += f"|(?<=[{letter}] [»)\\]}}!…]{m})|(?= ?(?:[{letter}«]|[(\\[{{][{letter}])))"
        triggers = ((m, f" {near}\n"), (f" {near}", m), (own, m), (m, own))
        behind = cache(partial(re.compile, f"{m}(?:(?<=[{closing}]{m})|(?<=[{closing}] {m}))"))
        rules.append(Rule(_own_mark(mark, own, cache(partial(re.compile, pattern)), behind, said), triggers, mark))
    return Operation("punctuation", rules=tuple(rules))


_MARKS_BETWEEN = 8  # characters between a letter and a mark that is told by it


def _own_mark(
    mark: str,
    own: str,
    pattern: Callable[[], re.Pattern[str]],
    behind: Callable[[], re.Pattern[str]],
    said: re.Pattern[str],
) -> Apply:
    """`mark` becomes `own` where `pattern()` matches, where `behind()` does and what stands before is `said`, and then
    throughout a run of both, single spaces between."""
    either = f"[{re.escape(mark)}{own}]"
    mixed = re.compile(f"{either}(?: ?{either})+")
    beside = (mark + own, own + mark, f"{mark} {own}", f"{own} {mark}")

    def unless_reference(match: re.Match[str]) -> str:
        return mark if _ends_reference(match.string, match.start()) else own

    becomes = unless_reference if mark == ";" else own

    def if_said(match: re.Match[str]) -> str:
        return own if said.search(match.string, max(0, match.start() - _MARKS_BETWEEN), match.start()) else mark

    def apply(text: str) -> tuple[str, int]:
        before = text.count(mark)
        text = behind().sub(if_said, pattern().sub(becomes, text))
        if any(pair in text for pair in beside):
            text = mixed.sub(lambda match: match[0].replace(mark, own) if own in match[0] else match[0], text)
        return text, before - text.count(mark)

    return apply


_NAME_OF_CHARACTER = re.compile(r"&[A-Za-z][A-Za-z0-9]{1,31}\Z")


def _ends_reference(text: str, place: int) -> bool:
    """Whether the mark at `place` closes what is spelled like a reference to a character and names none: `&name;`."""
    return _NAME_OF_CHARACTER.search(text, max(0, place - 33), place) is not None


@operation
def quotes(settings: Settings) -> Operation:
    """Curly and straight quotation marks become the language's pair.

    In a line with an even number of curly marks they open and close in turn, or inside one another where what they
    touch says so; otherwise each by its own shape. Straight marks change when their number in the line is even and the
    quotation holds a letter of the script.
    """
    opening, closing = settings.quotes[0], settings.quotes[1]
    letter = re.compile(f"[{letters(settings.script)}]")
    curly = re.compile(f"[{_CURLY}]")
    straight, apart = re.compile('"([^"]*)"'), re.compile('"')
    marks = re.compile(f'["{_CURLY}]')
    shapes = {"\u201c": opening, "\u201d": closing, "\u201e": opening, "\u201f": opening}

    def paired(match: re.Match[str]) -> str:
        said = match[1]
        inches = (
            said[:1] == " "
            and said[-1:].isdecimal()
            and match.string[max(0, match.start() - 1) : match.start()].isdecimal()
        )
        return f"{opening}{said}{closing}" if letter.search(said) and not inches else match[0]

    def line(text: str) -> str:
        found = [m.start() for m in curly.finditer(text)]
        if found:
            nested = _nested(text, found)
            turn = iter(map((closing, opening).__getitem__, nested) if nested else [opening, closing] * len(found))
            even = len(found) % 2 == 0
            text = curly.sub(lambda m: next(turn) if even else shapes[m[0]], text)
        found = [m.start() for m in apart.finditer(text)]
        if nested := _nested(text, found):
            turn = iter(map((closing, opening).__getitem__, nested))
            text = apart.sub(lambda _: next(turn), text) if letter.search(text[found[0] : found[-1]]) else text
        elif len(found) % 2 == 0:
            text = straight.sub(paired, text)
        return text

    def apply(text: str) -> tuple[str, int]:
        out: list[str] = []
        last = hits = 0
        while mark := marks.search(text, last):
            start = text.rfind("\n", last, mark.start()) + 1 or last
            end = text.find("\n", mark.end())
            given = text[start : end if end >= 0 else len(text)]
            made = line(given)
            hits += sum(map(operator.ne, given, made))
            out += (text[last:start], made)
            last = start + len(given)
        out.append(text[last:])
        return "".join(out), hits

    return Operation("quotes", rules=(Rule(apply, ((f'"{_CURLY}', ""),)),))


_CURLY = "\u201c\u201d\u201e\u201f"


def _nested(text: str, marks: list[int]) -> list[bool]:
    """Which of the marks at these places open, where one stands inside another and all are told by what they touch.

    Empty where they only take turns, where one touches words on both sides or on none, and where what would be the
    inner one is a conjunction's length: "heart "or" mind" are two, with spaces on the wrong side.
    """
    opens: list[bool] = []
    depth = deepest = last = 0
    for place in marks if len(marks) > 3 else ():
        before, after = (text[place - 1] if place else " "), text[place + 1 : place + 2] or " "
        may_open = before in _BEFORE_OPENING and (after.isalnum() or after in _MARKS)
        may_close = (after.isspace() or after in _BEHIND_CLOSING) and not (before.isspace() or before in _BEFORE)
        if may_open is may_close or (may_close and opens[-1:] == [True] and place - last <= _CONJUNCTION):
            return []
        opens.append(may_open)
        last = place
        depth += 1 if opens[-1] else -1
        deepest = max(deepest, depth)
        if depth < 0:
            return []
    return opens if deepest > 1 and not depth else []


# what a quotation stands between, another one's marks among them
_MARKS = f'"{_CURLY}'
_BEFORE = "([{«"
_BEFORE_OPENING = f" \n{_MARKS}{_BEFORE}"
_BEHIND_CLOSING = f"{_MARKS}.,;:!?…)]}}»،؛؟"
_CONJUNCTION = 4  # from mark to mark


@operation
def spacing(settings: Settings) -> Operation:
    """No space before a closing mark, none after an opening one, one after a closing mark that a word follows, and one
    between a word and what opens a quotation or a parenthesis of more than a few letters (`file(s)` stays).

    A dot between two words takes a space only where it is no abbreviation: both words have two letters or more, and
    one of them three. Beside protected spans, Latin and code nothing changes.
    """
    letter = letters(settings.script)
    word = letter + VOWEL_SIGNS + marks(settings.script)
    solid = word + settings.native_digits + "\u00bb)\\]}!?…\"'%\u066a" + settings.native_marks
    own = settings.native_marks + "\u00bb"
    digit = settings.native_digits + "0-9" + NUMBER
    runs = ("repeats", "sign_runs")  # which marks that stood apart may become
    # a rule for each mark: two literal characters lead its pattern, and few of the marks stand beside a space in a text
    tight = [
        substitution(f" {m}(?<![ {OPAQUE}] {m})", mark, (" ", m), enables=runs)
        for mark, m in zip(own, map(re.escape, own), strict=True)
    ]
    for mark in ".:!…)]}":
        m = re.escape(mark)
        apart = "" if mark not in ".…" else f"(?<!… {m})"
        after_it = f"(?![{LATIN}{digit}{OPAQUE}.:()/\\\\=\\-_])"
        tight.append(substitution(f" {m}{after_it}(?<=[{solid}] {m}){apart}", mark, (" ", m), enables=runs))
    starts = f"[{word}{settings.native_digits}{NUMBER}]"  # with what a word begins behind an opening mark
    said = f"[{word}{settings.native_digits}{NUMBER}{LATIN}0-9]"  # what is said in « », which is never code
    for mark in "«([{":
        m = re.escape(mark)
        tight.append(substitution(f"{m} (?={said if mark == '«' else starts})", mark, (m, " "), enables=()))
    ends = "".join(dict.fromkeys(c for c in settings.native_marks + "!?:…" if c not in settings.unspaced))
    after = substitution(
        f"[{re.escape(ends)}»)\\]}}](?!\\w*=)(?:(?=[{letter}])|(?=«{said})|(?<![)\\]}}])(?=[(\\[{{]{starts}))",
        r"\g<0> ",
        (f"{re.escape(ends)}»)\\]}}", f"{letter}«(\\[{{"),
        enables=(),
    )
    before = (
        substitution(
            f"«(?<=[{word}{settings.native_digits}]«)(?={said})",
            " «",
            (word + settings.native_digits + "0-9", "«"),  # `digits` makes the one of the other without a second look
            enables=(),
        ),
        substitution(
            f"\\((?<=[{word}]{{2}}\\()(?=[{letter}])(?![{word}]{{1,{_SHORT_PARENTHESIS}}}\\))",
            " (",
            (word, "("),
            enables=(),
        ),
    )
    dot = substitution(
        f"\\.(?=«?[{letter}]{{2}})(?:(?<=[{word}]{{3}}\\.)|(?<=[{word}]{{2}}\\.)(?=«?[{letter}]{{3}}))",
        ". ",
        (r"\.", letter + "«"),
        enables=(),
    )
    return Operation("spacing", rules=(*tight, after, *before, dot))


_SHORT_PARENTHESIS = 4  # letters: an ending that may be there or not, or an honorific


@operation
def dashes(settings: Settings) -> Operation:
    """Hyphens and the minus sign become U+002D, the longer dashes `dash`.

    Without one U+2013 and U+2014 stay, which many languages tell apart, and the two that look like them become them.
    """
    longer = {"\u2012": "\u2013", "\u2015": "\u2014"}
    if settings.dash:
        longer = dict.fromkeys(sorted({*longer, *longer.values()} - {settings.dash}), settings.dash)
    return table_operation("dashes", dict.fromkeys("\u2010\u2011\u2212\ufe63\uff0d\u02d7", "-") | longer)
