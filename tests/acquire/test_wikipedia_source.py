"""A wiki's dump, from a server that behaves, and from servers that do not."""

import bz2
import hashlib
import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from dump_server import END, SITE, Server, articles, multistream, serving
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.acquire.address import address_of
from ulmkit.acquire.blocking import Client, retry_after
from ulmkit.acquire.kinds.wikipedia import fetch as fetch_wikipedia
from ulmkit.acquire.sources import fetch_source, fetcher
from ulmkit.document import RawDocument, Unreadable
from ulmkit.errors import ArtifactError, InputError, LanguageError, UsageError
from ulmkit.formats.read import read_file
from ulmkit.language.sources import WikimediaSource

SPEC = WikimediaSource("wikipedia", "wikipedia", "xxwiki", "CC-BY-SA-4.0", delay_s=0.0)
DUMP, INDEX = multistream(articles(1, 20))
NAME = "xxwiki-20240201-pages-articles-multistream.xml.bz2"
PATH = f"/xxwiki/20240201/{NAME}"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        state.add_dump("xxwiki", "20240101", [("", DUMP[:0] + multistream(articles(1, 3))[0], b"")])
        state.add_dump("xxwiki", "20240201", [("", DUMP, INDEX)])
        yield state


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "xx" / "raw"


class Sleeper:
    """A clock that only remembers how long it should have slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def client(**settings: object) -> Client:
    defaults: dict[str, object] = {
        "delay_s": 0.0,
        "sleep": Sleeper(),
        "connect_s": 20,
        "header_s": 20,
        "window_s": 20,
        "attempts": 3,
    }
    return Client(**(defaults | settings))  # type: ignore[arg-type]


def brought(server: Server, raw: Path, *, limit: int | None = None, spec: WikimediaSource = SPEC, **settings: object):
    return fetch_wikipedia(spec, raw, mirror=server.url, limit=limit, client=client(**settings))


def titles(files: list[Path]) -> list[str]:
    found = [record for path in files for record in read_file(path)]
    assert not [r for r in found if isinstance(r, Unreadable) and r.reason not in ("redirect", "namespace")]
    return [record.title for record in found if isinstance(record, RawDocument)]


def test_newest_dump_arrives_whole_and_pinned(server: Server, raw: Path) -> None:
    """The newest complete date is downloaded, checked, and named in the pins."""
    fetched = brought(server, raw)
    assert fetched.files == [raw / "wikipedia" / "xxwiki-20240201" / NAME]
    assert fetched.files[0].read_bytes() == DUMP
    assert fetched.pins["date"] == "20240201"
    assert fetched.pins["files"][NAME] == {
        "bytes": len(DUMP),
        "verified": True,
        "sha1": hashlib.sha1(DUMP, usedforsecurity=False).hexdigest(),
        "md5": hashlib.md5(DUMP, usedforsecurity=False).hexdigest(),
    }
    assert titles(fetched.files) == [f"Artikkel {n}" for n in range(1, 61, 3)]


def test_every_request_says_who_asks(server: Server, raw: Path) -> None:
    """All requests carry a User-Agent that names ulmkit."""
    brought(server, raw)
    assert all(headers["User-Agent"].startswith("ulmkit/") for _, headers in server.requests)


def test_second_run_downloads_nothing(server: Server, raw: Path) -> None:
    """A file that is there with its published size is not asked for again."""
    brought(server, raw)
    server.sent.clear()
    brought(server, raw)
    assert PATH not in server.sent


def test_incomplete_newest_date_gives_the_one_before(server: Server, raw: Path) -> None:
    """A dump that is still being written is passed over."""
    server.add_dump("xxwiki", "20240220", [("", DUMP, INDEX)], status="in-progress")
    assert brought(server, raw).pins["date"] == "20240201"


def test_date_can_be_pinned(server: Server, raw: Path) -> None:
    """A source that names its date gets that date."""
    spec = WikimediaSource("wikipedia", "wikipedia", "xxwiki", "CC-BY-SA-4.0", delay_s=0.0, date="20240101")
    assert brought(server, raw, spec=spec).pins["date"] == "20240101"


def test_parts_come_in_page_order_and_instead_of_the_whole(server: Server, raw: Path) -> None:
    """Numbered parts are units of their own, ordered by their first page."""
    first, second = multistream(articles(1, 4)), multistream(articles(100, 4))
    server.add_dump("xxwiki", "20240301", [("2 -p100p130", *second), ("1 -p1p20", *first), ("", DUMP, INDEX)])
    fetched = brought(server, raw)
    assert [path.name.partition("multistream")[2] for path in fetched.files] == [
        "1.xml-p1p20.bz2",
        "2.xml-p100p130.bz2",
    ]
    assert titles(fetched.files) == [f"Artikkel {n}" for n in (1, 4, 7, 10, 100, 103, 106, 109)]


def test_mirror_without_status_file_is_read_by_its_checksums(server: Server, raw: Path) -> None:
    """A mirror that leaves dumpstatus.json out still has the checksum list."""
    del server.files["/xxwiki/20240201/dumpstatus.json"]
    line = f"{hashlib.sha1(DUMP, usedforsecurity=False).hexdigest()}  {NAME}\n"
    server.put("/xxwiki/20240201/xxwiki-20240201-sha1sums.txt", line.encode())
    fetched = brought(server, raw)
    assert fetched.pins["date"] == "20240201"
    assert fetched.pins["files"][NAME]["verified"]


def test_cut_connection_is_resumed_where_it_stopped(server: Server, raw: Path) -> None:
    """After a cut only the missing bytes are asked for."""
    server.faults[PATH] = [("cut", 1000), ("cut", 500)]
    assert brought(server, raw).files[0].read_bytes() == DUMP
    assert server.ranges(PATH) == ["", "bytes=1000-", "bytes=1500-"]
    assert server.sent[PATH] == len(DUMP)


def test_killed_download_is_resumed_by_the_next_run(server: Server, raw: Path) -> None:
    """What an interrupted run left is kept, under no final name, and used."""
    server.faults[PATH] = [("cut", 700), *[503] * 9]
    with pytest.raises(InputError, match="503"):
        brought(server, raw)
    folder = raw / "wikipedia" / "xxwiki-20240201"
    assert not (folder / NAME).exists()
    server.faults[PATH] = []
    assert brought(server, raw).files[0].read_bytes() == DUMP
    assert server.ranges(PATH)[-1] == "bytes=700-"
    assert sorted(path.name for path in folder.iterdir()) == ["pins.json", NAME]


def test_changed_file_starts_over(server: Server, raw: Path) -> None:
    """A file whose ETag changed since the cut is not glued to the old beginning."""
    old = bytes(reversed(DUMP))
    server.files[PATH], server.versions[PATH] = old, '"old"'
    server.faults[PATH] = [("cut", 900), *[503] * 9]
    with pytest.raises(InputError):
        brought(server, raw)
    server.faults[PATH] = []
    server.put(PATH, DUMP)
    assert brought(server, raw).files[0].read_bytes() == DUMP
    assert server.requests[-1][1]["If-Range"] == '"old"'


def test_wrong_checksum_is_fetched_once_more(server: Server, raw: Path) -> None:
    """One damaged copy is set aside and replaced."""
    wrong = bytes([DUMP[0] ^ 1]) + DUMP[1:]
    server.files[PATH] = wrong
    answers = iter([wrong, DUMP])

    class Changing(dict[str, bytes]):
        def get(self, key: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
            return next(answers) if key == PATH else super().get(key, default)

    server.files = Changing(server.files)
    fetched = brought(server, raw)
    assert fetched.files[0].read_bytes() == DUMP
    assert fetched.files[0].with_name(NAME + ".rejected").read_bytes() == wrong


def test_checksum_wrong_twice_is_refused(server: Server, raw: Path) -> None:
    """A file that never has its published checksum gets no final name."""
    server.files[PATH] = bytes([DUMP[0] ^ 1]) + DUMP[1:]
    with pytest.raises(InputError, match=r"sha1 is .* published is .* twice"):
        brought(server, raw)
    assert server.ranges(PATH) == ["", ""]
    assert not (raw / "wikipedia" / "xxwiki-20240201" / NAME).exists()


def test_busy_server_is_given_the_time_it_asks_for(server: Server, raw: Path) -> None:
    """503 with Retry-After waits so long and tries again."""
    server.faults["/xxwiki/"] = [(503, {"Retry-After": "7"}), (429, {"Retry-After": "-3"}), 500]
    sleeper = Sleeper()
    assert brought(server, raw, sleep=sleeper, attempts=4).pins["date"] == "20240201"
    # nonsense and silence: our own pause, doubled each time; what a busy machine lets time out comes after
    assert sleeper.slept[:3] == [7.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("15", 15.0),
        ("99999999", 120.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 120.0),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds and dates are understood, absurd ones capped, past ones and nonsense not believed."""
    assert retry_after(value, 100.0) == seconds


