"""Peers' own tables of tests, run with ours: what is the same, and why each pair that differs does.

The tables are drawn out of clones of the peers' repositories, which are given by name; nothing of theirs lies here. A
pair is a text and what the peer's test wants of it: a normal form, or sentences. It is the same where one of the
language's forms gives it. A pair that differs is explained where undoing a few of the decisions in `DECISIONS` on both
sides leaves nothing between them, and what a decision keeps stands in ours as it was given (for sentences: where each
end that one side alone has stands where a decision of `ENDS` says so). What stays is printed as unexplained, and the
program ends with 1.

    python benchmarks/peer_tables.py hazm=CLONE virastar=CLONE estnltk=CLONE …
"""

import argparse
import ast
import html
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from ulmkit.language import registry
from ulmkit.language.spec import Language

OWN = "\u0620-\u063f\u0641-\u064a\u066e-\u06d3\u06d5"  # letters of the Arabic script
MOST = 4  # decisions that together may explain a pair


@dataclass(frozen=True)
class Pair:
    """One line of a peer's table: `wanted` is a text, or the sentences of `text`."""

    peer: str
    test: str
    text: str
    wanted: Any


# ---------------------------------------------------------------- drawing tables out of test code


def read(clone: Path, path: str) -> str:
    return subprocess.run(["git", "-C", clone, "show", f"HEAD:{path}"], capture_output=True, check=True).stdout.decode()


def paths(clone: Path, suffix: str) -> list[str]:
    listed = subprocess.run(
        ["git", "-C", clone, "ls-tree", "-r", "--name-only", "HEAD"], capture_output=True, check=True
    )
    return [path for path in listed.stdout.decode().split("\n") if path.endswith(suffix)]


def hazm(clone: Path) -> Iterator[Pair]:
    """What `pytest.mark.parametrize` holds, those that the peer expects to fail too, and its sentences."""
    for function in ast.walk(ast.parse(read(clone, "tests/test_normalizer.py"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for mark in function.decorator_list:
            if isinstance(mark, ast.Call) and len(mark.args) > 1 and isinstance(mark.args[1], ast.List):
                for row in mark.args[1].elts:
                    cells = row.args if isinstance(row, ast.Call) else row.elts if isinstance(row, ast.Tuple) else []
                    try:
                        text, wanted = (ast.literal_eval(cell) for cell in cells[:2])
                    except ValueError:
                        continue
                    if isinstance(text, str) and isinstance(wanted, str):  # others are lists of tokens
                        yield Pair("hazm", function.name, text, wanted)
    tree = ast.parse(read(clone, "tests/test_sentence_tokenizer.py"))
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.List)]
    given = next(node.value for node in literals if isinstance(node, ast.Constant) and " " in str(node.value))
    yield Pair("hazm", "sentences", str(given), ast.literal_eval(next(n for n in literals if isinstance(n, ast.List))))


_LITERAL = r"""(?:'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)"""
_SUM = rf"({_LITERAL}(?:\s*\+\s*{_LITERAL})*)"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "b": "\b", "0": "\0"}


def spoken(literals: str) -> str:
    """The string that JavaScript or Ruby makes of literals that are added up."""
    whole = ""
    for literal in re.findall(_LITERAL, literals):
        body = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), literal[1:-1]).replace("\\\n", "")
        whole += re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), body, flags=re.S)
    return whole


def in_javascript(peer: str, source: str, *patterns: str) -> Iterator[Pair]:
    """Pairs inside one test each: what two tests hold is not paired."""
    blocks = re.split(r"\n[ \t]*(?:it|test)(?:\.\w+)?\(\s*", source)
    for block in blocks[1:]:
        title = spoken(match[0]) if (match := re.match(_LITERAL, block)) else ""
        for pattern in patterns:
            for match in re.finditer(pattern, block, re.S):
                yield Pair(peer, title, spoken(match[1]), spoken(match[2]))


