"""The text of a new language's files: language.toml, its script's file and SOURCES.md, each value with its source."""

import json
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ulmkit.authoring.cldr import UNICODE, Facts, has_viramas, is_wide, labels_for, sentence_terminals, wide_marks
from ulmkit.authoring.to_decide import own_marks, punctuation_of
from ulmkit.language.sections import Filters, Normalization, Segmentation
from ulmkit.text.script import letter_list, mark_list

# settings of `[segmentation]`, and what tells which marks they hold
PROPERTIES = {
    "sentence_ends": f"{{exemplars}}, punctuation; {UNICODE}, Sentence_Terminal",
    "spaceless_ends": f"{{exemplars}}, punctuation; {UNICODE}, Sentence_Terminal: wide, or of a script without case",
    "openers": f"{UNICODE}, opening and wide",
    "closers": f"{UNICODE}, closing and wide",
    "word_joiners": f"{{exemplars}}; {UNICODE}, Word_Break",
}


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
        lines += ["[alphabet]", f"joiners = {toml_string(found.joiners)} # {found.origins['exemplars']}, exemplars", ""]
    lines += ["[normalization]"]
    why = "has no use for joiners" if plain else "needs joiners"
    lines += [f"# the script {why}: {found.origins['exemplars']}, exemplars", f"head = {toml_list(head)}"]
    if set(mark_list(script)) & set(found.exemplars.letters):
        match = [name for name in Normalization.match if name != "drop_marks"]
        lines += ["# vowels are marks here: none is dropped", f"match = {toml_list(match)}"]
    marks = segmentation_lines(found, {})
    if not found.spaced:
        marks += [f"spaced = false # {UNICODE}, Line_Break of its letters: a space parts phrases"]
        if not sentence_terminals(script):
            marks += [f"space_ends = true # {UNICODE}, Sentence_Terminal: the script has none, a space ends a sentence"]
    if marks:
        lines += ["", "[segmentation]", *marks]
    filters, origins = [], []
    if more:
        filters += [f"line_ends = {toml_string(Filters.line_ends + more + quotes)}"]
        why = f"the default, and {UNICODE}, Sentence_Terminal{' and closing Quotation_Mark' * bool(quotes)}"
        origins += [f"line_ends = {toml_string(why)}"]
    if not found.spaced:
        limits = {"min_words": "1", "mean_word_length": "[1.0, 10000.0]", "max_symbol_word_ratio": "0.5"}
        filters += [f"{name} = {value}" for name, value in limits.items()]
        why = toml_string("words stand without spaces: what is counted as one is a phrase, about five words")
        origins += [f"{name} = {why}" for name in limits]
        if not sentence_terminals(script):
            limits = {"min_line_punctuation": "0.0", "min_sentence_ends": "0.0"}
            filters += [f"{name} = {value}" for name, value in limits.items()]
            why = toml_string(f"{UNICODE}, Sentence_Terminal: the script has no mark that ends a sentence")
            origins += [f"{name} = {why}" for name in limits]
    if filters:
        lines += ["", "[filters]", *filters, "", "[filters.origins]", *origins]
    if not found.spaced:
        lines += ["", "[dedup]", "# phrases again: two are about as long as five words elsewhere", "ngram = 2"]
    return "\n".join(lines) + "\n"