@given(st.text(max_size=40))
@examples(300)
def test_retry_after_never_fails(value: str) -> None:
    """Whatever a server writes, the wait is within bounds."""
    seconds = retry_after(value, 0.0)
    assert seconds is None or 0 <= seconds <= 120


def test_requests_keep_their_distance(server: Server, raw: Path) -> None:
    """Two requests are never closer than the delay that the source declares."""
    sleeper = Sleeper()
    brought(server, raw, delay_s=5.0, sleep=sleeper)
    # on a busy machine a request may fail before the server counts it, and is tried again after a pause of its own
    distances = [pause for pause in sleeper.slept if pause > 4.0]
    assert len(distances) >= len(server.requests) - 1 > 0
    assert all(pause <= 5.0 for pause in distances)


def test_crawling_body_is_given_up(server: Server, raw: Path) -> None:
    """A body that stops moving costs the read timeout, not forever, and is resumed."""
    server.faults[PATH] = [("slow", 600)]
    patient = 3  # the rest must come in that time, also where the machine is busy
    assert brought(server, raw, window_s=patient).files[0].read_bytes() == DUMP
    assert server.ranges(PATH) == ["", "bytes=600-"]


def test_slow_drip_is_below_the_minimum_speed(server: Server) -> None:
    """Bytes that keep coming, but too slowly, end the attempt."""
    drip = client(min_speed=1e9, window_s=0.0)
    with drip.open(server.url + PATH) as response, pytest.raises(TimeoutError, match="bytes a second"):
        list(drip.body(response))


