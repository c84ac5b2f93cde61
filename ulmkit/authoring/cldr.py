"""What CLDR, Unicode and ISO 639-3 know of a language: its names, script, letters, digits, quotation marks.

Names, script and direction come through Babel, names that it lacks from ISO 639-3; exemplar characters, digits and
quotation marks from cldr.tsv, which Babel leaves out; how a script treats marks, joiners and spaces from Unicode's
properties.
"""

import json
import unicodedata
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import regex

from ulmkit.errors import UsageError
from ulmkit.language.sections import Segmentation
from ulmkit.text.script import SCRIPT_CODES, VIRAMA, letter_list, letters, mark_list, parts

EXEMPLARS = Path(__file__).with_name("cldr.tsv")  # made by docs/make_cldr.py
JOINING = "\u200b\u200c\u200d"  # zero width space, non-joiner, joiner
UNICODE = f"Unicode {unicodedata.unidata_version}"


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
        small = "".join(c for c in self.exemplars.letters if c not in JOINING)
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
        held = self.exemplars.letters + self.exemplars.auxiliary + JOINING[1:] * has_viramas(self.script)
        return "".join(c for c in JOINING if c in held)

    @property
    def sentence_ends(self) -> str:
        """The default's, the script's own, and those among the language's punctuation (Sentence_Terminal)."""
        more = sentence_terminals(self.script)
        more += "".join(c for c in regex.findall(r"\p{STerm}", self.exemplars.punctuation) if not closes_clause(c))
        own = unicodedata.name(self.exemplars.letters[:1] or "-", "").partition(" ")[0]
        with suppress(KeyError):  # Greek has a question mark of its own, which composes to a semicolon
            question = unicodedata.lookup(f"{own} QUESTION MARK")
            more += unicodedata.normalize("NFC", question).replace(question, "")
        return "".join(dict.fromkeys(Segmentation.sentence_ends + more))

    @property
    def segmentation(self) -> dict[str, str]:
        """The marks of `[segmentation]`: setting -> all its characters, the default's first.

        Marks as wide as an ideograph (East_Asian_Width) have their space within: none follows them. What holds a word
        together by Word_Break (UAX #29): letters' own middle marks, and geresh and gershayim between letters of Hebrew.
        """
        wide = "".join(c for c in self.sentence_ends if is_wide(c))
        more = {"sentence_ends": wide, "spaceless_ends": "".join(regex.findall(r"\p{SB=STerm}", wide))}
        if wide:
            more |= {"openers": wide_marks(r"[\p{Ps}\p{Pi}]"), "closers": wide_marks(r"[\p{Pe}\p{Pf}]")}
        if not any(c.lower() != c.upper() for c in self.exemplars.letters):
            # no letter case: what ends a sentence of the script does so without a space, too
            own = "".join(c for c in sentence_terminals(self.script) if unicodedata.bidirectional(c) != "AN")
            more["spaceless_ends"] += "".join(c for c in own if c not in more["spaceless_ends"])
        joiners = regex.findall(r"\p{WB=MidLetter}", self.exemplars.letters + self.exemplars.auxiliary)
        if regex.search(r"\p{WB=HebrewLetter}", self.exemplars.letters):
            joiners += '״׳"'
        more["word_joiners"] = "".join(c for c in dict.fromkeys(joiners) if c not in Segmentation.word_joiners)
        every = {name: getattr(Segmentation, name) + characters for name, characters in more.items()}
        return every | {"sentence_ends": self.sentence_ends}


@cache
def _exemplars() -> tuple[str, dict[str, tuple[str, ...]]]:
    """CLDR's version, and locale -> the cells of its line."""
    lines = EXEMPLARS.read_text(encoding="utf-8").splitlines()
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
    version, rows = _exemplars()
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


def likely_territory(code: str) -> str:
    """Where most of those live who write the language `code`, as CLDR has it (ISO 3166-1); empty where it does not."""
    from babel.core import get_global

    base, _, script = code.partition("-")
    likely = get_global("likely_subtags")
    found = (likely.get(f"{base}_{script}") if script else None) or likely.get(base) or ""
    return found.rpartition("_")[2] if found.count("_") == 2 else ""


def members_of(iso639_3: str) -> list[str]:
    """The languages of a macrolanguage that are called as it is (ISO 639-3); none where it is no macrolanguage."""
    import iso639

    names = [each.name for each in iso639.ALL_LANGUAGES if each.part3 == iso639_3]
    own = names[0].partition(" (")[0] if names else ""
    return sorted(each.part3 for each in iso639.ALL_LANGUAGES if each.macrolanguage == iso639_3 and own in each.name)


def own_words(code: str) -> str:
    """What CLDR has translated into the language: names of languages, territories, months and days; empty where none.

    Text enough for an identifier to say what it takes the language for.
    """
    from babel import Locale
    from babel.core import UnknownLocaleError

    try:
        locale = Locale.parse(code.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return ""
    calendar = [*locale.months["format"]["wide"].values(), *locale.days["format"]["wide"].values()]
    return ", ".join(dict.fromkeys(map(str, [*locale.territories.values(), *locale.languages.values(), *calendar])))


def labels_for(
    code: str, script: str, known: Collection[str], heard: Collection[str] = ()
) -> tuple[tuple[str, ...], str]:
    """Those of the labels `known` to identifiers that mean the language `code` in `script`, and a remark on them.

    Its own in its script (zh-Hant), its own or one withdrawn for it (he, iw); else that of the macrolanguage that it is
    part of, where that is written in the same script (no for nb); else those that identifiers give to the language's
    own words (`heard`), where they are that macrolanguage or a part of it: ku and sdh for ckb.
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
        same = [name for name in heard if name == label or iso639.Language.match(name).macrolanguage == whole]
        if whole and same:
            return tuple(same), "what they call CLDR's words in it, of its macrolanguage: to be checked"
    if heard:
        return (), f"no identifier knows it; they take CLDR's words in it for {' and '.join(heard)}"
    return (), "no identifier knows it"


# ---------------------------------------------------------------- what Unicode says of a script


def sentence_terminals(script: str) -> str:
    """The script's own marks that end a sentence (property Sentence_Terminal).

    >>> sentence_terminals("Deva")
    '।॥'
    """
    points = "".join(c for c in map(chr, range(0xA0, 0x11FFF)) if unicodedata.category(c)[0] == "P")
    own = "".join(rf"\p{{scx={part}}}" for part in parts(script))
    found = regex.findall(rf"[\p{{STerm}}&&[{own}]]", points, flags=regex.V1)
    return "".join(c for c in found if unicodedata.normalize("NFKC", c) == c and not closes_clause(c))


def closes_clause(mark: str) -> bool:
    """Whether a mark is the little one of a pair: it is a comma, though Sentence_Terminal holds both (U+104A, U+104B).

    >>> closes_clause("၊"), closes_clause("။")
    (True, False)
    """
    before, little, after = unicodedata.name(mark, "").partition("LITTLE ")
    with suppress(KeyError):
        return bool(little and unicodedata.lookup(before + after))
    return False


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
    """Whether letters of the script are joined by a virama, beside which U+200C and U+200D show."""
    return any(unicodedata.combining(mark) == VIRAMA for mark in mark_list(script))
