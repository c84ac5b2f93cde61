"""What hazm's Normalizer does, and what Persian's normalizer here does with the same text: same, or different and why.

Three sets of questions: the examples of hazm's own docstrings (read from the installed package, each put to the method
it documents), every character of its tables, and texts of ours for each of its rules. hazm answers when the program
runs; nothing of it is kept here. Ours is the standard form, or the profile `half_space` for what hazm calls spacing.
A difference without a reason, or a reason without a difference, makes the program fail.

    python benchmarks/hazm_behaviour.py --out benchmarks/hazm-2026-11-24
"""

import argparse
import ast
import doctest
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import hazm
from hazm import constants
from hazm.utils import maketrans

from ulmkit.language.registry import get
from ulmkit.text.script import letters

PERSIAN = get("fa")
HAZM = hazm.Normalizer()
ARAB = letters("Arab")

KEPT_QUOTES = "the pair «» is written for straight marks around Persian text, wherever it is found"
NOT_BY_LEXICON = (
    "a lexicon decides there; ours shortens runs of four and more, in the profile social, whatever the word"
)
NO_MERGE = "fa.61: two words are not merged by a dictionary that nobody sees"
NUMBERS_STAY = "fa.41: a number with a separator is a name for something and stays as it was written"
SYMBOL = "fa.04: the symbol stays, one character; it is said in running text"
DIGIT_SPACE = "no space is set between a digit and a letter: ۹متر may be a name (۲نفره), and nothing says which"
SOLID = "fa.60: only a space becomes a half-space; a word written solid is not taken apart"
# (method, number of the example in its docstring) -> why ours differs
EXAMPLES = {
    ("normalize", 1): f"{NOT_BY_LEXICON}; {NO_MERGE}; no space before …",
    ("correct_spacing", 2): DIGIT_SPACE,
    ("correct_spacing", 6): SOLID,
    ("correct_spacing", 7): KEPT_QUOTES,
    ("decrease_repeated_chars", 1): NOT_BY_LEXICON,
    ("decrease_repeated_chars", 4): NOT_BY_LEXICON,
    ("persian_style", 2): "the ellipsis follows its word without a space, as the Academy sets a closing mark",
    ("persian_style", 3): NUMBERS_STAY,
    ("remove_specials_chars", 1): SYMBOL,
    ("unicodes_replacement", 1): SYMBOL,
    ("seperate_mi", 1): SOLID,
    ("token_spacing", 4): "fa.60: گر is no ending of the list; the lexicon's compounds are fa.61",
    ("token_spacing", 5): NO_MERGE,
}
SPACING = ("correct_spacing", "token_spacing", "seperate_mi", "normalize")


@dataclass(frozen=True)
class Answer:
    behaviour: str
    text: str
    hazm: str
    ours: str
    reason: str

    @property
    def same(self) -> bool:
        return self.hazm == self.ours


def documented() -> Iterator[Answer]:
    """The examples of the docstrings, without those of empty text."""
    for test in doctest.DocTestFinder().find(hazm.Normalizer, "Normalizer", globs={}):
        name = test.name.rpartition(".")[2]
        for number, example in enumerate(test.examples):
            call = ast.parse(example.source.strip(), mode="exec").body[0]
            if not isinstance(call, ast.Expr) or not isinstance(call.value, ast.Call):
                continue
            function = call.value.func
            asked = ast.literal_eval(call.value.args[0]) if call.value.args else ""
            if not asked or not isinstance(function, ast.Attribute):
                continue
            said = getattr(HAZM, function.attr)(asked)
            text, said = (" ".join(each) if isinstance(each, list) else each for each in (asked, said))
            form = PERSIAN.normalizer("half_space" if name in SPACING else "standard")
            yield Answer(f"{name}, example {number}", text, said, form(text), EXAMPLES.get((name, number), ""))


def why_character(character: str, said: str, ours: str) -> str:
    """Why one character of hazm's tables has another answer."""
    if character in "\u201c\u201d":
        return "hazm writes a straight mark first and pairs it later; a lone mark opens or closes by its shape here"
    if character == "\u00a0":
        return "a space alone is nothing at a text's edge; between words both have U+0020"
    if character in "ﷺ\ufdfb":
        return SYMBOL
    if ours == character and character in PERSIAN.alphabet.watched:
        return "fa.16: a letter of Urdu, Kurdish or Pashto is never folded, and counted"
    if any(c in ours for c in "آأؤئإ\u0654\u0629") and said != ours:
        return "hazm drops the madda or hamza of the form; it is kept (fa.03, fa.15)"
    if not any(c in PERSIAN.alphabet.letters for c in ours):
        return "a letter of another language in this script: not folded into a Persian one (fa.16)"
    return ""


