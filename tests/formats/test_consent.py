"""Whether a page's text may go into a corpus: of nine rows the first that speaks decides."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ulmkit.errors import UsageError
from ulmkit.formats.consent import (
    Consent,
    ConsentRules,
    HostConsent,
    Said,
    consent_list,
    consent_of,
    header_robots,
    refused_unseen,
)
from ulmkit.formats.host_signals import HostSignals
from ulmkit.formats.page_marks import PageMarks

URL = "https://www.example.org/a"
OPEN = "CC-BY-4.0"
REFUSED = HostConsent("*.example.org", "no", "editor@example.org", "2026-11-30")
GRANTED = replace(REFUSED, host="www.example.org", verdict="yes")


def listed(*lines: HostConsent) -> ConsentRules:
    return ConsentRules(listed=lines)


def robots(*lines: tuple[str, str]) -> HostSignals:
    return HostSignals(robots=lines)


def header(*fields: tuple[str, str]) -> dict[str, Any]:
    return {"fields": fields}


TWO = HostSignals(agents=("GPTBot", "CCBot"))
ONE = HostSignals(agents=("GPTBot",))
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("silence", {}, "silent", ""),
    ("1 no", {"rules": listed(REFUSED)}, "no", "the operator's list: editor@example.org, 2026-11-30"),
    ("1 yes", {"rules": listed(GRANTED)}, "yes", "the operator's list: editor@example.org, 2026-11-30"),
    ("1 nearest", {"rules": listed(REFUSED, GRANTED)}, "yes", "the operator's list: editor@example.org, 2026-11-30"),
    ("1 elsewhere", {"rules": listed(replace(REFUSED, host="example.org"))}, "silent", ""),
    ("3 two", {"signals": TWO}, "no", "robots.txt refuses: GPTBot, CCBot"),
    ("3 one", {"signals": ONE}, "silent", ""),
    (
        "3 a purpose",
        {"signals": HostSignals(agents=("purpose: ai-training",))},
        "no",
        "robots.txt refuses: purpose: ai-training",
    ),
    ("3 any", {"signals": ONE, "agents": "any"}, "no", "robots.txt refuses: GPTBot"),
    ("3 ignore", {"signals": TWO, "agents": "ignore"}, "silent", ""),
    (
        "4 signal",
        {"signals": robots(("content-signal", "search=yes, ai-train=no"))},
        "no",
        "robots.txt: content-signal ai-train=no",
    ),
    ("4 usage", {"signals": robots(("content-usage", "train-ai=n"))}, "no", "robots.txt: content-usage train-ai=n"),
    ("4 header", header(("Content-Usage", "search=y, train-ai=n;x=1")), "no", "header: content-usage train-ai=n"),
    ("4 header signal", header(("content-signal", "ai-train=no")), "no", "header: content-signal ai-train=no"),
    ("4 yes is no licence", {"signals": robots(("content-signal", "ai-train=yes"))}, "silent", ""),
    (
        "4 of two lines",
        {"signals": robots(("content-usage", "train-ai=y"), ("content-usage", "train-ai=n"))},
        "no",
        "robots.txt: content-usage train-ai=n",
    ),
    ("4 search only", {"signals": robots(("content-signal", "search=no,ai-input=no"))}, "silent", ""),
    ("5 file", {"signals": HostSignals(tdm="1")}, "no", "tdm-reservation: tdmrep.json"),
    ("5 header", header(("TDM-Reservation", "1")), "no", "tdm-reservation: header"),
    ("5 page", {"marks": PageMarks(tdm="1")}, "no", "tdm-reservation: page"),
    ("5 header over file", {"signals": HostSignals(tdm="1")} | header(("tdm-reservation", "0")), "silent", ""),
    ("5 page over header", {"marks": PageMarks(tdm="0")} | header(("tdm-reservation", "1")), "silent", ""),
    ("5 nonsense", {"marks": PageMarks(tdm="x")} | header(("tdm-reservation", "1")), "no", "tdm-reservation: header"),
    ("6 page", {"marks": PageMarks(robots=frozenset({"noai"}))}, "no", "noai: page"),
    ("6 header", header(("X-Robots-Tag", "noindex, noai")), "no", "noai: header"),
    ("6 ours", header(("X-Robots-Tag", "ulmkit: noai")), "no", "noai: header"),
    ("6 another's", header(("X-Robots-Tag", "otherbot: noai")), "silent", ""),
    ("6 images", {"marks": PageMarks(robots=frozenset({"noimageai"}))}, "silent", ""),
    ("7", {"signals": HostSignals(ai="disallow")}, "no", "ai.txt"),
    ("7 allows", {"signals": HostSignals(ai="allow")}, "silent", ""),
    ("8 open", {"marks": PageMarks((OPEN,))}, "yes", "licence on the page: CC-BY-4.0"),
    ("8 ND", {"marks": PageMarks(("CC-BY-ND-4.0",))}, "no", "licence on the page: CC-BY-ND-4.0"),
    ("8 NC", {"marks": PageMarks(("CC-BY-NC-4.0",))}, "no", "licence on the page: CC-BY-NC-4.0"),
    (
        "8 NC allowed",
        {"marks": PageMarks(("CC-BY-NC-4.0",)), "rules": ConsentRules(licences="noncommercial")},
        "yes",
        "licence on the page: CC-BY-NC-4.0",
    ),
    (
        "8 NC-ND",
        {"marks": PageMarks(("CC-BY-NC-ND-4.0",)), "rules": ConsentRules(licences="noncommercial")},
        "no",
        "licence on the page: CC-BY-NC-ND-4.0",
    ),
    ("8 of two", {"marks": PageMarks((OPEN, "CC-BY-ND-4.0"))}, "no", "licence on the page: CC-BY-ND-4.0"),
    ("8 feed", {"own_licence": "http://creativecommons.org/licenses/by/4.0/"}, "yes", "licence on the page: CC-BY-4.0"),
    (
        "8 header",
        header(("Link", '<https://creativecommons.org/licenses/by/4.0/>; rel="license", </x>; rel=next')),
        "yes",
        "licence on the page: CC-BY-4.0",
    ),
    ("9", {"declared": OPEN}, "yes", "declared: CC-BY-4.0"),
    ("9 no grant", {"declared": "CC-BY-NC-4.0"}, "silent", ""),
    ("9 page", {"declared": "page"}, "silent", ""),
]


@pytest.mark.parametrize(("said", "verdict", "ground"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_row_decides(said: dict[str, Any], verdict: str, ground: str) -> None:
    found = consent_of(Said(URL, **said))
    assert (found.verdict, found.ground) == (verdict, ground)


# what each row says, so that it is beaten by every row before it
SPEAKING: list[dict[str, Any]] = [
    {"rules": listed(GRANTED)},
    {"signals": TWO},
    {"signals": robots(("content-signal", "ai-train=no"))},
    {"signals": HostSignals(tdm="1")},
    {"marks": PageMarks(robots=frozenset({"noai"}))},
    {"signals": HostSignals(ai="disallow")},
    {"marks": PageMarks(("CC-BY-ND-4.0",))},
    {"declared": OPEN},
]


def together(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in two.items():
        if key in result and key != "rules":
            mine, theirs, plain = vars_of(result[key]), vars_of(value), vars_of(type(value)())
            value = type(value)(**{name: theirs[name] if theirs[name] != plain[name] else mine[name] for name in mine})
        result[key] = value
    return result


def vars_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@pytest.mark.parametrize("earlier", range(len(SPEAKING)))
def test_the_first_row_that_speaks_decides(earlier: int) -> None:
    alone = consent_of(Said(URL, **SPEAKING[earlier]))
    for later in SPEAKING[earlier + 1 :]:
        both = consent_of(Said(URL, **together(SPEAKING[earlier], later)))
        assert (both.verdict, both.ground) == (alone.verdict, alone.ground)


def test_the_pages_licence_is_the_texts_whoever_speaks() -> None:
    assert consent_of(Said(URL, marks=PageMarks((OPEN,)), declared="unknown")).licence == OPEN
    assert consent_of(Said(URL, marks=PageMarks((OPEN,)), signals=TWO)).licence == OPEN
    assert consent_of(Said(URL, declared="CC-BY-SA-4.0")).licence == "CC-BY-SA-4.0"
    assert consent_of(Said(URL, declared="page")).licence == "unknown"


@pytest.mark.parametrize(("policy", "refused"), [("strict", ["no"]), ("open-only", ["no", "silent"]), ("record", [])])
def test_a_policy_says_what_stays(policy: Any, refused: list[str]) -> None:
    rules = ConsentRules(policy)
    verdicts: list[Any] = ["yes", "no", "silent"]
    assert [verdict for verdict in verdicts if rules.refuses(Consent(verdict))] == refused


def test_a_page_that_is_refused_unseen_is_not_asked_for() -> None:
    assert refused_unseen(Said(URL, signals=TWO)) == "robots.txt refuses: GPTBot, CCBot"
    assert refused_unseen(Said(URL, signals=HostSignals(tdm="1"), declared=OPEN)) == "tdm-reservation: tdmrep.json"
    assert refused_unseen(Said(URL, signals=TWO, rules=ConsentRules("record"))) == ""
    assert refused_unseen(Said(URL, rules=ConsentRules("open-only"))) == ""  # it may name its licence


def test_words_for_robots_in_a_header_are_those_for_us() -> None:
    fields = [
        ("X-Robots-Tag", "noindex, max-snippet: 20"),
        ("x-robots-tag", "otherbot: none"),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 GMT"),
        ("X-Robots-Tag", "ulmkit: nofollow"),
        ("Server", "noai"),
    ]
    assert {"noindex", "nofollow"} <= header_robots(fields)
    assert not {"none", "noai"} & header_robots(fields)


LIST = """
[[hosts]]
host = "*.Example.org"
verdict = "no"
who = "editor@example.org"
when = 2026-11-30
[[hosts]]
host = "بلاگ.example"
verdict = "yes"
who = "written permission"
when = "2026-12-01"
"""


def test_the_operators_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "consent.toml"
    assert consent_list(path) == ()
    path.write_text(LIST, encoding="utf-8")
    first, second = consent_list(path)
    assert first == HostConsent("*.example.org", "no", "editor@example.org", "2026-11-30")
    assert second.host == "xn--mgbb8f4t.example"
    assert first.covers("example.org")
    assert first.covers("a.b.example.org")
    assert not first.covers("notexample.org")


WRONG = [
    ("no TOML", "[[hosts]", "no TOML"),
    ("another key", "hosts = []\nhost = 1", "only [[hosts]]"),
    ("no list", "hosts = 3", "only [[hosts]]"),
    ("a key too few", '[[hosts]]\nhost = "a"\nverdict = "no"\nwho = "b"', "block 1: host, verdict, who and when"),
    ("a key too many", LIST + 'why = "x"', "block 2: host, verdict"),
    ("verdict", LIST.replace('"yes"', '"maybe"'), "block 2: verdict is 'maybe', expected yes or no"),
    ("an address", LIST.replace("*.Example.org", "https://example.org/"), "block 1: host is 'https://example.org/'"),
    ("no text", LIST.replace('"written permission"', "3"), "block 2: each of"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_mistake_in_the_operators_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "consent.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        consent_list(path)
    assert message in str(caught.value)
    assert "consent.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
