"""What does Wikimedia call a language's wikis? Its codes are older than BCP-47, and some are another language's tag."""

from functools import cache
from pathlib import Path

CODES = Path(__file__).with_name("wikimedia_codes.tsv")


@cache
def _listed() -> dict[str, tuple[str, ...]]:
    """Code of a wiki → the tags of its language."""
    lines = CODES.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {code: tuple(tags.split()) for code, tags in rows}


def tags_of_wiki(code: str) -> tuple[str, ...]:
    """The BCP-47 tags of the language of the wikis called `code`, the one in use first."""
    from babel.core import get_global

    if code in _listed():
        return _listed()[code]
    alias = get_global("language_aliases").get(code)
    return (alias.replace("_", "-"),) if alias else (code,)


def tag_of(code: str) -> str:
    """`code` as BCP-47 has it, where it is a wiki's name that is no tag; else as it is.

    A name that is also another language's tag stays that: whoever asks for it means the tag.
    """
    first, *more = code.replace("_", "-").split("-")
    code = "-".join([first, *(part.title() if len(part) == 4 and part.isalpha() else part for part in more)])
    listed = _listed().get(code.lower())
    return listed[0] if listed and ("-" in code or len(code) > 3) else code


def is_variety(tag: str) -> bool:
    """Whether a tag says more than a language and its script: a region, an orthography, a dialect."""
    return any(len(part) != 4 or not part.isalpha() for part in tag.split("-")[1:])


def wikis_of_tag(tag: str) -> tuple[str, ...]:
    """Codes of wikis in the language `tag`: its own, unless that is another's, and those it has at Wikimedia."""
    from babel.core import get_global

    base, _, script = tag.partition("-")
    likely = (get_global("likely_subtags").get(base) or "").split("_")
    # a wiki is in the script that its language is mostly written in
    plain = base if not script or (len(likely) > 1 and script == likely[1]) else tag
    aliases = [code for code, meant in get_global("language_aliases").items() if meant == plain]
    codes = dict.fromkeys([plain, *_listed(), *aliases])
    return tuple(code for code in codes if {tag, plain} & {*tags_of_wiki(code)} and "_" not in code)