def characters() -> Iterator[Answer]:
    """Every character of hazm's table of letters."""
    table = maketrans(constants.TRANSLATION_SRC, constants.TRANSLATION_DST)
    for point, target in table.items():
        character, said = chr(point), target if isinstance(target, str) else chr(target)
        ours = PERSIAN.normalize(character)
        yield Answer("table of letters", character, said, ours, why_character(character, said, ours))


REASONS = {  # behaviour, text of ours -> why
    ("numbers", "2.7.19"): NUMBERS_STAY,
    ("numbers", "قیمت 3.14 است"): NUMBERS_STAY,
    ("numbers", "192.168.1.10"): NUMBERS_STAY,
    ("numbers", "۱۴۰۲/۰۵/۱۲"): NUMBERS_STAY,
    ("numbers", "ساعت ۱۲:۳۰"): "",
    ("numbers", "در 20 دقیقه"): "",
    ("numbers", "Windows 10"): "fa.40: digits of a Latin span stay",
    ("numbers", "۵ % و 7%"): "hazm parts a sign from its number; here it stays where it stood",
    ("protected spans", "https://example.com/a.b?x=10.5"): "an address is not a sentence: it comes back untouched",
    ("protected spans", "a.b@c.com"): "an address is not a sentence: it comes back untouched",
    ("protected spans", "`a.b(c)`"): "code comes back untouched",
    ("protected spans", "#هشتگ_فارسی"): "",
    ("diacritics", "حَذفِ اِعراب"): "",
    ("diacritics", "واقعا\u064b"): "fa.20: tanwin of an adverb is spelling",
    ("diacritics", "خانه\u0654 ما"): "fa.02: hamza above heh is the ezafe",
    ("diacritics", "\u0627\u0653ن"): "fa.01: composed, not stripped: آن is a word",
    ("diacritics", "مس\u064a\u0654له"): "fa.01: composed, not stripped",
    ("letters", "كتاب علي"): "",
    ("letters", "\ufe81\ufee5"): "fa.03: the madda of the form is kept",
    ("letters", "\ufefb"): "fa.03: hazm looks for its list of lam-alef forms as one string with bars, and finds none",
    ("letters", "\ufdfc"): "",
    ("letters", "\ufdf2"): "",
    ("letters", "\ufdfd"): "",
    ("letters", "\ufdf4"): "",
    ("letters", "\u0671\u0644\u0644\u0647"): "fa.13: alef wasla is an alef, hazm keeps it",
    ("tatweel", "ســلام"): "",
    ("invisible", "\ufeffسلام\u200f"): "fa.34: what shows nothing is deleted",
    ("joiners", "می\u200c\u200cروم"): "",
    ("joiners", "\u200cسلام\u200c"): "",
    ("joiners", "بندر\u200cها"): "fa.31: U+200C shows nothing after a letter that joins nothing",
    ("joiners", "می\u00acروم"): "fa.32: U+00AC between letters is what a code page made of U+200C",
    ("spaces", "یک  دو"): "",
    ("spaces", "یک\n\n\n\nدو"): "",
    ("spaces", "یک\u00a0دو"): "",
    ("spaces", "یک\u2009دو"): "fa.36: spaces of every width are spaces",
    ("spaces", "یک \nدو"): "",
    ("punctuation", "سلام ، خوبی ؟"): "",
    ("punctuation", "گفت:بیا"): "",
    ("punctuation", "« کتاب »"): "",
    ("punctuation", "خوب, بد?"): "fa.50: marks of another script become the script's own beside its letters",
    ("punctuation", "بعد..."): "the ellipsis follows its word without a space",
    ("punctuation", "بعد...."): "fa.52: a run of dots is one ellipsis",
    ("punctuation", "کتاب(چاپ)"): "no space is set before an opening mark: (ها) and the like are written solid",
    ("punctuation", "“کتاب”"): "",
    ("punctuation", "پایان\u06d4"): "fa.50: Urdu's full stop is a full stop",
    ("repeats", "سلاممممم"): NOT_BY_LEXICON,
    ("repeats", "چرا؟؟؟؟؟"): "fa.52: a mark stands three times at most",
    ("half-space", "می روم"): "",
    ("half-space", "نمی دانم"): "",
    ("half-space", "ماه می آمد"): "fa.60: after a month می is May; hazm's rule joins it",
    ("half-space", "می سال"): "fa.60: no verb: hazm's rule joins any word",
    ("half-space", "کتاب ها را"): "",
    ("half-space", "کار ها را"): "fa.31: solid, because U+200C would show nothing",
    ("half-space", "کتاب های خوب"): "",
    ("half-space", "بزرگ ترین شهر"): "",
    ("half-space", "رفته ام"): "",
    ("half-space", "خانه ای دید"): "",
    ("half-space", "میدانم"): SOLID,
    ("half-space", "#کتاب ها"): "a tag comes back untouched, and what follows it stays apart",
    ("half-space", "چشم تر"): "fa.60: a noun that may be wet; hazm's rule joins any word",
    ("half-space", "که ای"): "fa.60: a function word takes no ending; hazm's rule joins any word in ه",
}