def virastar(clone: Path) -> Iterator[Pair]:
    said = rf"strictEqual\(\s*virastar\.cleanup\(\s*{_SUM}[^;]*?\)\s*,\s*{_SUM}\s*,?\s*\)"
    yield from in_javascript("virastar", read(clone, "test/virastar.js"), said)


def nekofar(clone: Path) -> Iterator[Pair]:
    named = r"(?:const|let) (?:input|text)\w*(?::\s*string)?\s*=\s*"
    wanted = r"(?:(?!(?:const|let) input).)*?(?<!\w)expected\w*(?::\s*string)?\s*=\s*"
    given = f"{named}{_SUM}{wanted}{_SUM}"
    said = rf"expect\(\s*\w+\.\w+\(\s*{_SUM}[^;]*?\)\s*,?\s*\)\s*\.to(?:Equal|Be|StrictEqual)\(\s*{_SUM}\s*,?\s*\)"
    for path in paths(clone, ".test.ts"):
        if path.startswith("packages/core/"):
            yield from in_javascript("nekofar", read(clone, path), given, said)


def _named(peer: str, source: str, begins: str, asks: str) -> Iterator[Pair]:
    """Tests that name their texts first and compare the names after: a name holds what was said last in its test."""
    for block in re.split(begins, source)[1:]:
        names: dict[str, str] = {}
        for match in re.finditer(rf"(\w+)\s*=\s*({_LITERAL})|{asks}", block):
            if match[1]:
                names[match[1]] = spoken(match[2])
            elif match[3] in names and match[4] in names:
                yield Pair(peer, block.strip()[:40].split("\n")[0], names[match[3]], names[match[4]])


def ruby(clone: Path) -> Iterator[Pair]:
    source = read(clone, "spec/virastar_spec.rb")
    yield from _named("ruby", source, r"\n\s*it\b", r"(\w+)\.persian_cleanup(?:\([^)]*\))?\.should == (\w+)")


def python(clone: Path) -> Iterator[Pair]:
    source = read(clone, "test.py")
    yield from _named("python", source, r"\n\s*def ", r"assertEqual\(pe\.cleanup\((\w+)[^)]*\),\s*(\w+)")


def estnltk(clone: Path) -> Iterator[Pair]:
    """The dictionaries of a text and its sentences."""
    path = "estnltk/estnltk/tests/taggers/standard/tokenizers/test_sentence_tokenizer.py"
    for function in ast.parse(read(clone, path)).body:
        for node in ast.walk(function):
            if isinstance(node, ast.Dict):
                try:
                    held = ast.literal_eval(node)
                except ValueError:
                    continue
                wanted = next((held[key] for key in held if "sentence" in str(key)), None)
                if "text" in held and wanted:
                    yield Pair("estnltk", getattr(function, "name", ""), held["text"], wanted)


def parsivar(clone: Path) -> Iterator[Pair]:
    """It has no tests: what its README shows."""
    given = ""
    asked = ""
    for line in read(clone, "README.md").split("\n"):
        if match := re.match(rf">>> tmp_text = ({_LITERAL})", line):
            given = spoken(match[1])
        elif line.startswith(">>>"):
            said = re.search(rf"normalize\((tmp_text|{_LITERAL})\)", line)
            asked = (given if said[1] == "tmp_text" else spoken(said[1])) if said else asked
            if "tokenize_words" in line:
                asked = ""
        elif asked and line.startswith(("'", "['")):
            yield Pair("parsivar", "README", asked, ast.literal_eval(line))
            asked = ""


READERS: dict[str, tuple[str, Callable[[Path], Iterator[Pair]]]] = {
    "hazm": ("fa", hazm),
    "virastar": ("fa", virastar),
    "nekofar": ("fa", nekofar),
    "ruby": ("fa", ruby),
    "python": ("fa", python),
    "estnltk": ("et", estnltk),
    "parsivar": ("fa", parsivar),
}

# ---------------------------------------------------------------- normal forms, and what is decided otherwise


def _each(*pairs: tuple[str, str]) -> Callable[[str], str]:
    """What substitutes each pattern by what stands beside it, in order."""
    compiled = [(re.compile(pattern, re.M), target) for pattern, target in pairs]

    def undone(text: str) -> str:
        for pattern, target in compiled:
            text = pattern.sub(target, text)
        return text

    return undone


