"""Spans that no rule may touch are found whole and come back byte for byte. That they are found in linear time is
asked by `make faults`: what a clock says is no matter for a suite."""

import pytest

from ulmkit.text.protect import NUMBER, OPAQUE, SPAN_KINDS, find_spans, put_back, take_out

ALL = frozenset(SPAN_KINDS)

SPANS = [
    ("رفتیم به https://example.org/a.b?x=1.5، بعد", "https://example.org/a.b?x=1.5", "url"),
    ("(http://a.b/c).", "http://a.b/c", "url"),
    ("www.example.com/a,b", "www.example.com/a,b", "url"),
    ("https://fa.wikipedia.org/wiki/كتاب", "https://fa.wikipedia.org/wiki/كتاب", "url"),
    ("https://fa.wikipedia.org/wiki/می\u200cروم", "https://fa.wikipedia.org/wiki/می\u200cروم", "url"),
    ("https://mr.wikipedia.org/wiki/मराठी_भाषा, तर", "https://mr.wikipedia.org/wiki/मराठी_भाषा", "url"),
    ("v1.0−rc.1", "v1.0−rc.1", "version"),
    ("نشانی:a.b@c.org.", "a.b@c.org", "email"),
    ("192.168.1.10", "192.168.1.10", "number"),
    ("a.b@c.orgدكتر", "a.b@c.org", "email"),
    ("2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334", "ip"),
    ("v1.0.0-beta.2 آمد", "v1.0.0-beta.2", "version"),
    ("2.7.19", "2.7.19", "number"),
    ("ساعت ۱۲:۳۰ است", "۱۲:۳۰", "number"),
    ("۱۴۰۰/۰۱/۲۰", "۱۴۰۰/۰۱/۲۰", "number"),
    ("٢٠٢٣/٠١/٠٢", "٢٠٢٣/٠١/٠٢", "number"),
    ("۳٫۱۴", "۳٫۱۴", "number"),
    ("1,234,567.89", "1,234,567.89", "number"),
    ("#هشتگ_فارسی!", "#هشتگ_فارسی", "hashtag"),
    ("#می\u200cروم", "#می\u200cروم", "hashtag"),
    ("(@user.name)", "@user.name", "user"),
    ("a `x, ك` b", "`x, ك`", "code"),
    ("Vue.js", "Vue.js", "domain"),
    ("http://a.b/?c=1&amp;d=2", "http://a.b/?c=1&amp;d=2", "url"),
    ("http://a.b/?c&lt;d", "http://a.b/?c", "url"),
    ("www.a.b/?c=1&d=2&amp;e", "www.a.b/?c=1&d=2", "url"),
    ("example.com/a?b=1,2", "example.com/a?b=1,2", "domain"),
]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("1.0c+1/5/2", "version"), ("1.0c92,5", "version"), ("5/2...1@c.rg", "email"), ("http://a.b/1\u066b2", "url")],
)
def test_spans_that_overlap_are_one(text: str, kind: str) -> None:
    """Otherwise the version takes the head of a number, and the number that of an address."""
    assert find_spans(f"a {text} b", ALL) == [(2, 2 + len(text), kind)]
    assert take_out(text, ALL, []) == OPAQUE


@pytest.mark.parametrize(("text", "span", "kind"), SPANS)
def test_span(text: str, span: str, kind: str) -> None:
    assert [(text[start:end], name) for start, end, name in find_spans(text, ALL)] == [(span, kind)]


@pytest.mark.parametrize("text", ["سال ۱۴۰۲", "a. b", "یک، دو", "5 % 3", "`", "``", "C# و @ و #", "http://", "::"])
def test_no_span(text: str) -> None:
    assert find_spans(text, ALL) == []


def test_spans_come_back_in_their_places() -> None:
    text = "در 2.7 و http://a.b/c و ۱۲:۳۰"
    spans: list[str] = []
    hidden = take_out(text, ALL, spans)
    assert hidden == f"در {NUMBER} و {OPAQUE} و {NUMBER}"
    assert put_back(hidden, spans) == text


def test_what_shows_nothing_between_a_span_and_a_word_becomes_a_space() -> None:
    """Deleted, it would make the word a part of the span."""
    assert take_out("@ali\u200bرفت", ALL, []) == f"{OPAQUE} رفت"


def test_a_mark_that_comes_to_stand_after_a_span_is_composed() -> None:
    assert put_back(f"{OPAQUE}\u0301", ["http://a.b/e"]) == "http://a.b/é"


def test_a_lost_placeholder_is_an_error() -> None:
    with pytest.raises(AssertionError):
        put_back("", ["2.7"])
