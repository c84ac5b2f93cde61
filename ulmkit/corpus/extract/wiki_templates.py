"""What a wiki's templates show in a sentence, and where one that is not known leaves a hole in it.

Nothing is expanded: a template's own text stays on its wiki. Those whose work is to mark, measure or write a phrase
show their arguments, by their names on the English Wikipedia, which most wikis took over with them, and by the names
that the language declares. Of all others the place tells whether they showed words: a note, a citation or a flag is
stuck to what it belongs to, and a phrase stands between words.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from ulmkit.corpus.extract.holes import HOLE
from ulmkit.corpus.extract.wiki_measures import measure, raised, spelled, value
from ulmkit.language.sections import Extraction

_LEAF = re.compile(r"\{\{([^{}|]*+)(?:\|([^{}]*+))?\}\}")
# '' around templates alone goes with them: left side by side, the marks '' and '' would be read as an apostrophe
_EMPHASIZED_LEAF = re.compile(r"('{2,5}+)((?:\s*+\{\{[^{}]*+\}\})++\s*+)\1(?!')")
# {{{1|…}}} is an argument of a template, and on a page of its own what is behind the bar
_PARAMETER = re.compile(r"\{\{\{([^{}|]*+)(?:\|([^{}]*+))?\}\}\}")
_LINK_TARGET = re.compile(r"\[\[:?(?:[^\[\]|\n]*+\|)?")
_NAME = re.compile(r"[\w -]{1,40}")
_PLACE = re.compile(r"\$(\d)")
# Each round takes the innermost templates; {{nowrap|{{lang|la|{{small|…}}}}}} takes three. What is left is cut out
# brace by brace.
_ROUNDS = 6

# The first argument that is given of those named, from 1; -1 is the last one.
_ARGUMENTS: dict[str, tuple[int, ...]] = {
    name: places
    for places, names in (
        (
            (1,),
            "nowrap nobr nobold noitalic nobreak small smaller big larger em strong mark abbr tooltip hover|title var "
            "mvar math smallcaps sc smallcaps2 allcaps ill illm interlanguage|link interlanguage|link|multi "
            "link-interwiki nihongo formatnum formatnumber nts number sort|grapheme angbr angle|bracket vr "
            "key keypress kbd code samp mono tt center centre larger|inline font|sans gaps vr vanchor visible|anchor "
            "chem2 lang2 ltr rtl bdi no|wrap nowrap|inline text gray grey highlight strike s ruby-ja nihongo2 "
            "transl2 track|gauge railgauge uc lc ucfirst lcfirst",
        ),
        ((2, 1), "lang langx w color colour font|color script sort wikt|label lang-text"),
        ((-1,), "transl transliteration translit"),
    )
    for written in names.split()
    for name in (written.replace("|", " "),)
}
# Those that show more than an argument, or a word of their own.
_FORMS: dict[str, str] = {
    **dict.fromkeys(
        ("quote", "blockquote", "cquote", "quotation", "poem quote", "poemquote", "bquote", "quote box inline"), " $1 "
    ),
    **dict.fromkeys(("snd", "spnd", "sp nd", "spaced ndash", "spaced en dash", "spaced n dash"), " – "),
    **dict.fromkeys(("ndash", "endash", "en dash", "–"), "–"),
    **dict.fromkeys(("mdash", "emdash", "em dash", "—"), "—"),
    **dict.fromkeys(("nbsp", "nnbsp", "thinsp", "thin space", "hair space", "space", "pad"), " "),
    **dict.fromkeys(("'", "`", "apostrophe"), "’"),
    **dict.fromkeys(("frac", "fraction", "sfrac"), "$1/$2"),
    "•": " • ", "·": " · ", "dot": " · ", "middot": " · ", "bullet": " • ", "'s": "’s", "=": "=", "colon": ":",
    "pi": "π", "zwnj": "\u200c", "zwj": "\u200d", "times": "×", "minus": "−", "number sign": "#",
    "us$": "US$$1", "usd": "US$$1", "$": "$$1", "€": "€$1", "eur": "€$1", "euro": "€$1", "£": "£$1", "gbp": "£$1",
    "pound": "£$1", "₹": "₹$1", "inr": "₹$1", "¥": "¥$1", "jpy": "¥$1",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[list[str], dict[str, str]], str]] = {
    **dict.fromkeys(("convert", "cvt", "conv", "height", "weight"), measure),
    **dict.fromkeys(("val", "value"), value),
    **dict.fromkeys(("chem", "su"), spelled),
    **dict.fromkeys(("e", "esp"), lambda given, named: f"×10{raised(given[0])}" if given else ""),
    "sup": lambda given, named: raised(given[0]) if given else "",
    "#if": lambda given, named: [*given[1:3], "", ""][0 if given and given[0] else 1],
}
# Templates that show nothing in the sentence, or a mark beside it: notes, citations, requests, pictures, places.
_SILENT = re.compile(
    r"(?:#tag|cite|cita|citation|citequote|cn|fact2?|sfn[a-z]{0,2}|harv[a-z]{0,4}|efn|refn?|r|rp|notes?|nb|verify"
    r"|better source|verification|failed verification|dubious|disputed|clarify|who|whom|when|where|which|by whom|vague"
    r"|according to whom|dead link|deadlink|webarchive|wayback|cbignore|coord|coor|coordinates|anchors?|page needed"
    r"|full citation needed|original research|specify|pov|weasel|peacock|update|sic|unreliable source|primary source"
    r"|audio|listen|flagicon|flag icon|flagdeco|clear|br|shy|wbr|dn|disambiguation needed|increase|decrease|steady|icon"
    r"|pdf|portal|contradict|attribution needed|not in citation given|in lang|iso639|toc|reflist|defaultsort"
    r"|displaytitle|ipac?-[a-z]+|respell|pronunciation|pron|[a-z]+ icon)(?:(?:[ :-]|inline).*)?",
    re.S,
)
# what may stand right before a template that shows words, and what never stands right behind one
_BEFORE = frozenset(" \xa0'\"«“„‘;\n*#:")
_NEVER_BEHIND = frozenset("\n{}|<=")
_REMEMBERED_NAMES = 20_000

Shown = Callable[[str], str]  # from what stands behind a template's name to what it shows


def _nothing(content: str) -> str:
    return ""


class Templates:
    """The templates of one wiki: what each shows of its arguments."""

    def __init__(self, extraction: Extraction) -> None:
        arguments, forms, silent = extraction.text_templates, extraction.text_forms, extraction.silent_templates
        own_arguments = {_key(name): (place,) for name, place in arguments.items()}
        own_forms = {_key(name): form for name, form in forms.items()}
        # what the language says of a name outdoes what English says
        self._own = own_arguments.keys() | own_forms.keys()
        self._arguments = {name: places for name, places in _ARGUMENTS.items() if name not in own_forms} | own_arguments
        self._forms = {name: form for name, form in _FORMS.items() if name not in own_arguments} | own_forms
        self._silent = frozenset(map(_key, silent))
        self._known: dict[str, Shown | None] = {}
        self._stuck: dict[str, bool] = {}  # of the page at hand: whether a template is stuck to words there

    def shown(self, text: str) -> str:
        """`text`, whose last line ends, with its templates resolved from the inside out.

        What is not closed is left as it is.
        """
        self._stuck.clear()
        if "{{!" in text:  # also in a table's end, {{!)}}
            text = _tables_written_out(text)
        for _ in range(_ROUNDS if "{{{" in text else 0):
            text, found = _PARAMETER.subn(_default, text)
            if not found:
                break
        for _ in range(_ROUNDS):
            if "'{{" in text:
                text = _EMPHASIZED_LEAF.sub(self._emphasized, text)
            text, found = self._without_leaves(text)
            if not found or "{{" not in text:
                break
        return text

    def _without_leaves(self, text: str) -> tuple[str, int]:
        """`text` with its innermost templates resolved, and how many there were."""
        known, look_up = self._known, self._look_up

        def leaf(match: re.Match[str]) -> str:
            name = match[1]
            shows = known[name] if name in known else look_up(name)
            if shows is _nothing:
                return ""
            if shows is not None:
                return shows(match[2] or "")
            # nearly all are told by the characters around them
            start, end = match.span()
            if text[end] in _NEVER_BEHIND or text[start - 1] not in _BEFORE:
                return ""
            return HOLE if self._leaves_hole(match, name) else ""

        return _LEAF.subn(leaf, text)

    def _look_up(self, written: str) -> Shown | None:
        """What the template called so shows; None where nobody knows."""
        name = _key(written)
        shows = self._of_name(name)
        if shows is None and name not in self._own and name.find(":") > 0:  # a function: {{formatnum:12345}}
            called, _, first = written.partition(":")
            if (function := self._of_name(_key(called))) is not None:
                return lambda rest: function(f"{first}|{rest}" if rest else first)
        if len(self._known) >= _REMEMBERED_NAMES:
            self._known.clear()
        self._known[written] = shows
        return shows

    def _of_name(self, name: str) -> Shown | None:
        if name not in self._own and (function := _FUNCTIONS.get(name)) is not None:
            return lambda content: function(*_given(content))
        if (form := self._forms.get(name)) is not None:
            if form.startswith("{{"):  # what English calls otherwise
                return self._of_name(_key(form.strip("{}")))
            return lambda content: _filled(form, content)
        places = self._arguments.get(name, (1,) if name.startswith("lang-") else None)
        if places is not None:
            return lambda content: _first_of(places, content)
        if name in self._silent or name.split(" ", 1)[0] in self._silent or _SILENT.fullmatch(name):
            return _nothing
        return None

    def _emphasized(self, match: re.Match[str]) -> str:
        """Emphasis and the templates in it, where none of them shows anything."""
        leaves = list(_LEAF.finditer(match[2]))
        shown = [self._known[leaf[1]] if leaf[1] in self._known else self._look_up(leaf[1]) for leaf in leaves]
        if any(shows is not None and shows(leaf[2] or "") for shows, leaf in zip(shown, leaves, strict=True)):
            return match[0]
        unknown = next((leaf[1] for shows, leaf in zip(shown, leaves, strict=True) if shows is None), None)
        return HOLE if unknown is not None and self._leaves_hole(match, unknown) else ""

    def _leaves_hole(self, match: re.Match[str], written: str) -> bool:
        """Whether words are missing where the template stood: between words, or between a word and its stop."""
        text, start, end = match.string, match.start(), match.end()
        before = text[max(0, start - 12) : start].rstrip("'\"«“„‘")
        last = before.rstrip(" \xa0").removesuffix("&nbsp;").rstrip("'")[-1:]
        after = text[end : end + 12].lstrip("'\"»”“’")
        if not after or "\n" in match[0]:
            return False
        following = after.removeprefix("&nbsp;").lstrip(" \xa0[")[:1]
        goes_on = _in_word(following)
        if last in "\n*#:.!?؟…":  # where a sentence begins: only before a small letter
            return following.islower() and (last in "\n*#:" or before[-1:] in " \xa0") and last != after[:1]
        if before[-1:] not in " \xa0" and not before.endswith("&nbsp;"):
            return False  # stuck to a word: a note, or the mark of one
        if not (_in_word(last) or last in ",،)]»”;؛"):
            return False
        if not (goes_on or after[0] in ".,;:،؛!?؟)"):
            return False
        if written not in self._stuck:
            self._stuck[written] = _is_stuck(text, written)
        return not self._stuck[written]


def _is_stuck(text: str, name: str) -> bool:
    """Whether this template is elsewhere on the page stuck to a word or its stop, as notes are."""
    at = text.find("{{" + name)
    while at >= 0:
        if at and (_in_word(text[at - 1]) or text[at - 1] in ".,;!?؟،؛»”"):
            return True
        at = text.find("{{" + name, at + 2)
    return False


def _in_word(char: str) -> bool:
    """Whether a word has it: a letter, a digit, or a mark on one."""
    return char.isalnum() or (char > "\u02ff" and unicodedata.category(char)[0] == "M")


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return name.replace("_", " ").strip().casefold()


def _tables_written_out(text: str) -> str:
    """Tables whose marks are templates, so that they may stand in a template's arguments."""
    text = text.replace("{{(!}}", "{|").replace("{{!)}}", "|}").replace("{{!-}}", "|-").replace("{{!!}}", "||")
    return text.replace("\n{{!}}", "\n|").replace("{{!}}", "&#124;")