_ASCII = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫٬،؛؟٪", "0123456789.,,;?%")
_OURS = str.maketrans("كيى?", "کیی؟")
_LETTERS = str.maketrans("كيىڪېۍہە", "کییکییهه")
_SIGNS = "[\u064b-\u0653\u0655\u0670]"
_DATE = re.compile(r"(?<!\d)(\d{1,4})([-/])(\d{1,2})\2(\d{1,4})(?!\d)")


def _plain_number(match: re.Match[str]) -> str:
    return match[0].translate(_ASCII)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+", html.unescape(text))


def _words_in_own_quotes(text: str) -> list[str]:
    return _words(text.replace("&lsquo;", "'"))


def _letters_and_spaces(text: str) -> list[str]:
    """Letters with what stands between them, a space or a half-space, in the letters of our form."""
    plain = re.sub(_SIGNS, "", text.translate(_LETTERS)).replace("\u00ad", "\u200c")
    return re.findall(rf"[{OWN}]+(?:[ \u200c][{OWN}]+)*", re.sub(" +", " ", plain))


def _capped(text: str) -> list[str]:
    """Runs of marks that end a sentence as ours should have them: up to three of each, in the writer's order."""
    return [re.sub(r"(.)\1{3,}", r"\1\1\1", run) for run in re.findall(r"[!؟]+", text.translate(_OURS))]


def _found(pattern: str) -> Callable[[str], list[str]]:
    compiled = re.compile(pattern, re.M)
    return lambda text: [match[0] for match in compiled.finditer(html.unescape(text))]


def _nothing(_: str) -> list[str]:
    return []


@dataclass(frozen=True)
class Decision:
    """What is decided otherwise here: where it can be (`holds` in the text), and how it is undone on both sides.

    `kept` draws out of a text what the decision leaves as it was written: it explains nothing where ours has another of
    these than the text that was given. A decision that changes something has a narrow `undo` instead.
    """

    name: str
    undo: Callable[[str], str]
    holds: re.Pattern[str]
    kept: Callable[[str], list[str]]


def _decision(
    name: str, undo: Callable[[str], str], holds: str, kept: Callable[[str], list[str]] = _nothing
) -> Decision:
    return Decision(name, undo, re.compile(holds, re.M), kept)


_APART = r"[a-z] ?\. ?[a-z]|[0-9۰-۹][.:] [0-9۰-۹]"
_EZAFE = "ه[ \u200c]?(?:[یئيا]?[یي])(?![\u0620-\u06d3])|ة"