def test_first_articles_cost_a_few_blocks(server: Server, raw: Path) -> None:
    """With a limit exactly so many articles come, by ranges, as a dump of their own."""
    pages = articles(1, 2000, text=os.urandom(600).hex())
    dump, index = multistream(pages, a_block=99)
    server.add_dump("xxwiki", "20240401", [("", dump, index)])
    path = "/xxwiki/20240401/xxwiki-20240401-pages-articles-multistream.xml.bz2"
    fetched = brought(server, raw, limit=50)
    assert titles(fetched.files) == [f"Artikkel {n}" for n in range(1, 150, 3)]
    assert server.sent[path] < len(dump) / 10
    assert all(server.ranges(path)), "the whole file was never asked for"
    assert bz2.decompress(fetched.files[0].read_bytes()).decode().startswith(SITE)
    assert bz2.decompress(fetched.files[0].read_bytes()).decode().endswith(END)
    assert not fetched.pins["files"][fetched.files[0].name]["verified"]


@pytest.mark.parametrize("limit", [1, 2, 3, 19, 20, 21, 1000])
def test_limit_is_exact(server: Server, raw: Path, limit: int) -> None:
    """However the limit falls among the blocks, so many articles come, or all there are."""
    assert len(titles(brought(server, raw, limit=limit).files)) == min(limit, 20)


def test_limit_goes_on_into_the_next_part(server: Server, raw: Path) -> None:
    """Where a part ends before the limit, the next one continues."""
    first, second = multistream(articles(1, 4)), multistream(articles(100, 4))
    server.add_dump("xxwiki", "20240301", [("1 -p1p20", *first), ("2 -p100p130", *second)])
    assert titles(brought(server, raw, limit=6).files) == [f"Artikkel {n}" for n in (1, 4, 7, 10, 100, 103)]


