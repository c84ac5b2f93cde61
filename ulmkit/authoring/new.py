"""A new language folder, filled with what CLDR and Unicode know; nothing is invented.

Names, script and direction come through Babel, names that it lacks from ISO 639-3; exemplar characters, digits and
quotation marks from cldr.tsv, which Babel leaves out; how a script treats marks, joiners and spaces from Unicode's
properties. Every value says in a comment where it is from. What nobody knows is left out, with a comment that says how
to find it.
"""

import json
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import regex

from ulmkit.errors import UsageError
from ulmkit.language.load import load_language
from ulmkit.language.places import bundled
from ulmkit.language.sections import Filters, Normalization, Segmentation
from ulmkit.language.spec import Language
from ulmkit.text.script import SCRIPT_CODES, VIRAMA, letter_list, letters, mark_list, parts

TABLE = Path(__file__).with_name("cldr.tsv")
JOINERS = "\u200b\u200c\u200d"
UNICODE = f"Unicode {unicodedata.unidata_version}"
# settings of `[segmentation]`, and what tells which marks they hold
PROPERTIES = {
    "sentence_ends": f"{{exemplars}}, punctuation; {UNICODE}, Sentence_Terminal",
    "spaceless_ends": f"{{exemplars}}, punctuation; {UNICODE}, Sentence_Terminal and East_Asian_Width",
    "openers": f"{UNICODE}, opening and wide",
    "closers": f"{UNICODE}, closing and wide",
}