# in the order in which they are undone; first those that say most about a pair
DECISIONS = (
    _decision("placeholder of the peer's own", lambda _: "", "PRESERVER__", _words_in_own_quotes),
    _decision("date in the peer's own spelling", lambda _: "", r"\by\d+m\d+d\d+", _letters_and_spaces),
    _decision("Latin letters read as Persian", lambda _: "", r"\A[a-z .]+\Z", _words),
    _decision(
        "ASCII digits and a dot apart, as the peer writes them",
        lambda text: re.sub(r" \.", ".", text.translate(_ASCII)),
        rf"\A[^۰-۹]*[{OWN}] [0-9]+ [^۰-۹]* \.\Z",
        _found("[۰-۹]+"),
    ),
    _decision(
        "date",
        lambda text: _DATE.sub(lambda m: " ".join(sorted(m.group(1, 3, 4))), text),
        _DATE.pattern,
        _found(_DATE.pattern),
    ),
    _decision(
        "number",
        lambda text: re.sub(r"[0-9۰-۹]+(?:[.,:/٫٬][0-9۰-۹]+)+", _plain_number, text),
        r"[0-9۰-۹][.,:/٫٬][0-9۰-۹]",
        _found(r"[0-9۰-۹]+(?:[.,:/٫٬][0-9۰-۹]+)+"),
    ),
    _decision(
        "space in a number or name",
        _each((r"(?<=[0-9۰-۹][.:]) (?=[0-9۰-۹])", ""), (r"(?<=[a-z]) ?\. ?(?=[a-z])", ".")),
        r"[0-9۰-۹][.:] [0-9۰-۹]|[a-z] \.[a-z]|[a-z]\. [a-z]",
        _found(_APART),
    ),
    _decision(
        "number beside a word",
        _each((rf"(?<=[{OWN}])(?=[۰-۹])|(?<=[۰-۹])(?=[{OWN}])", " ")),
        rf"[{OWN}][0-9۰-۹]|[0-9۰-۹][{OWN}]",
        lambda text: _words(text.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))),
    ),
    _decision(
        "digits beside Latin",
        lambda text: re.sub(r"(?<=[A-Za-z][ -])[۰-۹]+|[۰-۹]+(?=[ -]?[A-Za-z])", _plain_number, text),
        r"[A-Za-z][ -][0-9]|[0-9][ -]?[A-Za-z]",
        _found(r"[A-Za-z0-9-]+"),
    ),
    _decision(
        "Latin line",
        lambda text: re.sub(r"[«»“”]", '"', re.sub(r" ", "", text.translate(_ASCII))),
        rf"\A[^{OWN}۰-۹]*\Z",
        _words,
    ),
    _decision("a number alone is in native digits", lambda text: text.translate(_ASCII), r"\A[0-9]+\Z"),
    _decision("digits of a list", _each((r"^([0-9۰-۹])(?=\. )", "1")), r"^[0-9]\. "),
    _decision(
        "mark that is named",
        lambda text: re.sub(rf"(?<![{OWN}0-9۰-۹])[،؛؟٪]", _plain_number, text),
        r"\([,;?%]\)",
        _found(r"\([,;?%]\)"),
    ),
    _decision("ends", lambda text: re.sub(r"[!?؟]+", lambda m: "".join(sorted(set(m[0]))), text), "[!?؟]{2}", _capped),
    _decision("vocalization", _each((_SIGNS, "")), "[\u064b-\u0652\u0670]"),
    _decision(
        "ezafe and indefinite behind ه",
        _each((_EZAFE, "ه"), ("ه\u0654", "ه")),
        _EZAFE,
        lambda text: _found(_EZAFE)(text.translate(_OURS)),
    ),
    _decision("ezafe apart from its ه", _each(("ه(?:\u0654|\u200cی)", "ه")), "ه[ \u200c]+[ء\u0654]"),
    _decision(
        "markup and entities",
        lambda text: re.sub(r"\s+", " ", re.sub(r"<\w+ [^>]*>", "<>", html.unescape(text))).strip(),
        r"<\w+ \w+=|&#?\w+;",
    ),
    _decision("spaces and lines", _each((r"[ \t]*\n\s*", "\n"), (r"[ \t]+", " "), (r"\A\s+|\s+\Z", "")), r"\s"),
    _decision("marks of direction", _each(("\u200f", "")), "\u200f"),
    _decision("stroke behind a word", _each((rf"(?<=[{OWN}])–(?!\S)", "")), rf"[{OWN}]ـ{{2,}}"),
    _decision("forms of letters", lambda text: text.translate(_LETTERS), "[كيىڪۍېہە]"),
    _decision("ە is one ه", _each(("ه+", "ه")), "ە"),
    _decision(
        "emphasis",
        _each((r"(\w)\1+", r"\1")),
        rf"([{OWN}])\1",
        lambda text: _found(rf"([{OWN}])\1+")(re.sub(_SIGNS, "", text)),
    ),
    _decision(
        "half-space that a lexicon would have to tell",
        _each((f"(?<=[{OWN}])[ \u200c]+(?=[{OWN}])", "")),
        f"[{OWN}][ \u200c][{OWN}]",
        _letters_and_spaces,
    ),
    _decision(
        "single quotes and backticks",
        _each((r"''|``?|'", '"'), (r"[«»]", '"')),
        "['`]|&apos;|&lsquo;",
        _found("['`]+"),
    ),
    _decision("Latin in straight quotes", _each((r"[«»]", '"')), r'"[^"\u0620-\u06d3]+"', _found('"')),
    _decision("curly quotes", _each(("“ ?", "«"), (" ?”", "»")), "“.*”"),
    _decision("hyphens and strokes", _each((r"---?|[–—]", "-")), r"-{2,3}", _found("-{2,}")),
    _decision("stroke between numbers", _each((r"(?<=[0-9۰-۹])–(?=[0-9۰-۹])", "-")), r"[0-9۰-۹]ـ+[0-9۰-۹]"),
    _decision("ellipses apart", _each((r"…(?: …)+", "…")), r"\. \.|\.\.\."),
    _decision("sign of honour", _each((" ?ﷺ", "")), "ﷺ", _found("ﷺ")),
    _decision("space before an ellipsis", _each((" …", "…")), r"\.\.\."),
    _decision("space before a bracket", _each((r" (?=[(\[])", "")), r" [(\[]", _found(r" ?[(\[]")),
    _decision("space before a mark", _each((r" +(?=[!؟?])", "")), r" [!?؟]"),
    _decision("marks before a word", _each((r"\A([!؟]+) ", r"\1")), r"\A[!?؟]"),
    _decision("marks in a row", _each((r" ?([؛،؟\"\[\](){}]) ?", r"\1")), r"(?:[؛،؟\"\[\](){}]\s+){6}"),
    _decision("¬ beside a mark", _each(("\u00ac", "")), "\u00ac[^\u0620-\u06d3]"),
    _decision("bullets and Markdown", _each((r"^[-·*#] ", "* "), (r"\n\n", "\n")), r"^[-·*#] ", _words),
)