def test_no_network_is_one_line_with_a_way_out(raw: Path, unused_port: int) -> None:
    """Without a network the message names --input and the demo of this language."""
    with pytest.raises(InputError) as error:
        fetch_wikipedia(SPEC, raw, mirror=f"http://127.0.0.1:{unused_port}", client=client())
    message = str(error.value)
    assert "\n" not in message
    assert "--input" in message
    assert "`ulmkit demo xx`" in message
    assert "Connection refused" in message


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_no_network_uses_what_was_brought_before(server: Server, raw: Path, unused_port: int) -> None:
    """A complete earlier download serves when the server cannot be reached; half of one does not."""
    fetched = brought(server, raw)
    gone = f"http://127.0.0.1:{unused_port}"
    assert fetch_wikipedia(SPEC, raw, mirror=gone, client=client()).files == fetched.files
    fetched.files[0].write_bytes(b"short")
    with pytest.raises(InputError):
        fetch_wikipedia(SPEC, raw, mirror=gone, client=client())


def test_unknown_wiki_says_so(server: Server, raw: Path) -> None:
    """A wiki that the server does not have is one line, without retries."""
    spec = WikimediaSource("wikipedia", "wikipedia", "nowiki", "CC-BY-SA-4.0", delay_s=0.0)
    with pytest.raises(InputError, match="/nowiki/: answers 404"):
        brought(server, raw, spec=spec)
    assert len(server.requests) == 1


def test_nothing_complete_says_so(raw: Path) -> None:
    """A wiki whose dumps are all unfinished names the dates it looked at."""
    with serving() as server:
        server.add_dump("xxwiki", "20240201", [("", DUMP, INDEX)], status="in-progress")
        with pytest.raises(InputError, match="none of 20240201 is complete"):
            brought(server, raw)


def test_full_disk_is_refused_before_the_first_byte(server: Server, raw: Path) -> None:
    """The published size is compared with the free space."""
    status = json.loads(server.files["/xxwiki/20240201/dumpstatus.json"])
    status["jobs"]["articlesmultistreamdump"]["files"][NAME]["size"] = 1 << 60
    server.put("/xxwiki/20240201/dumpstatus.json", json.dumps(status).encode())
    with pytest.raises(ArtifactError, match=r"bytes are needed, .* are free.*--limit 1000.*--input"):
        brought(server, raw)
    assert PATH not in server.sent


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_redirects_off_the_web_are_not_followed(server: Server, raw: Path, target: str) -> None:
    """A redirect to anything but http and https is an error."""
    server.faults["/xxwiki/"] = [(302, {"Location": target})]
    with pytest.raises(InputError, match="which is not followed"):
        brought(server, raw)


def test_redirect_loop_ends(server: Server, raw: Path) -> None:
    """Redirects are followed five times."""
    server.faults["/xxwiki/"] = [(302, {"Location": "/xxwiki/"})] * 50
    with pytest.raises(InputError, match="more than 5 redirects"):
        brought(server, raw)


def test_self_signed_certificate_is_refused() -> None:
    """No setting of ours turns the check of certificates off."""
    for named in (True, False):
        session = client().session(address_of("https://8.8.8.8"), named)
        assert session.certificates.verify_mode is ssl.CERT_REQUIRED
        assert session.certificates.check_hostname


@pytest.mark.parametrize("locator", ["../etc", "fa wiki", "", "https://fa.wikipedia.org"])
def test_locator_must_be_a_wiki(raw: Path, locator: str) -> None:
    """What is no database name is refused before anything is asked for."""
    with pytest.raises(UsageError, match="database name"):
        fetch_wikipedia(WikimediaSource("w", "wikipedia", locator, "x"), raw, client=client())


def test_kinds_are_found_by_name(server: Server, raw: Path) -> None:
    """A source's kind leads to its module; an unknown one names those there are."""
    assert fetcher("wikipedia") is fetch_wikipedia
    assert fetch_source(SPEC, raw, mirror=server.url, limit=1).pins["limit"] == 1
    with pytest.raises(LanguageError, match=r"no source kind 'telepathy'\. Known: .*wikipedia"):
        fetcher("telepathy")