def _default(match: re.Match[str]) -> str:
    return match[2] or ""


def _given(content: str) -> tuple[list[str], dict[str, str]]:
    """The arguments of a template by place, and those that have a name; of links in them what they show."""
    if "[[" in content:
        content = _LINK_TARGET.sub("", content).replace("]]", "")
    positional: list[str] = []
    named: dict[str, str] = {}
    for part in content.split("|"):
        name, equals, said = part.partition("=")
        if equals and _NAME.fullmatch(name.strip()):
            named[name.strip()] = said.strip()
        else:
            positional.append(part.strip())
    return positional, named


def _argument(place: int, positional: list[str], named: dict[str, str]) -> str:
    if place < 0:
        return positional[-1] if positional else ""
    return named.get(str(place)) or (positional[place - 1] if len(positional) >= place else "")


def _first_of(places: tuple[int, ...], content: str) -> str:
    positional, named = _given(content)
    for place in places:
        if found := _argument(place, positional, named):
            return found
    return _longest(named) if not any(positional) else ""


def _filled(form: str, content: str) -> str:
    """A form with its `$1`, `$2` filled in; where none of them is given, nothing."""
    positional, named = _given(content)
    wanted = [int(place) for place in _PLACE.findall(form)]
    if wanted and not any(_argument(place, positional, named) for place in wanted):
        if not content and form.strip("$0123456789 /"):
            return _PLACE.sub("", form)  # a sign alone: {{€}}
        longest = _longest(named) if not any(positional) else ""
        return _PLACE.sub(lambda m: longest if int(m[1]) == wanted[0] else "", form) if longest else ""
    return _PLACE.sub(lambda m: _argument(int(m[1]), positional, named), form)


def _longest(named: dict[str, str]) -> str:
    """What a template shows whose arguments all have names of the wiki's own: {{quote|text=…|author=…}}."""
    return named.get("text") or max(named.values(), key=len, default="")