def explained(pair: Pair, forms: dict[str, str]) -> tuple[str, ...]:
    """The fewest decisions that leave nothing between what is wanted and one of `forms`; nothing where none do."""
    wanted = pair.wanted.strip()
    known = [each for each in DECISIONS if each.holds.search(pair.text) or each.holds.search(wanted)]
    for many in range(1, MOST + 1):
        for chosen in combinations(known, many):
            for made in forms.values():
                if any(each.kept(pair.text) != each.kept(made) for each in chosen):
                    continue
                left, right = made, wanted
                for each in chosen:
                    left, right = each.undo(left), each.undo(right)
                if left.strip() == right.strip():
                    return tuple(each.name for each in chosen)
    return ()


def compared(pair: Pair, language: Language) -> tuple[str, tuple[str, ...], str]:
    """The form that gives what is wanted (or nothing), the decisions that explain what differs, and what ours is."""
    forms = {name: language.normalizer(name)(pair.text) for name in language.forms if name not in ("match", "fold")}
    form = next((name for name, made in forms.items() if made.strip() == pair.wanted.strip()), "")
    return form, () if form else explained(pair, forms), forms["standard"]


# ---------------------------------------------------------------- sentences

_FACE = r"[:;=]-?[)(DPO]+"
# what tells the two sides apart that cut behind the same letters
SAME_LETTERS = (
    ("a face behind a dot", rf"[^.!?…]\s?\. ?{_FACE}"),
    ("a mark of quotation and dots begin a sentence", r"\n[\"„] ?\. ?\. ?\."),
)
# where an end that one side alone has may stand, by the text up to it and behind it: (name, who has it, before, behind)
ENDS = (
    ("a line is a paragraph here", "ours", r"\n\W*\Z", ""),
    ("a line is a paragraph here", "ours", r"", r"\A\W*\n"),
    ("a dot joins names", "theirs", r"[^\W\d_]\.\Z", r"\A[^\W\d_]"),
    ("a face behind a dot", "ours", r"[^.!?…]\.\s*\Z", rf"\A\s*(?:{_FACE}\s*)+"),
    ("a face behind a dot", "ours", rf"[^.!?…]\.\s*(?:{_FACE}\s*)+\Z", ""),
    ("no end mark stands there", "theirs", r"[^.!?…\s][\s\"“”»)]*\Z", ""),
    ("dots before a small letter", "theirs", r"[.…][\s.…]*\Z", r"\A\s*[a-zõäöüšž]"),
    ("other marks before a small letter", "ours", r"[!?][\s!?]*\Z", r"\A\s*[a-zõäöüšž]"),
)


