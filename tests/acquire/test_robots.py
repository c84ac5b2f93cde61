"""What a robots.txt lets us ask for: forty ways in which a server answers, and what must follow from each."""

import gzip
import pickle
import time
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego
from random_cases import examples

from ulmkit.acquire.client import ROBOTS, Answer
from ulmkit.acquire.robots import ROBOTS_BYTES, RobotRules, next_try, robots_target, rules_of, valid_rules
from ulmkit.formats.training_agents import training_agents

HOST = "https://example.org"
FA = "/خبر/می\u200cروم"


def answer_of(status: int = 0, url: str = f"{HOST}/robots.txt", **more: object) -> Answer:
    return Answer(url, status, bounds=ROBOTS, **more)  # type: ignore[arg-type]


def file(text: str | bytes, **more: object) -> Answer:
    return answer_of(200, body=text.encode() if isinstance(text, str) else text, **more)  # type: ignore[arg-type]


def read(text: str | bytes, **more: object) -> RobotRules:
    return rules_of(file(text, **more))


def status(number: int) -> Answer:
    return answer_of(number)


def problem(name: str) -> Answer:
    return answer_of(problem=name)


def redirect(target: str, url: str = f"{HOST}/robots.txt", number: int = 301) -> Answer:
    return answer_of(number, url, fields=((b"Location", target.encode()),))


STATUSES = [
    ("B1", status(404), "open"),
    ("B2", status(410), "open"),
    ("B3", status(403), "closed"),
    ("B4", status(401), "closed"),
    ("B5", status(400), "open"),
    ("B5", status(418), "open"),
    ("B6", status(429), "unreachable"),
    *[("B7", status(number), "unreachable") for number in (500, 502, 503, 504)],
    ("B10", problem("timeout"), "unreachable"),
    ("B11", problem("unreachable"), "unreachable"),
    ("B12", problem("no such host"), "unreachable"),
    ("B13", problem("certificate"), "unreachable"),
    ("B14 six", redirect("/r7"), "open"),
    ("B16", redirect("http://example.org/robots.txt"), "unreachable"),
    ("B17", redirect("/robots.txt"), "open"),
    ("B18", file(""), "open"),
    ("B19", file("<!DOCTYPE html><html><body>Sitemap\nAllow us\nSitemap: /x</body></html>"), "open"),
    ("B20", file(bytes(range(256)) * 40), "open"),
    ("malformed", problem("bad http"), "unreachable"),
    ("inside", problem("forbidden address"), "unreachable"),
    ("204", status(204), "open"),
    ("304 unasked", status(304), "unreachable"),
    ("999", status(999), "unreachable"),
    ("no target", redirect(""), "open"),
    ("no web address", redirect("file:///etc/passwd"), "open"),
]


@pytest.mark.parametrize(("answer", "state"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES])
def test_a_status_decides_whether_anything_may_be_asked(answer: Answer, state: str) -> None:
    rules = rules_of(answer)
    assert rules.state == state
    assert rules.allows(f"{HOST}/a") == (state == "open")
    assert rules.allows(f"{HOST}/robots.txt")
    assert rules.why


@pytest.mark.parametrize("number", [401, 403], ids=["B4", "B3"])
def test_a_denied_file_allows_where_the_source_follows_the_standard(number: int) -> None:
    assert rules_of(status(number), denied="allow").allows(f"{HOST}/a")


@pytest.mark.parametrize("answer", [status(503), problem("timeout")], ids=["B8", "B10"])
def test_an_unreachable_server_is_asked_again_after_an_hour_doubled_to_a_day(answer: Answer) -> None:
    assert not rules_of(answer).allows(f"{HOST}/a")
    assert [next_try(failures) / 3600 for failures in range(1, 8)] == [1, 2, 4, 8, 16, 24, 24]
    assert next_try(10**9) == 86_400
    after = valid_rules(read("User-agent: *\nDisallow: /b"), rules_of(answer), 3600)
    assert (after.allows(f"{HOST}/a"), after.allows(f"{HOST}/b")) == (True, False)


