"""What a server says of the use of its texts, page by page, and as it is stored with each page."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ulmkit.formats.host_signals import HostSignals, host_signals, path_matches

URL = "https://example.org/news/1"

PATTERNS = [
    ("/", "/a", True),
    ("", "/a", True),
    ("/a", "/abc", True),
    ("/a$", "/abc", False),
    ("/a$", "/a", True),
    ("/*.html", "/a/b.html?c", True),
    ("/*.html$", "/a/b.html?c", False),
    ("*", "/a", True),
    ("/a*b*c", "/a1b2c3", True),
    ("/a*b*c$", "/a1b2c3", False),
    ("/a*a$", "/a", False),
    ("/a**b", "/ab", True),
    ("/b", "/a/b", False),
]


@pytest.mark.parametrize(("pattern", "path", "fits"), PATTERNS)
def test_a_pattern_fits_from_the_start(pattern: str, path: str, fits: bool) -> None:
    assert path_matches(pattern, path) == fits


TDM = [
    ("all", '[{"location": "/", "tdm-reservation": 1, "tdm-policy": "https://p"}]', ("1", "https://p")),
    ("not reserved", '[{"location": "/", "tdm-reservation": 0}]', ("0", "")),
    (
        "first that fits",
        '[{"location": "/news", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]',
        ("0", ""),
    ),
    ("elsewhere", '[{"location": "/blog/*", "tdm-reservation": 1}]', ("", "")),
    ("pattern", '[{"location": "/*/1$", "tdm-reservation": "1"}]', ("1", "")),
    ("no slash", '[{"location": "news", "tdm-reservation": 1}]', ("1", "")),
    ("one rule", '{"location": "*", "tdm-reservation": 1}', ("1", "")),
    ("no value of it", '[{"location": "/", "tdm-reservation": 7}]', ("", "")),
    ("no JSON", "<html>", ("", "")),
    ("deep", "[" * 100_000, ("", "")),
    ("no rules", '[1, null, {"location": 3}, "x"]', ("", "")),
    ("half a character", '[{"location": "/\\ud800", "tdm-reservation": 1}]', ("", "")),
    ("nothing", "", ("", "")),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in TDM], ids=[row[0] for row in TDM])
def test_the_first_rule_of_tdmrep_that_fits_counts(text: str, said: tuple[str, str]) -> None:
    signals = host_signals(URL, tdmrep=text)
    assert (signals.tdm, signals.tdm_policy) == said


AI = [
    ("all text", "User-Agent: *\nDisallow: *.txt\nDisallow: *.html\nDisallow: /\nDisallow: *\n", "disallow"),
    ("images only", "User-Agent: *\nDisallow: *.jpg\nAllow: *.txt\nAllow: *.html\nDisallow: /\n", "allow"),
    ("a folder", "User-Agent: *\nDisallow: /news/\nAllow: *.html", "disallow"),
    ("another folder", "User-Agent: *\nDisallow: /blog/", "allow"),
    ("everything", "User-agent: *\nDisallow: /", "disallow"),
    ("our group", "User-agent: *\nDisallow: /\nUser-agent: ulmkit\nAllow: /", "allow"),
    ("others", "User-agent: imagebot\nDisallow: /", ""),
    ("training", "Site-Name: x\nTraining: deny", "disallow"),
    ("training in prose", "Training: our models are trained elsewhere", ""),
    ("prose", "# About us\n\nWe sell bread.", ""),
    ("nothing", "", ""),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in AI], ids=[row[0] for row in AI])
def test_ai_txt_speaks_of_text(text: str, said: str) -> None:
    assert host_signals(URL, ai_txt=text).ai == said


USAGE = [
    ("everywhere", ["train-ai=n"], ["train-ai=n"]),
    ("a longer path", ["train-ai=n", "/news/ train-ai=y"], ["train-ai=y"]),
    ("another path", ["train-ai=n", "/blog/ train-ai=y"], ["train-ai=n"]),
    ("equal paths", ["/news train-ai=y", "/news train-ai=n"], ["train-ai=y", "train-ai=n"]),
    ("elsewhere only", ["/blog/ train-ai=n"], []),
    ("a path alone", ["/news/"], []),
]


@pytest.mark.parametrize(("lines", "kept"), [row[1:] for row in USAGE], ids=[row[0] for row in USAGE])
def test_preferences_of_the_longest_path_are_the_pages(lines: list[str], kept: list[str]) -> None:
    signals = host_signals(URL, robots=[("content-usage", line) for line in lines])
    assert [value for _, value in signals.robots] == kept


def test_letters_of_a_path_are_equal_raw_and_encoded() -> None:
    signals = host_signals("https://example.org/خبر/1", robots=[("content-usage", "/%d8%ae%D8%A8%D8%B1 train-ai=n")])
    assert signals.robots == (("content-usage", "train-ai=n"),)


@given(
    st.builds(
        HostSignals,
        st.lists(st.tuples(st.text(), st.text())).map(tuple),
        st.lists(st.text()).map(tuple),
        st.sampled_from(["", "0", "1"]),
        st.text(),
        st.sampled_from(["", "allow", "disallow"]),
    )
)
def test_what_is_stored_is_what_was_said(signals: HostSignals) -> None:
    text = signals.to_json()
    assert HostSignals.from_json(text) == signals
    assert text.isascii()
    assert "\n" not in text
    assert (text == "") == (signals == HostSignals())


@given(
    st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists, max_leaves=5).map(json.dumps))
)
def test_what_was_stored_by_another_is_understood_or_not(text: str) -> None:
    HostSignals.from_json(text)
    HostSignals.from_json(json.dumps({"robots": text, "agents": [text, 1], "tdm": 1, "ai": text}))


def test_what_is_stored_with_a_page_has_bounds() -> None:
    lines = [("content-usage", "x" * 10_000)] * 1000
    signals = host_signals(URL, robots=lines, agents=["GPTBot"] * 1000)
    assert len(signals.to_json()) < 10_000