def language_toml(
    found: Facts, known_labels: Collection[str], date: str, shared: Mapping[str, Any], heard: Collection[str] = ()
) -> str:
    """The folder's language.toml; `known_labels` are all that identifiers give, `heard` those that they give
    to the language's own words, `shared` the settings of `[segmentation]` in its script."""
    sections = (
        _identity(found, date),
        _alphabet(found),
        _normalization(found),
        _segmentation(found, shared),
        _identification(found, known_labels, heard),
        _extraction(),
        _personal_data(),
        _source(found),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _has_case(found: Facts) -> bool:
    return any(c.lower() != c.upper() for c in found.exemplars.letters)


def _identity(found: Facts, date: str) -> Iterator[str]:
    origin = found.origins

    def known(key: str, value: str, source: str, find: str) -> str:
        """A line with its source, or what to do where the value is unknown."""
        return f"{key} = {toml_string(value)} # {source}" if value else f'{key} = "" # unknown: {find}'

    yield from (
        f"# {found.name}. Written by `ulmkit language new {found.code}` on {date}: each value says where it is",
        "# from, and what is missing says how to find it. What is not here is the default",
        f"# (ulmkit/language/sections.py) or the script's (../_scripts/{found.script}.toml). Delete the remarks as you",
        "# settle them.",
        "",
        "[language]",
        f"code = {toml_string(found.code)}",
        known("iso639_3", found.iso639_3, origin["iso639_3"], "look at https://iso639-3.sil.org"),
        f"name = {toml_string(found.name)} # {origin['name']}",
        known("native_name", found.native_name, origin.get("native_name", ""), "what its speakers call it"),
        f"script = {toml_string(found.script)} # {origin['script']}",
        f"direction = {toml_string(found.direction)} # {origin['direction']}",
        f"has_case = {str(_has_case(found)).lower()} # {UNICODE}" if found.exemplars.letters else "# has_case = false",
        "",
    )


def _alphabet(found: Facts) -> Iterator[str]:
    origin, said = found.origins, found.exemplars
    yield "[alphabet]"
    if said.letters:
        yield f"# {origin['exemplars']}, main exemplar characters{', and their capitals' if _has_case(found) else ''}"
        yield f"letters = {toml_string(found.letters)}"
        if extra := "".join(c for c in said.auxiliary if c.isprintable()):
            yield f"# {origin['exemplars']}, auxiliary, seen in names and loans: {extra}"
    else:
        yield "# CLDR has no exemplar characters. Write down the letters of a primer or a grammar, capitals too:"
        yield '# letters = ""'
    if said.digits:
        yield f"digits = {toml_string(said.digits)} # {origin['exemplars']}, numbers"
    yield ""


def _normalization(found: Facts) -> Iterator[str]:
    origin, said = found.origins, found.exemplars
    yield "[normalization]"
    yield "# in this order; `characters` is the table characters.tsv. `ulmkit language show` explains each"
    yield f"train = {toml_list(first_operations(found))}"
    if said.digits:
        yield '# digits = "native" # or "ascii": add the operation "digits" to `train`; texts have both until then'
    if said.quotes:
        yield f'# quotes = {toml_string(said.quotes)} # {origin["exemplars"]}; add the operation "quotes" to write them'
    if marks := own_marks(found):
        yield f"# native_marks = {toml_string(marks)} # {UNICODE}, Terminal_Punctuation: no space before them, one"
        yield '#   after; add the operation "spacing" to set it so'
    if pairs := punctuation_of(found):
        inner = ", ".join(f"{toml_string(plain)} = {toml_string(own)}" for plain, own in pairs.items())
        yield f'# punctuation = {{ {inner} }} # {origin["exemplars"]}; add the operation "punctuation" to write them'
    if "dashes" in first_operations(found):
        yield '# dash = "–" # or "—": what all longer dashes become; where both are written, each stays'
    if _has_case(found):
        yield "# max_letter_run = 4 # waaaay becomes waay; not where words have such runs, or formats: YYYY-MM-DD"
    yield ""


def _segmentation(found: Facts, shared: Mapping[str, Any]) -> Iterator[str]:
    yield "[segmentation]"
    yield from segmentation_lines(found, shared)
    yield "# abbreviations that end in a dot and end no sentence: read the wrongly split sentences of a few pages"
    yield "# abbreviations = []"
    yield ""


def _identification(found: Facts, known_labels: Collection[str], heard: Collection[str]) -> Iterator[str]:
    labels, meaning = labels_for(found.code, found.script, known_labels, heard)
    yield from (
        "[identification]",
        f"labels = {toml_list(labels)} # {meaning}",
        *_other_letters(found),
        "# a language it is mistaken for, and the letters or words that only that one has:",
        "# [[identification.relatives]]",
        '# name = ""',
        '# letters = ""',
        "# words = []",
        "",
        "[filters]",
        f"# measure them on text you trust: ulmkit language calibrate {found.code} --sample FILE --write",
        "",
    )


FEW_LETTERS = 150  # of a script beside the alphabet: of the great scripts they would be a list that nobody reads


def _other_letters(found: Facts) -> Iterator[str]:
    """A relative for the other languages of a small script: more than a few of their letters are theirs."""
    own = unicodedata.normalize("NFD", found.letters + found.exemplars.auxiliary) + found.letters
    others = [c for c in letter_list(found.script) if c not in own and c not in found.exemplars.auxiliary]
    if found.exemplars.letters and 0 < len(others) <= FEW_LETTERS:
        yield "[[identification.relatives]]"
        yield 'name = "another language of the script"'
        yield f"letters = {toml_string(''.join(others))} # {UNICODE}: the script's letters beside the alphabet"
        yield "max_share = 0.05 # names and quotations hold fewer"
        yield ""


def _extraction() -> Iterator[str]:
    yield from (
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
    )


def _personal_data() -> Iterator[str]:
    yield "# what stands where `corpus build --pii mask` found personal data: put it in the language's own words, and"
    yield "# add what its country has (phone numbers, identity numbers: `pattern`, `check`)"
    for name in ("email", "card", "ip"):
        yield from ("[[pii]]", f'name = "{name}"', f'mask = "[{name}]"', "")


def _source(found: Facts) -> Iterator[str]:
    yield from (
        "[[sources]]",
        f"# to be checked: is there https://dumps.wikimedia.org/{wiki_database(found.code)}/, and is this its licence?",
        'name = "wikipedia"',
        'kind = "wikipedia"',
        f"locator = {toml_string(wiki_database(found.code))}",
        'licence = "CC-BY-SA-4.0"',
        'ground = "https://dumps.wikimedia.org/legal.html, and the footer of the wiki"',
        f'attribution = "Authors of the {found.name} Wikipedia, https://{found.code.lower()}.wikipedia.org"',
        "",
        "[lm]",
        "# how a few sentences of the language begin: `lm generate` starts from them",
        "# prompts = []",
    )


def sources_md(found: Facts) -> str:
    """SOURCES.md: where the data in the folder comes from, under which licence."""
    origin, wiki_licence = found.origins, "CC-BY-SA-4.0, to be checked"
    dumps = f"https://dumps.wikimedia.org/{wiki_database(found.code)}/"
    rows = [
        ("language.toml `[language]`", "names, script, direction", f"{origin['name']} through Babel", "Unicode-3.0"),
        ("language.toml `[alphabet]`", "letters, digits, joiners", f"{origin['exemplars']}, exemplars", "Unicode-3.0"),
        ("examples.tsv, keep.txt", "made from two letters", "`ulmkit language new`", "Apache-2.0"),
        ("`[[sources]]` wikipedia", "crawl source", dumps, wiki_licence),
    ]
    head = [("file", "what", "source", "licence"), ("---",) * 4]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])
    return f"# Where the data in this folder comes from\n\n{table}\n"