@dataclass(frozen=True)
class Exemplars:
    """One line of cldr.tsv: characters in CLDR's order; empty where CLDR says nothing."""

    letters: str = ""
    auxiliary: str = ""
    index: str = ""
    punctuation: str = ""
    digits: str = ""
    quotes: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of a language. `origins`: field -> where it is from."""

    code: str
    iso639_3: str
    name: str
    native_name: str
    script: str
    direction: str
    exemplars: Exemplars
    origins: Mapping[str, str]

    @property
    def letters(self) -> str:
        """The standard alphabet, with vowel signs and without joiners; capitals after it where there is case."""
        small = "".join(c for c in self.exemplars.letters if c not in JOINERS)
        capitals = "".join(c for c in [*small.upper(), *self.exemplars.index] if c.isupper())
        return "".join(dict.fromkeys(small + capitals))

    @property
    def spaced(self) -> bool:
        """Whether spaces stand between words: few letters are ideographs, kana, or break by a dictionary (UAX #14)."""
        own = self.exemplars.letters or "".join(letter_list(self.script))
        return len(regex.findall(r"\p{lb=ID}|\p{lb=SA}|\p{lb=CJ}", own)) <= len(own) / 2

    @property
    def joiners(self) -> str:
        """U+200B, U+200C and U+200D as far as texts hold them: exemplars do, or the script has viramas (UAX #31)."""
        held = self.exemplars.letters + self.exemplars.auxiliary + JOINERS[1:] * has_viramas(self.script)
        return "".join(c for c in JOINERS if c in held)

    @property
    def sentence_ends(self) -> str:
        """The default's, the script's own, and those among the language's punctuation (Sentence_Terminal)."""
        more = sentence_terminals(self.script)
        more += "".join(regex.findall(r"\p{STerm}", self.exemplars.punctuation))
        return "".join(dict.fromkeys(Segmentation.sentence_ends + more))

    @property
    def segmentation(self) -> dict[str, str]:
        """The marks of `[segmentation]`: setting -> all its characters, the default's first.

        Marks as wide as an ideograph (East_Asian_Width) have their space within: none follows them.
        """
        wide = "".join(c for c in self.sentence_ends if is_wide(c))
        more = {"sentence_ends": wide, "spaceless_ends": "".join(regex.findall(r"\p{SB=STerm}", wide))}
        if wide:
            more |= {"openers": wide_marks(r"[\p{Ps}\p{Pi}]"), "closers": wide_marks(r"[\p{Pe}\p{Pf}]")}
        every = {name: getattr(Segmentation, name) + characters for name, characters in more.items()}
        return every | {"sentence_ends": self.sentence_ends}


@cache
def _table() -> tuple[str, dict[str, tuple[str, ...]]]:
    """CLDR's version, and locale -> the cells of its line."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    version = lines[0].removeprefix("# Unicode CLDR ").partition(":")[0]
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return version, {name: tuple(json.loads(f'"{cell}"') for cell in cells) for name, *cells in rows[1:]}


def _nearest(code: str) -> str:
    """Codes whose letters or English names are close to what was asked for."""
    from babel import Locale

    names = {key: name for key, name in Locale("en").languages.items() if "_" not in key}
    by_name = {name.casefold(): key for key, name in names.items()}
    found = [by_name[name] for name in get_close_matches(code.casefold(), by_name, 2, 0.8)]
    found += [key for key in get_close_matches(code.casefold(), names, 3, 0.6) if key not in found]
    return ", ".join(f"'{key}' ({names[key]})" for key in found[:3])


def _english_name(base: str) -> tuple[str, str]:
    """The English name of the language `base`, and where it is from: CLDR, which knows some 600, or ISO 639-3.

    Raises `UsageError`, with the nearest codes, where neither knows it or it has another code.
    """
    import iso639
    from babel import Locale
    from babel.core import get_cldr_version, get_global

    if alias := get_global("language_aliases").get(base):
        raise UsageError(f"'{base}' is '{alias.partition('_')[0]}' in BCP-47. Use that.")
    if name := Locale("en").languages.get(base):
        return name, f"CLDR {get_cldr_version()}"
    with suppress(iso639.LanguageNotFoundError):
        known = iso639.Language.from_part3(base)
        if known.status == "R":  # retired
            instead = f"Use '{known.retire_change_to}'." if known.retire_change_to else known.retire_remedy or ""
            raise UsageError(f"'{base}' ({known.name}) was taken out of ISO 639-3. {instead}".rstrip())
        return known.name, f"ISO 639-3, {iso639.DATA_LAST_UPDATED}"
    near = _nearest(base)
    hint = f"Did you mean {near}?" if near else "Codes are those of BCP-47 (IANA language-subtag-registry)."
    raise UsageError(f"no language '{base}' in CLDR and ISO 639-3. {hint}")


def facts(code: str) -> Facts:
    """What is known of the language `code`: BCP-47, a language and perhaps a script (`sw`, `sr-Latn`).

    Raises `UsageError`, with the nearest codes, where neither CLDR nor ISO 639-3 knows such a language, or knows it by
    another code.
    """
    from babel import Locale
    from babel.core import UnknownLocaleError, get_cldr_version, get_global

    base, _, script = code.partition("-")
    name, named_by = _english_name(base)
    if script not in {"", *SCRIPT_CODES}:
        raise UsageError(
            f"'{code}': '{script}' is no script known here. A code is a language and perhaps a script, as in sr-Latn; "
            "a region's variety has a code of its own, or is a folder that `inherits`."
        )
    likely = (get_global("likely_subtags").get(base) or "").split("_")
    own = f"CLDR {get_cldr_version()}"
    scripted_by = "as asked for" if script else f"{own}, likely subtags"
    script = script or (likely[1] if len(likely) > 1 else "")
    if script not in SCRIPT_CODES:
        raise UsageError(f"'{code}': CLDR does not say which script it is written in. Name it, as in {code}-Latn.")
    version, rows = _table()
    if code != base:
        name = f"{name} ({Locale('en').scripts.get(script, script)})"
    native, direction = "", "rtl" if unicodedata.bidirectional(letters(script)[0]) in ("R", "AL") else "ltr"
    origins = {"name": named_by, "script": scripted_by, "direction": f"{UNICODE}, its letters' bidi class"}
    try:
        locale = Locale.parse(f"{base}_{script}" if code != base else base)
        native = locale.languages.get(base, "")
        origins["native_name"] = own
    except (ValueError, UnknownLocaleError):
        pass  # a name is all that CLDR has of it
    cells = rows.get(f"{base}-{script}") or rows.get(base) or ("",) * 7
    iso, iso_by = (rows.get(base) or ("",))[0], f"CLDR {version}, aliases"
    if not iso and len(base) == 3:
        iso, iso_by = base, "ISO 639-3, the code itself"
    # a language's line is in its likeliest script; that of another script is no help
    if cells[1] and not regex.search(f"[{letters(script)}]", cells[1]):
        cells = ("",) * 7
    origins |= {"iso639_3": iso_by, "exemplars": f"CLDR {version}"}
    return Facts(code, iso, name, native, script, direction, Exemplars(*cells[1:]), origins)


# ---------------------------------------------------------------- what Unicode says of a script


def sentence_terminals(script: str) -> str:
    """The script's own marks that end a sentence (property Sentence_Terminal).

    >>> sentence_terminals("Deva")
    '।॥'
    """
    points = "".join(c for c in map(chr, range(0xA0, 0x11FFF)) if unicodedata.category(c)[0] == "P")
    own = "".join(rf"\p{{scx={part}}}" for part in parts(script))
    found = regex.findall(rf"[\p{{STerm}}&&[{own}]]", points, flags=regex.V1)
    return "".join(c for c in found if unicodedata.normalize("NFKC", c) == c)


def is_wide(mark: str) -> bool:
    """Whether a mark takes the room of an ideograph, its space within; or is the half-wide form of one that does."""
    return unicodedata.east_asian_width(mark) in "WFH"


def wide_marks(pattern: str) -> str:
    """All wide marks that match `pattern`, but for forms of vertical and small print.

    >>> wide_marks(r"[\\p{Pe}&&\\p{QMark}]")
    '」』〞〟｣'
    """
    points = "".join(c for c in map(chr, range(0x2E80, 0x10000)) if is_wide(c))
    found = regex.findall(pattern, points, flags=regex.V1)
    return "".join(c for c in found if not unicodedata.decomposition(c).startswith(("<vertical>", "<small>")))


def has_viramas(script: str) -> bool:
    return any(unicodedata.combining(mark) == VIRAMA for mark in mark_list(script))


# ---------------------------------------------------------------- writing TOML


def quoted(text: str) -> str:
    """`text` as a TOML string; what cannot be seen is written as its code point."""
    out = []
    for character in json.dumps(text, ensure_ascii=False):
        shown = character == " " or unicodedata.category(character)[0] not in "CZ"
        point = ord(character)
        out.append(character if shown else f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}")
    return "".join(out)


def listed(values: Collection[str], indent: str = "  ") -> str:
    """A list of names, one line if it fits, else one name a line."""
    one = f"[{', '.join(map(quoted, values))}]"
    return one if len(one) <= 100 else "[\n" + "".join(f"{indent}{quoted(v)},\n" for v in values) + "]"


def operations(found: Facts) -> tuple[str, ...]:
    """The operations of `train`, in order, for the language's script."""
    if found.script == "Arab":
        return (
            "presentation_forms", "characters", "pseudo_joiners", "emoji_joiners", "tatweel", "joiners", "dashes",
            "ellipsis", "repeats",
        )  # fmt: skip
    if found.joiners and has_viramas(found.script):
        return ("characters", "virama_joiners", "dashes", "ellipsis", "repeats")
    if not found.spaced:
        return ("characters", "repeats")  # doubled dashes and ellipses are these scripts' own
    return ("characters", "dashes", "ellipsis", "repeats")


def segmentation(found: Facts, shared: Mapping[str, Any]) -> list[str]:
    """Lines of `[segmentation]` for marks that are not among the shared ones; setting -> characters."""
    lines = []
    for name, characters in found.segmentation.items():
        known = shared.get(name, getattr(Segmentation, name))
        if set(characters) - set(known):
            every = "".join(dict.fromkeys(known + characters))
            lines.append(f"{name} = {quoted(every)} # {PROPERTIES[name].format(**found.origins)}")
    return lines


def script_toml(found: Facts) -> str:
    """What the languages in `found.script` share, as a file for `_scripts/`."""
    script = found.script
    more = found.sentence_ends.removeprefix(Segmentation.sentence_ends)
    quotes = wide_marks(r"[[\p{Pe}\p{Pf}]&&\p{QMark}]") if any(map(is_wide, more)) else ""
    head = [name for name in Normalization.head if name not in ("nfc", "protect")]
    plain = not found.joiners
    head += ["zero_width"] * plain + ["emoji_joiners", "nfc", "protect"]
    lines = [
        f"# What the languages in {script} script share. Written by `ulmkit language new`; a language's own file comes",
        "# after, and wins.",
        "",
    ]
    if found.joiners:
        lines += ["[alphabet]", f"joiners = {quoted(found.joiners)} # {found.origins['exemplars']}, exemplars", ""]
    lines += ["[normalization]"]
    why = "has no use for joiners" if plain else "needs joiners"
    lines += [f"# the script {why}: {found.origins['exemplars']}, exemplars", f"head = {listed(head)}"]
    if set(mark_list(script)) & set(found.exemplars.letters):
        match = [name for name in Normalization.match if name != "drop_marks"]
        lines += ["# vowels are marks here: none is dropped", f"match = {listed(match)}"]
    marks = segmentation(found, {})
    if not found.spaced:
        marks += [f"spaced = false # {UNICODE}, Line_Break of its letters: a space parts phrases"]
    if marks:
        lines += ["", "[segmentation]", *marks]
    filters, origins = [], []
    if more:
        filters += [f"line_ends = {quoted(Filters.line_ends + more + quotes)}"]
        why = f"the default, and {UNICODE}, Sentence_Terminal{' and closing Quotation_Mark' * bool(quotes)}"
        origins += [f"line_ends = {quoted(why)}"]
    if not found.spaced:
        limits = {"min_words": "1", "mean_word_length": "[1.0, 10000.0]", "max_symbol_word_ratio": "0.5"}
        filters += [f"{name} = {value}" for name, value in limits.items()]
        why = quoted("words stand without spaces: what is counted as one is a phrase, about five words")
        origins += [f"{name} = {why}" for name in limits]
    if filters:
        lines += ["", "[filters]", *filters, "", "[filters.origins]", *origins]
    if not found.spaced:
        lines += ["", "[dedup]", "# phrases again: two are about as long as five words elsewhere", "ngram = 2"]
    return "\n".join(lines) + "\n"


def language_toml(found: Facts, known_labels: Collection[str], date: str, shared: Mapping[str, Any]) -> str:
    """The folder's language.toml; `known_labels` are all that identifiers give, `shared` the settings of
    `[segmentation]` in its script."""
    origin, said = found.origins, found.exemplars
    labels, meaning = labels_for(found.code, found.script, known_labels)
    case = any(c.lower() != c.upper() for c in said.letters)

    def known(key: str, value: str, source: str, find: str) -> str:
        """A line with its source, or what to do where the value is unknown."""
        return f"{key} = {quoted(value)} # {source}" if value else f'{key} = "" # unknown: {find}'

    lines = [
        f"# {found.name}. Written by `ulmkit language new {found.code}` on {date}: each value says where it is",
        "# from, and what is missing says how to find it. What is not here is the default",
        f"# (ulmkit/language/sections.py) or the script's (../_scripts/{found.script}.toml). Delete the remarks as you",
        "# settle them.",
        "",
        "[language]",
        f"code = {quoted(found.code)}",
        known("iso639_3", found.iso639_3, origin["iso639_3"], "look at https://iso639-3.sil.org"),
        f"name = {quoted(found.name)} # {origin['name']}",
        known("native_name", found.native_name, origin.get("native_name", ""), "what its speakers call it"),
        f"script = {quoted(found.script)} # {origin['script']}",
        f"direction = {quoted(found.direction)} # {origin['direction']}",
        f"has_case = {str(case).lower()} # {UNICODE}" if said.letters else "# has_case = false",
        "",
        "[alphabet]",
    ]
    if said.letters:
        lines += [f"# {origin['exemplars']}, main exemplar characters{', and their capitals' if case else ''}"]
        lines += [f"letters = {quoted(found.letters)}"]
        extra = "".join(c for c in said.auxiliary if c.isprintable())
        lines += [f"# {origin['exemplars']}, auxiliary, seen in names and loans: {extra}"] if extra else []
    else:
        lines += ["# CLDR has no exemplar characters. Write down the letters of a primer or a grammar, capitals too:"]
        lines += ['# letters = ""']
    if said.digits:
        lines += [f"digits = {quoted(said.digits)} # {origin['exemplars']}, numbers"]
    lines += [
        "",
        "[normalization]",
        "# in this order; `characters` is the table characters.tsv. `ulmkit language show` explains each",
        f"train = {listed(operations(found))}",
    ]
    if said.digits:
        lines += ['# digits = "native" # or "ascii": add the operation "digits" to `train`; texts have both until then']
    if said.quotes:
        lines += [f'# quotes = {quoted(said.quotes)} # {origin["exemplars"]}; add the operation "quotes" to write them']
    if "dashes" in operations(found):
        lines += ['# dash = "–" # or "—": what all longer dashes become; where both are written, each stays']
    if case:
        lines += ["# max_letter_run = 4 # waaaay becomes waay; not where words have such runs, or formats: YYYY-MM-DD"]
    lines += [
        "",
        "[segmentation]",
        *segmentation(found, shared),
        "# abbreviations that end in a dot and end no sentence: read the wrongly split sentences of a few pages",
        "# abbreviations = []",
        "",
        "[identification]",
        f"labels = {listed(labels)} # {meaning}",
        "# a language it is mistaken for, and the letters or words that only that one has:",
        "# [[identification.relatives]]",
        '# name = ""',
        '# letters = ""',
        "# words = []",
        "",
        "[filters]",
        f"# measure them on text you trust: ulmkit language calibrate {found.code} --sample FILE --write",
        "",
        "[extraction]",
        "# what its wiki calls things; a dump says the namespaces at its start (keys 6 and 14)",
        '# file_namespaces = ["File", "Image", "Media"]',
        '# category_namespaces = ["Category"]',
        '# redirect_words = ["REDIRECT"]',
        "# templates that show one of their arguments in the sentence, and which: { iw = 2 }",
        "# text_templates = {}",
        "# headings of sections that hold no prose: references, see also, external links",
        "# drop_sections = []",
        "",
        "# what stands where `corpus build --pii mask` found personal data: put it in the language's own words, and",
        "# add what its country has (phone numbers, identity numbers: `pattern`, `check`)",
        *(
            line
            for name in ("email", "card", "ip")
            for line in ("[[pii]]", f'name = "{name}"', f'mask = "[{name}]"', "")
        ),
        "[[sources]]",
        f"# to be checked: is there https://dumps.wikimedia.org/{wiki(found.code)}/, and is this its licence?",
        'name = "wikipedia"',
        'kind = "wikipedia"',
        f"locator = {quoted(wiki(found.code))}",
        'licence = "CC-BY-SA-4.0"',
        f'attribution = "Authors of the {found.name} Wikipedia, https://{found.code.lower()}.wikipedia.org"',
        "",
        "[lm]",
        "# how a few sentences of the language begin: `lm generate` starts from them",
        "# prompts = []",
    ]
    return "\n".join(lines) + "\n"


def wiki(code: str) -> str:
    """The database name of a language's Wikipedia, as Wikimedia forms it."""
    return f"{code.lower().replace('-', '_')}wiki"


# ---------------------------------------------------------------- the other files

CHARACTERS = """\
# Which characters become which. Columns: source, target, reason; code points; an empty target deletes. As in
# U+0643	U+06A9	kaf, typed for keheh
"""
# raw texts that make the shared operations act, whatever the language: α and β stand for two of its letters
TRIALS = {
    "surrogates": "αβ\ud800 βα",
    "entities": "α &amp; β",
    "line_ends": "αβ\r\nβα",
    "controls": "α\u0001β βα",
    "invisible": "\ufeffαβ β\u00adα",
    "space_forms": "αβ\u00a0βα",
    "word_boundary": "αβ\u2581βα",
    "zero_width": "α\u200bβ",
    "widths": "αβ １２",
    "emoji_joiners": "α\u200dβ",
    "nfc": "cafe\u0301",
    "virama_joiners": "α\u200cβ",
    "presentation_forms": "αβ \ufefb",
    "pseudo_joiners": "α\u200b β",
    "tatweel": "α\u0640\u0640β",
    "joiners": "αβ\u200c βα",
    "dashes": "αβ \u2015 βα",
    "ellipsis": "αβ...",
    "repeats": "αβ!!!!! βα",
    "broken_entities": "α &\u0001lt; β",
    "spaces": " αβ  βα \n\n\n αβ ",
}
KEEP = (
    "https://example.org/a.b?x=1.5", "name@example.org", "192.168.1.10", "2.7.19", "10.5", "2024-11-30", "#tag_1",
    "👨\u200d👩\u200d👧",
)  # fmt: skip


def two_letters(found: Facts) -> str:
    """Two letters of the alphabet, of those that are no composition: a sign may stand between them."""
    script = frozenset(letter_list(found.script))
    own = [c for c in found.exemplars.letters if c in script] or letter_list(found.script)
    plain = [c for c in own if unicodedata.normalize("NFD", c) == c]
    return "".join((plain or own)[-12:][:2])


def escaped(text: str) -> str:
    """`text` as a cell of examples.tsv."""
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(
        named.get(c)
        or (c if c == " " or (unicodedata.category(c)[0] not in "CZ" and c != "\u0301") else f"\\u{ord(c):04x}")
        for c in text
    )


def examples(language: Language, found: Facts) -> str:
    """examples.tsv: an example of each shared operation that acts on the language's letters, as it acts now."""
    first, second = two_letters(found)[0], two_letters(found)[1]
    lines = [
        "# What each operation does: operation, raw text, text in normal form. \\uXXXX, \\n and \\t stand for the",
        "# characters they name. These lines were made from two letters; write your own with real words.",
    ]
    train = language.normalizer("standard")
    for name in dict.fromkeys(train.operations):
        raw = TRIALS.get(name, "").replace("α", first).replace("β", second)
        if (raw and any(change.operation == name for change in train.explain(raw))) or name == "surrogates":
            lines.append(f"{name}\t{escaped(raw)}\t{escaped(train(raw))}")
    return "\n".join(lines) + "\n"


def keep(language: Language) -> str:
    """keep.txt: what no language's normalization touches; and the language's own words, to be written."""
    cases = [text for text in KEEP if language.normalize(text) == text]
    return (
        "\n".join(["# Strings that must pass unchanged, one a line. Add words that a wrong rule would hurt.", *cases])
        + "\n"
    )


def sources(found: Facts) -> str:
    origin, wiki_licence = found.origins, "CC-BY-SA-4.0, to be checked"
    rows = [
        ("language.toml `[language]`", "names, script, direction", f"{origin['name']} through Babel", "Unicode-3.0"),
        ("language.toml `[alphabet]`", "letters, digits, joiners", f"{origin['exemplars']}, exemplars", "Unicode-3.0"),
        ("examples.tsv, keep.txt", "made from two letters", "`ulmkit language new`", "Apache-2.0"),
        ("`[[sources]]` wikipedia", "crawl source", f"https://dumps.wikimedia.org/{wiki(found.code)}/", wiki_licence),
    ]
    head = [("file", "what", "source", "licence"), ("---",) * 4]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])
    return f"# Where the data in this folder comes from\n\n{table}\n"