@pytest.mark.parametrize(
    ("hours", "allowed"), [(23, True), (25, False), (-1, False)], ids=["B9 23 h", "B9 25 h", "B9 clock"]
)
def test_a_copy_counts_for_a_day(hours: int, allowed: bool) -> None:
    kept = read("User-agent: *\nDisallow: /b")
    assert valid_rules(rules_of(status(503)), kept, hours * 3600).allows(f"{HOST}/a") == allowed


def followed(answers: dict[str, Answer]) -> tuple[RobotRules, int]:
    """The rules, and how many requests they took, as a crawl asks."""
    answer, hops = answers[f"{HOST}/robots.txt"], 0
    while target := robots_target(answer, hops):
        answer, hops = answers[target], hops + 1
    return rules_of(answer), hops + 1


def chain(length: int) -> dict[str, Answer]:
    """A robots.txt behind so many redirects."""
    urls = [f"{HOST}/robots.txt", *(f"{HOST}/r{n}" for n in range(1, length + 1))]
    answers = {url: redirect(following, url) for url, following in pairwise(urls)}
    return answers | {urls[-1]: file("User-agent: *\nDisallow: /", url=urls[-1])}


@pytest.mark.parametrize(
    ("length", "allowed", "requests"),
    [(1, False, 2), (5, False, 6), (6, True, 6)],
    ids=["B14 one", "B14 five", "B14 six"],
)
def test_five_redirects_are_followed(length: int, allowed: bool, requests: int) -> None:
    rules, asked = followed(chain(length))
    assert (rules.allows(f"{HOST}/a"), asked) == (allowed, requests)


def test_another_hosts_text_counts_for_the_first_host_b15() -> None:
    there = "https://www.example.net/robots.txt"
    rules, _ = followed({f"{HOST}/robots.txt": redirect(there), there: file("User-agent: *\nDisallow: /b", url=there)})
    assert not rules.allows(f"{HOST}/b")
    assert rules.allows(f"{HOST}/a")


def test_a_redirect_to_the_front_page_is_no_file_a47() -> None:
    page = file("<!doctype html><html><head><title>x</title></head><body>User-agent</body></html>", url=f"{HOST}/")
    rules, _ = followed({f"{HOST}/robots.txt": redirect("/"), f"{HOST}/": page})
    assert (rules.state, rules.why) == ("open", "an HTML page")


def test_a_redirect_to_http_is_not_followed_b16() -> None:
    assert robots_target(redirect("http://example.org/robots.txt"), 0) == ""
    assert (
        robots_target(redirect("https://example.org/r", "http://example.org/robots.txt"), 0) == "https://example.org/r"
    )
    assert robots_target(redirect("//example.net/r", number=308), 4) == "https://example.net/r"
    assert robots_target(status(200), 0) == robots_target(problem("timeout"), 0) == ""


def test_a_loop_of_redirects_is_as_no_file_b17() -> None:
    rules, asked = followed({f"{HOST}/robots.txt": redirect("/robots.txt")})
    assert (rules.state, asked) == ("open", 6)


