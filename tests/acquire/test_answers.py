"""What an answer means for the page that was asked for. Numbers are those of the servers the design was written for."""

from email.utils import formatdate

import pytest

from ulmkit.acquire.answers import asked_pause, page_outcome
from ulmkit.acquire.client import Answer

URL = "https://example.org/a/b"
NOW = 1_796_000_000.0


def answer(status: int = 0, url: str = URL, **fields: object) -> Answer:
    """An answer; names of header fields are written with `_`."""
    own = {name: fields.pop(name) for name in ("body", "problem") if name in fields}
    sent = tuple((name.replace("_", "-").encode(), str(value).encode()) for name, value in fields.items())
    return Answer(url, status, fields=sent, **own)  # type: ignore[arg-type]


OUTCOMES = [
    ("kept", answer(200, body=b"x"), "kept", ""),
    ("A26 999", answer(999), "failed", "999"),
    ("A26 099", answer(99), "failed", "99"),
    ("A26 2000", answer(2000), "failed", "2000"),
    ("A27", answer(200), "failed", "empty"),
    ("A28 204", answer(204), "failed", "204"),
    ("A28 205", answer(205), "failed", "205"),
    ("A29", answer(206, body=b"x"), "failed", "206"),
    ("A30", answer(304), "failed", "304 unasked"),
    *[("gone", answer(status), "gone", str(status)) for status in (404, 410, 451)],
    *[("not again", answer(status), "failed", str(status)) for status in (400, 405, 406, 409, 418, 501, 505)],
    *[("forbidden", answer(status), "refused", "forbidden") for status in (401, 402, 403, 407)],
    *[("retried", answer(status), "retry", str(status)) for status in (408, 425, 500, 502, 504, 520, 529)],
    *[("A49", answer(status), "retry", "busy") for status in (429, 503)],
    *[
        ("network", answer(problem=problem), "retry", problem)
        for problem in ("timeout", "broken off", "no such host", "unreachable", "certificate", "too slow")
    ],
    *[("shape", answer(problem=problem), "failed", problem) for problem in ("too large", "bad http", "offline")],
    *[("guard", answer(problem=problem), "refused", problem) for problem in ("forbidden address", "bad address")],
    ("A44 none", answer(301), "failed", "redirect to no address"),
    ("A44 empty", answer(302, location=""), "failed", "redirect to no address"),
    ("A44 long", answer(307, location="/" + "a" * 100_000), "failed", "redirect to no address"),
    ("A45 scheme", answer(301, location="file:///etc/passwd"), "failed", "redirect to no address"),
    ("A45 backslash", answer(301, location="http:\\\\host"), "failed", "redirect to no address"),
    ("A46", answer(301, location="http://example.org/a"), "refused", "redirect to http"),
]


@pytest.mark.parametrize(
    ("got", "state", "reason"), [row[1:] for row in OUTCOMES], ids=[f"{row[0]} {row[3]}" for row in OUTCOMES]
)
def test_an_answer_decides_what_becomes_of_a_page(got: Answer, state: str, reason: str) -> None:
    outcome = page_outcome(got, 0, conditional=False)
    assert (outcome.state, outcome.reason, outcome.target) == (state, reason, "")
    assert (outcome.again_s > 0) == (state == "retry" and reason != "busy")


def test_unchanged_is_an_answer_to_a_conditional_request_only_a30() -> None:
    assert page_outcome(answer(304), 0, conditional=True).state == "revisit"


TARGETS = [
    ("A41", "/a/b", URL),
    ("A45 host", "//other.host/", "https://other.host/"),
    ("A45 query", "?x", f"{URL}?x"),
    ("A45 letters", "/خبر", "https://example.org/%D8%AE%D8%A8%D8%B1"),
    ("relative", "../c#d", "https://example.org/c"),
]


@pytest.mark.parametrize(("location", "target"), [row[1:] for row in TARGETS], ids=[row[0] for row in TARGETS])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_one_address(status: int, location: str, target: str) -> None:
    got = page_outcome(answer(status, location=location), 0, conditional=False)
    assert (got.state, got.target) == ("redirect", target)


def test_five_redirects_in_a_row_are_followed_a42_a43() -> None:
    """A chain of a thousand takes six requests in all."""
    requests, hops, url = 0, 0, "http://example.org/0"
    while True:
        requests += 1
        outcome = page_outcome(answer(302, url, location=f"/{requests}"), 0, conditional=False, hops=hops)
        if outcome.state != "redirect":
            break
        hops, url = hops + 1, outcome.target
    assert (requests, outcome.state, outcome.reason) == (6, "failed", "redirects")


@pytest.mark.parametrize(("got", "minutes"), [(answer(500), (1, 4, 16)), (answer(problem="timeout"), (1, 10, 60))])
def test_three_more_tries_each_later_than_the_one_before(got: Answer, minutes: tuple[int, ...]) -> None:
    for tries, wait in enumerate(minutes):
        again = page_outcome(got, tries, conditional=False)
        assert again.state == "retry"
        assert 0.8 * wait * 60 <= again.again_s <= 1.2 * wait * 60
    assert page_outcome(got, len(minutes), conditional=False).state == "failed"


def test_pages_that_failed_together_do_not_come_back_together() -> None:
    waits = {page_outcome(answer(500, f"{URL}/{n}"), 0, conditional=False).again_s for n in range(100)}
    assert len(waits) == 100
    assert max(waits) - min(waits) > 15


def test_a_busy_server_costs_a_page_none_of_its_three_tries() -> None:
    assert page_outcome(answer(503), 9, conditional=False).state == "retry"
    assert page_outcome(answer(503), 10, conditional=False).state == "failed"


def test_a_server_whose_403_asks_for_patience_is_believed() -> None:
    busy = frozenset({403, 429, 503})
    assert page_outcome(answer(403), 0, conditional=False, busy=busy).reason == "busy"


WAITS = [
    ("3", 3.0),
    ("0", 1.0),
    (" 7 ", 7.0),
    ("99999999", 86_400.0),
    ("9" * 200, 86_400.0),
    (formatdate(NOW + 90, usegmt=True), 90.0),
    (formatdate(NOW + 10**6, usegmt=True), 86_400.0),
    ("-5", None),
    ("soon", None),
    ("", None),
    ("1.5", None),
    ("٣", None),
    (formatdate(NOW - 90, usegmt=True), None),
    ("Thu, 99 Foo 2026", None),
]


@pytest.mark.parametrize(("value", "seconds"), WAITS, ids=[f"A48 {value[:20]}" for value, _ in WAITS])
def test_a_server_says_how_long_to_wait(value: str, seconds: float | None) -> None:
    assert asked_pause(answer(429, retry_after=value), NOW) == seconds


def test_a_date_is_told_by_the_servers_own_clock() -> None:
    """Whose clock is wrong does not matter then."""
    sent = answer(429, retry_after=formatdate(NOW + 90, usegmt=True), date=formatdate(NOW, usegmt=True))
    assert asked_pause(sent, NOW + 10**7) == 90