def labels_for(code: str, script: str, known: Collection[str]) -> tuple[tuple[str, ...], str]:
    """Those of the labels `known` to identifiers that mean the language `code` in `script`, and a remark on them.

    Its own in its script (zh-Hant), its own or one withdrawn for it (he, iw); else that of the macrolanguage that it is
    part of, where that is written in the same script: no for nb, but not ku for ckb.
    """
    import iso639
    from babel.core import get_global

    base, aliases, likely = code.partition("-")[0], get_global("language_aliases"), get_global("likely_subtags")
    usual = "what pycld2 and py3langid call it"
    if f"{base}-{script}" in known:
        return (f"{base}-{script}",), usual
    if own := tuple(sorted(label for label in known if label == base or aliases.get(label) == base)):
        return own, usual
    with suppress(iso639.LanguageNotFoundError):
        whole = iso639.Language.match(base).macrolanguage
        label = (iso639.Language.from_part3(whole).part1 or whole) if whole else ""
        if label in known and f"_{script}_" in (likely.get(label) or ""):
            return (label,), "what they call its macrolanguage: to be checked"
    return (), "no identifier knows it"


def create(code: str, into: Path, *, labels: Collection[str] = (), date: str) -> Language:
    """Write the folder of a new language into `into`, and a file for its script where there is none; the language.

    `labels` are all that the identifiers know. Raises `UsageError` for an unknown code and where there is such a
    folder already.
    """
    found = facts(code)
    folder = into / code
    if folder.exists():
        raise UsageError(f"{folder}: there already. Remove it, or choose another --into.")
    name = f"{found.script}.toml"
    script = next((p for p in (into / "_scripts" / name, bundled() / "_scripts" / name) if p.is_file()), None)
    if script is None:
        script = into / "_scripts" / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(script_toml(found), encoding="utf-8")
    shared = tomllib.loads(script.read_text(encoding="utf-8")).get("segmentation", {})
    folder.mkdir(parents=True)
    (folder / "samples").mkdir()
    written = language_toml(found, labels, date, shared)
    (folder / "language.toml").write_text(written, encoding="utf-8")
    (folder / "characters.tsv").write_text(CHARACTERS, encoding="utf-8")
    (folder / "SOURCES.md").write_text(sources(found), encoding="utf-8")
    language = load_language(folder)
    (folder / "examples.tsv").write_text(examples(language, found), encoding="utf-8")
    (folder / "keep.txt").write_text(keep(language), encoding="utf-8")
    return language