def wiki_database(code: str) -> str:
    """The database name of a language's Wikipedia, as Wikimedia forms it."""
    return f"{code.lower().replace('-', '_')}wiki"


def first_operations(found: Facts) -> tuple[str, ...]:
    """The operations of `train`, in order, for the language's script."""
    if found.script == "Arab":
        return (
            "presentation_forms", "characters", "emoji_joiners", "tatweel", "joiners", "dashes",
            "ellipsis", "repeats",
        )  # fmt: skip
    if found.joiners and has_viramas(found.script):
        return ("characters", "virama_joiners", "dashes", "ellipsis", "repeats")
    if not found.spaced:
        return ("characters", "repeats")  # doubled dashes and ellipses are these scripts' own
    return ("characters", "dashes", "ellipsis", "repeats")


def segmentation_lines(found: Facts, shared: Mapping[str, Any]) -> list[str]:
    """Lines of `[segmentation]` for marks that are not among the shared ones; setting -> characters."""
    lines = []
    for name, characters in found.segmentation.items():
        known = shared.get(name, getattr(Segmentation, name))
        if set(characters) - set(known):
            every = "".join(dict.fromkeys(known + characters))
            lines.append(f"{name} = {toml_string(every)} # {PROPERTIES[name].format(**found.origins)}")
    return lines


def toml_string(text: str) -> str:
    """`text` as a TOML string; what cannot be seen is written as its code point."""
    out = []
    for character in json.dumps(text, ensure_ascii=False):
        shown = character == " " or unicodedata.category(character)[0] not in "CZ"
        point = ord(character)
        out.append(character if shown else f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}")
    return "".join(out)


def toml_list(values: Collection[str], indent: str = "  ") -> str:
    """A list of names, one line if it fits, else one name a line."""
    one = f"[{', '.join(map(toml_string, values))}]"
    return one if len(one) <= 100 else "[\n" + "".join(f"{indent}{toml_string(v)},\n" for v in values) + "]"