@cache
def _letters_up_to(text: str) -> list[int]:
    """Behind which places of `text` its letters and digits stand, in order."""
    return [place + 1 for place, char in enumerate(text) if char.isalnum()]


def ends_of(sentences: list[str]) -> set[int]:
    """How many letters and digits stand before each end between two of `sentences`."""
    counts = [sum(map(str.isalnum, sentence)) for sentence in sentences]
    return {sum(counts[:number]) for number in range(1, len(counts))}


def why_it_ends(text: str, letters: int, who: str) -> str:
    """The decision that explains an end behind so many letters that `who` alone has; nothing where none does."""
    places = [0, *_letters_up_to(text)]
    start, behind = places[letters], places[letters + 1] - 1 if letters + 1 < len(places) else len(text)
    gap = text[start:behind]
    cut = start + (len(gap) - len(gap.lstrip()) if gap.isspace() else len(gap.rstrip()))
    for name, side, before, after in ENDS:
        if side == who and re.search(before, text[: max(cut, start)]) and re.search(after, text[cut:]):
            return name
    return ""


def compared_sentences(pair: Pair, language: Language) -> tuple[str, tuple[str, ...], str]:
    """As `compared`: a line of the text is a paragraph, or the peer lets a sentence go over it."""
    flat = " ".join(pair.text.split())
    made: list[str] = []
    for name in language.forms:
        if name in ("match", "fold"):
            continue
        normal = language.normalizer(name)
        for text in (pair.text, flat):
            made = language.sentences(normal(text))
            wanted = [normal(" ".join(each.split()) if text is flat else each) for each in pair.wanted]
            if [re.sub(r"\s", "", each) for each in made] == [re.sub(r"\s", "", each) for each in wanted]:
                return name, (), ""
    normal = language.normalizer("tokenized" if "tokenized" in language.forms else "standard")
    made = language.sentences(normal(pair.text))
    ours, theirs = ends_of(made), ends_of(pair.wanted)
    reasons = [why_it_ends(pair.text, at, "ours" if at in ours else "theirs") for at in sorted(ours ^ theirs)]
    if not reasons:
        reasons = [name for name, pattern in SAME_LETTERS if re.search(pattern, pair.text)]
    return "", tuple(dict.fromkeys(reasons)) if all(reasons) else (), " ⏐ ".join(made)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("clones", nargs="+", metavar="PEER=CLONE", help=f"of {', '.join(READERS)}")
    parser.add_argument("--show", action="store_true", help="print each pair that differs with its class")
    arguments = parser.parse_args()
    unexplained = 0
    for given in arguments.clones:
        peer, _, clone = given.partition("=")
        code, reader = READERS[peer]
        language = registry.get(code)
        pairs = {json.dumps([pair.text, pair.wanted]): pair for pair in reader(Path(clone))}
        same, reasons = Counter[str](), Counter[str]()
        for pair in pairs.values():
            told = compared_sentences if isinstance(pair.wanted, list) else compared
            form, why, made = told(pair, language)
            if form:
                same["standard" if form == "standard" else "in a profile"] += 1
                continue
            reasons[" + ".join(why) or "UNEXPLAINED"] += 1
            if arguments.show or not why:
                print(f"{peer}: {' + '.join(why) or 'UNEXPLAINED'} ({pair.test})")
                print(f"    given  {pair.text!r}\n    wanted {pair.wanted!r}\n    ours   {made!r}")
        unexplained += reasons["UNEXPLAINED"]
        print(f"{peer}: {len(pairs)} pairs, {sum(same.values())} the same {dict(same)}, {sum(reasons.values())} differ")
        for reason, count in reasons.most_common():
            print(f"  {count:4d}  {reason}")
    print(f"unexplained: {unexplained}")
    return int(unexplained > 0)


if __name__ == "__main__":
    sys.exit(main())