def test_what_is_past_half_a_mebibyte_is_left_b21() -> None:
    filler = ("#" + "x" * 98 + "\n") * (600 * 1024 // 100)
    rules = read("User-agent: *\nDisallow: /first\n" + filler + "Disallow: /\n")
    assert rules.allows(f"{HOST}/a")
    assert not rules.allows(f"{HOST}/first")
    assert rules.why == "cut at 524,288 bytes"
    start = "User-agent: *\nDisallow: /first\n#"
    half = start + "x" * (ROBOTS_BYTES - len(start) - len("\nDisallow: /")) + "\nDisallow: /last\n"
    assert read(half).allows(f"{HOST}/a")  # not the half of a line that is left of `/last`


@pytest.mark.slow
def test_twenty_thousand_patterns_are_read_in_a_process_that_ends_b22() -> None:
    text = "User-agent: *\n" + "".join(f"Disallow: /*a{n}*b{n}$\n" for n in range(20_000))
    rules = rules_of(file(text), deadline_s=60)
    assert rules.state == "rules"
    assert not rules.allows(f"{HOST}/xa7yb7")
    assert rules.allows(f"{HOST}/xa7yb8c")
    begun = time.monotonic()
    late = rules_of(file(text), deadline_s=0.01)
    assert late.state == "closed"
    assert not late.allows(f"{HOST}/x")
    assert time.monotonic() - begun < 30  # the start of a process, on a machine where others work


CLOSED = "User-agent: *\nDisallow: /\n"
WHOLE = [
    ("B23", b"\xef\xbb\xbf" + CLOSED.encode()),
    ("B24 LE", b"\xff\xfe" + CLOSED.encode("utf-16-le")),
    ("B24 BE", b"\xfe\xff" + CLOSED.encode("utf-16-be")),
    ("UTF-32", b"\xff\xfe\0\0" + CLOSED.encode("utf-32-le")),
    ("B25", CLOSED.replace("\n", "\r").encode()),
    ("CRLF", CLOSED.replace("\n", "\r\n").encode()),
    ("B26", b"\0# first\n" + CLOSED.encode()),
    ("B26 in the first name", b"User-\0agent: *\nDisallow: /\n"),
    (
        "B31",
        "User-agent: ulmkit\nDisallow: /x\n\nUser-agent: other\nDisallow: /y\n\nUser-agent: ULMKIT\nDisallow: /a\n",
    ),
    ("B32 version", "User-agent: ulmkit/1.0\nDisallow: /\n\nUser-agent: *\nAllow: /\n"),
    ("B32 case", "User-agent: ULMKIT\nDisallow: /\n\nUser-agent: *\nAllow: /\n"),
    ("B32 space", "User-agent:   ulmkit  \nDisallow: /\n\nUser-agent: *\nAllow: /\n"),
    ("B32 comment", "User-agent: ulmkit# us\nDisallow: /\n"),
    ("B39 unknown lines", "User-agent: a\nFoo: bar\nNoindex: /x\nUser-agent: *\nHost: x\nUser-agent: b\nDisallow: /\n"),
    ("no colon", "User-agent *\nDisallow /\n"),
    ("misspelled", "useragent: *\nDissallow: /\n"),
    ("empty lines inside", "User-agent: *\n\n\nDisallow: /\n"),
    ("indented", "\t User-agent\t:\t*\n  Disallow :/\n"),
]


@pytest.mark.parametrize("text", [row[1] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_rules_hold_however_the_file_is_written(text: str | bytes) -> None:
    assert not read(text).allows(f"{HOST}/a")


def test_gzip_is_undone_b27() -> None:
    packed = file(gzip.compress(CLOSED.encode()), fields=((b"Content-Encoding", b"gzip"),))
    assert not rules_of(packed).allows(f"{HOST}/a")


def test_what_expands_without_end_is_cut_as_a_long_file_is_b27() -> None:
    bomb = gzip.compress(CLOSED.encode() + b"#" * 100_000_000)
    rules = rules_of(file(bomb, fields=((b"Content-Encoding", b"gzip"),)))
    assert not rules.allows(f"{HOST}/a")
    assert rules.why == "cut at 524,288 bytes"


PATHS = [
    ("B28", "Disallow: /a\nAllow: /a/b", "/a/b", True),
    ("B28", "Disallow: /a\nAllow: /a/b", "/a/c", False),
    ("B29", "Disallow: /a\nAllow: /a", "/a", True),
    ("B30", "Disallow: /*.pdf$", "/x.pdf", False),
    ("B30", "Disallow: /*.pdf$", "/x.pdf?y", True),
    *[("B35", f"Disallow: {spelled}", quote(FA), False) for spelled in (FA, quote(FA), quote(FA).lower())],
    ("B35", f"Disallow: {FA}", FA, False),
    ("B35", f"Disallow: {quote(FA)}", quote(FA)[:-6], True),
    ("B36", "Disallow: /*?", "/a?b=1", False),
    ("B36", "Disallow: /*?", "/a", True),
    ("B37", "Disallow: /", "/robots.txt", True),
    ("B37", "Disallow: /", "/robots.txt.html", False),
    ("nothing", "Disallow:", "/a", True),
    ("case", "Disallow: /A", "/a", True),
    ("line separator", "Disallow: /a\u2028Allow: /a", "/a", True),
]


@pytest.mark.parametrize(("lines", "path", "allowed"), [row[1:] for row in PATHS], ids=[row[0] for row in PATHS])
def test_the_longest_pattern_decides(lines: str, path: str, allowed: bool) -> None:
    assert read(f"User-agent: *\n{lines}\n").allows(HOST + path) == allowed


def test_bytes_of_another_encoding_are_the_address_they_stand_for() -> None:
    rules = read("User-agent: *\nDisallow: /خبر\n".encode("cp1256"))
    assert not rules.allows(HOST + "/" + quote("خبر", encoding="cp1256"))
    assert rules.allows(HOST + "/" + quote("خبر"))


def test_two_thousand_stars_take_no_time_b30() -> None:
    rules = read("User-agent: *\nDisallow: /" + "*a" * 2000 + "\n")
    begun = time.process_time()
    assert rules.allows(f"{HOST}/{'a' * 1999}b")
    assert rules.allows(f"{HOST}/{'b' * 3000}")
    assert not rules.allows(f"{HOST}/{'a' * 3000}")
    assert time.process_time() - begun < 0.1


GROUPS = [
    (
        "B31",
        "User-agent: ulmkit\nDisallow: /x\n\nUser-agent: *\nDisallow: /y\n\nUser-agent: ulmkit\nDisallow: /z",
        "/y /a",
    ),
    ("B32 longer", "User-agent: ulmkit-news\nDisallow: /x", "/x /y /z /a"),
    ("B32 part", "User-agent: kit\nDisallow: /x\n\nUser-agent: ulm\nDisallow: /y", "/x /y /z /a"),
    ("B33", "User-agent: *\nDisallow: /\n\nUser-agent: ulmkit\nAllow: /", "/x /y /z /a"),
    ("B33 empty", "User-agent: *\nDisallow: /\n\nUser-agent: ulmkit\n", "/x /y /z /a"),
    ("B34", "Disallow: /x\nUser-agent: *\nDisallow: /y", "/x /z /a"),
    ("together", "User-agent: other\nUser-agent: ulmkit\nDisallow: /x\nUser-agent: *\nDisallow: /y", "/y /z /a"),
    ("two of *", "User-agent: *\nDisallow: /x\nUser-agent: *\nDisallow: /y", "/z /a"),
    ("none is ours", "User-agent: GPTBot\nDisallow: /x\n\nUser-agent: CCBot\nDisallow: /y", "/x /y /z /a"),
    ("B33 empty, others follow", "User-agent: ulmkit\nDisallow:\n\nUser-agent: GPTBot\nDisallow: /", "/x /y /z /a"),
    ("delay ends one", "User-agent: a\nCrawl-delay: 9\nUser-agent: *\nDisallow: /x", "/y /z /a"),
]


@pytest.mark.parametrize(("text", "allowed"), [row[1:] for row in GROUPS], ids=[row[0] for row in GROUPS])
def test_our_group_counts_before_everybodys(text: str, allowed: str) -> None:
    rules = read(text)
    assert " ".join(path for path in ("/x", "/y", "/z", "/a") if rules.allows(HOST + path)) == allowed


DELAYS = [
    ("Crawl-delay: 2.5", 2.5),
    ("Crawl-delay: abc", 0.0),
    ("Crawl-delay: -5", 0.0),
    ("Crawl-delay: nan", 0.0),
    ("Crawl-delay: 1e9", 1e9),
    ("Request-rate: 1/10", 10.0),
    ("Request-rate: 2/1m 0600-0845", 30.0),
    ("Request-rate: 0/10", 0.0),
    ("Request-rate: 1/10\nCrawl-delay: 3", 10.0),
    ("Crawl-delay: 3\nCrawl-delay: 1", 3.0),
]


@pytest.mark.parametrize(("lines", "seconds"), DELAYS, ids=[f"B38 {row[0]!r}" for row in DELAYS])
def test_the_slowest_pace_that_is_asked_for_counts_b38(lines: str, seconds: float) -> None:
    assert read(f"User-agent: *\n{lines}\n").delay_s == seconds
    assert read(f"User-agent: other\n{lines}\n\nUser-agent: *\nDisallow: /x\n").delay_s == 0


SIGNALS = [
    (
        "everybody",
        "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /",
        "content-signal search=yes, ai-train=no",
    ),
    ("ours has none", "User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: ulmkit\nDisallow: /x", ""),
    ("ours has none, before", "User-agent: ulmkit\nDisallow: /x\n\nUser-agent: *\nContent-Signal: ai-train=no", ""),
    ("ours", "User-agent: *\nAllow: /\n\nUser-agent: ulmkit\nContent-Usage: train-ai=n", "content-usage train-ai=n"),
    ("of a path", "User-agent: *\nContent-Usage: /news/ train-ai=n", "content-usage /news/ train-ai=n"),
    ("before all", "Content-Signal: ai-train=no\nUser-agent: *\nAllow: /", "content-signal ai-train=no"),
    ("alone", "Content-Signal: ai-train=no", "content-signal ai-train=no"),
    ("another's", "User-agent: GPTBot\nContent-Signal: ai-train=no\nDisallow: /", ""),
]


@pytest.mark.parametrize(("text", "signals"), [row[1:] for row in SIGNALS], ids=[f"B39 {row[0]}" for row in SIGNALS])
def test_what_is_said_of_a_texts_use_is_our_groups(text: str, signals: str) -> None:
    assert "; ".join(map(" ".join, read(text).signals)) == signals


def test_sitemaps_are_resolved_and_a_hundred_taken_b40() -> None:
    lines = [
        "/a.xml",
        "https://other.example/b.xml",
        "http://10.0.0.1/c.xml",
        "ftp://x/d.xml",
        "https://u:p@x.org/",
        "a b",
    ]
    text = "".join(f"Sitemap: {each}\n" for each in lines) + "User-agent: *\nDisallow:\nSitemap https://x.org/e.xml\n"
    assert read(text).sitemaps == (
        f"{HOST}/a.xml",
        "https://other.example/b.xml",
        "http://10.0.0.1/c.xml",  # which the guard refuses when it is connected to
        f"{HOST}/a%20b",
        "https://x.org/e.xml",
    )
    many = read("".join(f"Sitemap: /{number}.xml\n" for number in range(1000))).sitemaps
    assert many == tuple(f"{HOST}/{number}.xml" for number in range(100))


def test_crawlers_of_training_data_that_are_kept_out_are_named() -> None:
    rules = read(
        "User-agent: GPTBot\nUser-agent: CCBot/2.0\nDisallow: /\n\nUser-agent: Kangaroo Bot\nDisallow: /news\n\n"
        "User-agent: ClaudeBot\nAllow: /\n\nUser-agent: Googlebot\nDisallow: /\n\nUser-agent: *\nDisallow: /private\n"
    )
    assert rules.refused_agents(f"{HOST}/a") == ("CCBot", "GPTBot")
    assert rules.refused_agents(f"{HOST}/news/1") == ("CCBot", "GPTBot", "Kangaroo Bot")
    assert rules.allows(f"{HOST}/news/1")
    slow = read("User-agent: CCBot\nCrawl-delay: 9\n\nUser-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nAllow: /\n")
    assert slow.refused_agents(f"{HOST}/a") == ("GPTBot",)
    assert read("User-agent: *\nDisallow: /\n").refused_agents(f"{HOST}/a") == ()
    assert len({agent.lower() for agent in training_agents()}) == len(training_agents()) > 20


LINES = st.sampled_from(
    [
        "User-agent: *",
        "User-agent: ulmkit",
        "User-agent: GPTBot",
        "Disallow: /",
        "Allow: /*a$",
        "Disallow",
        "Sitemap: //[",
        "Request-rate: 9/9",
        "Content-Signal: a",
        "\ufeff",
        "\0",
        "\x85",
        "%",
        "%zz",
        "$",
        "*",
        "\udc80",
    ]
)


@given(st.one_of(st.binary(), st.lists(LINES).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))))
@examples(500)
def test_nothing_is_raised_for_what_a_file_holds(data: bytes) -> None:
    rules = read(data)
    assert rules.allows(f"{HOST}/robots.txt")
    rules.allows(f"{HOST}/a%FF?b=%D8")
    rules.refused_agents(f"{HOST}/")


PLAIN = st.sampled_from(
    [*(f"User-agent: {name}" for name in ("*", "ulmkit", "GPTBot", "CCBot", "otherbot")), "", "# x", "Crawl-delay: 1"]
    + [f"{kind}: {path}" for kind in ("Allow", "Disallow") for path in ("/", "/a", "/a/*b", "/*.html$", "/%D8", "")]
)


@given(st.lists(PLAIN, max_size=30))
@examples(1000)
def test_plain_files_are_read_as_by_protego_alone(lines: list[str]) -> None:
    """It is right where no name is a part of another and every line is a known one."""
    rules, alone = read("\n".join(lines)), Protego.parse("\n".join(lines))
    named = {line.rpartition(" ")[2] for line in lines if line.startswith("User-agent")}
    for path in ("/", "/a", "/a/xb", "/c.html", "/a/b.html", "/%d8%a7"):
        assert rules.allows(HOST + path) == alone.can_fetch(HOST + path, "ulmkit")
        refused = {name for name in named & {"GPTBot", "CCBot"} if not alone.can_fetch(HOST + path, name)}
        assert set(rules.refused_agents(HOST + path)) == refused


def test_groups_for_a_purpose_are_groups_of_their_own() -> None:
    rules = read("User-agent: *\nAllow: /\n\nUser-agent-purpose: AI-training\nUser-agent-purpose: x\nDisallow: /news\n")
    assert rules.allows(f"{HOST}/news/1")
    assert rules.refused_agents(f"{HOST}/news/1") == ("purpose: ai-training",)
    assert rules.refused_agents(f"{HOST}/a") == ()


def test_rules_travel_between_processes() -> None:
    rules = read("User-agent: *\nDisallow: /b\n\nUser-agent: GPTBot\nDisallow: /\n")
    again = pickle.loads(pickle.dumps(rules))  # noqa: S301 — our own
    assert again == rules
    assert not again.allows(f"{HOST}/b")
    assert again.refused_agents(f"{HOST}/a") == ("GPTBot",)


@given(
    st.lists(st.text("/ab%61D8A7*$.?=~é\u06cc", max_size=8), max_size=4),
    st.lists(st.text("/ab%61D8A7.?=~;#é\u06cc", max_size=10), min_size=5, max_size=20),
)
@examples(150)
def test_what_is_free_without_a_match_is_free_with_one(patterns: list[str], paths: list[str]) -> None:
    lines = ["User-agent: ulmkit", *(f"Disallow: {pattern}" for pattern in patterns)]
    rules, alone = read("\n".join(lines)), Protego.parse("\n".join([*lines, "crawl-delay: 0"]))
    for path in ("/wp-admin", *paths):
        assert rules.allows(f"{HOST}/{path}") == alone.can_fetch(f"{HOST}/{path}", "ulmkit")


def test_crawlers_to_whom_the_same_is_said_are_asked_about_once() -> None:
    rules = read("User-agent: GPTBot\nDisallow: /a\n\nUser-agent: CCBot\nDisallow: /a\n\nUser-agent: ClaudeBot\n")
    assert len(set(rules.groups)) == 2
    assert set(rules.refused_agents(f"{HOST}/a%20b")) == {"GPTBot", "CCBot"}