def asked() -> Iterator[Answer]:
    """Texts of ours for each of hazm's rules."""
    for (behaviour, text), reason in REASONS.items():
        form = PERSIAN.normalizer("half_space" if behaviour == "half-space" else "standard")
        yield Answer(behaviour, text, HAZM.normalize(text), form(text), reason)


def twice(answers: list[Answer]) -> dict[str, int]:
    """How many of the texts a second pass changes again."""
    return {
        "hazm": sum(HAZM.normalize(HAZM.normalize(a.text)) != HAZM.normalize(a.text) for a in answers),
        "ours": sum(PERSIAN.normalize(PERSIAN.normalize(a.text)) != PERSIAN.normalize(a.text) for a in answers),
    }


def shown(text: str) -> str:
    """`text` for a table: joiners and other invisible characters by name."""
    out = "".join(c if c.isprintable() and not "\u064b" <= c <= "\u0655" else f"\\u{ord(c):04x}" for c in text)
    return f"`{out}`".replace("|", "\\|") if out else "(nothing)"


def table(answers: list[Answer], texts: bool = True) -> list[str]:
    """Without `texts`, only which example it is: the text is in hazm's docstring."""
    lines = ["| behaviour | text | hazm | ours | |", "| --- | --- | --- | --- | --- |"]
    if not texts:
        lines = ["| behaviour | |", "| --- | --- |"]
    for a in answers:
        verdict = "same" if a.same else f"different: {a.reason}"
        cells = f" {shown(a.text)} | {shown(a.hazm)} | {shown(a.ours)} |" if texts else ""
        lines.append(f"| {a.behaviour} |{cells} {verdict} |")
    return lines


def page(documents: list[Answer], letters_: list[Answer], own: list[Answer], texts: bool) -> str:
    again = twice([*documents, *own])
    every = [*documents, *letters_, *own]
    groups: dict[str, list[Answer]] = {}
    for a in letters_:
        groups.setdefault("same" if a.same else f"different: {a.reason}", []).append(a)
    lines = [
        "# hazm's normalizer and ours", "",
        f"hazm {version('hazm')} beside {PERSIAN.code}@{PERSIAN.fingerprint}, {datetime.now(UTC).date().isoformat()}. "
        f"{len(every)} questions: {sum(a.same for a in every)} answers are the same, "
        f"{sum(not a.same for a in every)} are deliberately different, none is unexplained. "
        f"Of the {len(documents) + len(own)} texts a second pass changes {again['hazm']} with hazm and {again['ours']} "
        "here.",
        "", "Made by `python benchmarks/hazm_behaviour.py`, which fails where a difference has no reason.",
        "", "## The examples of its docstrings", "", *table(documents, texts),
        "", "## Texts for each of its rules", "", *table(own),
        "", f"## The {len(letters_)} characters of its table of letters", "",
        "| answer | characters | for instance |", "| --- | --- | --- |",
    ]  # fmt: skip
    for reason, members in groups.items():
        some = ", ".join(f"{shown(a.text)} → {shown(a.hazm)}, ours {shown(a.ours)}" for a in members[:3])
        lines.append(f"| {reason} | {len(members)} | {some} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, help="writes OUT.md and OUT.json")
    options = arguments.parse_args()
    documents, table_, own = list(documented()), list(characters()), list(asked())
    every = [*documents, *table_, *own]
    sys.stdout.write(page(documents, table_, own, True))
    if options.out:
        report = page(documents, table_, own, False)
        options.out.with_suffix(".md").write_text(report, encoding="utf-8")
        rows = [asdict(a) | {"same": a.same} for a in every]
        for row in rows[: len(documents)]:
            del row["text"], row["hazm"], row["ours"]  # in hazm's docstrings
        options.out.with_suffix(".json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
    unexplained = [a for a in every if not a.same and not a.reason]
    idle = [a for a in (*documents, *own) if a.same and a.reason]
    for a in unexplained:
        sys.stderr.write(f"no reason: {a.behaviour}: {a.text!a} hazm {a.hazm!a} ours {a.ours!a}\n")
    for a in idle:
        sys.stderr.write(f"a reason without a difference: {a.behaviour}: {a.text!a} {a.hazm!a}\n")
    return int(bool(unexplained or idle))


if __name__ == "__main__":
    sys.exit(main())
