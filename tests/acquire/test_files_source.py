"""Files that a language declares: pinned by their hash, or by what they were when they first came."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dump_server import Server, serving

from ulmkit.acquire.blocking import Client
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.kinds.files import fetch, file_name
from ulmkit.acquire.sources import fetcher
from ulmkit.errors import InputError, UsageError
from ulmkit.language.sources import FilesSource

LAWS = b'{"text": "\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85"}\n' * 2000
OTHER = LAWS.upper()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        state.put("/laws.jsonl", LAWS)
        yield state


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def source(server: Server, **keys: object) -> FilesSource:
    return FilesSource("laws", "files", f"{server.url}/laws.jsonl", "CC0-1.0", delay_s=0.0, **keys)  # type: ignore[arg-type]


def opened_to(server: Server) -> Guard:
    return Guard(allowed=frozenset({("127.0.0.1", int(server.url.rpartition(":")[2]))}))


def brought(server: Server, raw: Path, told: list[str] | None = None, **keys: object):
    client = Client(delay_s=0.0, attempts=2, sleep=lambda _: None, guard=opened_to(server))
    report = (lambda progress: told.append(str(progress))) if told is not None else (lambda _: None)
    return fetch(source(server, **keys), raw, progress=report, client=client)


def test_a_file_comes_whole_and_checked(server: Server, tmp_path: Path) -> None:
    server.faults["/laws.jsonl"] = [("cut", 1000), 503]
    fetched = brought(server, tmp_path, sha256=sha256(LAWS).upper())
    assert [path.read_bytes() for path in fetched.files] == [LAWS]
    assert fetched.pins["files"][f"{server.url}/laws.jsonl"] == {
        "name": fetched.files[0].name,
        "bytes": len(LAWS),
        "sha256": sha256(LAWS),
        "declared": True,
    }
    assert server.ranges("/laws.jsonl")[-1] == "bytes=1000-"


def test_a_file_with_another_hash_than_declared_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source 'laws': .*sha256 is .*, published is .*, twice.*--input"):
        brought(server, tmp_path, sha256=sha256(OTHER))
    assert not list(tmp_path.glob("files/laws/*.jsonl"))


def test_the_first_download_pins_a_file_and_says_so(server: Server, tmp_path: Path) -> None:
    told: list[str] = []
    path = brought(server, tmp_path, told).files[0]
    assert any(f"is pinned: sha256 = {sha256(LAWS)[:20]}" in line for line in told), told
    asked = len(server.requests)
    told.clear()
    assert brought(server, tmp_path, told).files == [path]
    assert (len(server.requests), told) == (asked, [])
    path.unlink()
    server.put("/laws.jsonl", OTHER)
    with pytest.raises(InputError, match=r"is not what it was when it was first brought .* remove "):
        brought(server, tmp_path)
    server.put("/laws.jsonl", LAWS)
    assert brought(server, tmp_path).files[0].read_bytes() == LAWS


def test_a_hash_that_is_declared_later_decides(server: Server, tmp_path: Path) -> None:
    """Over what the first download pinned; what is here and has it is not brought again."""
    brought(server, tmp_path)
    asked = len(server.requests)
    assert brought(server, tmp_path, sha256=sha256(LAWS)).files[0].read_bytes() == LAWS
    assert len(server.requests) == asked
    server.put("/laws.jsonl", OTHER)
    assert brought(server, tmp_path, sha256=sha256(OTHER)).files[0].read_bytes() == OTHER


def test_pins_that_somebody_changed_pin_nothing(server: Server, tmp_path: Path) -> None:
    brought(server, tmp_path)
    pins = tmp_path / "files" / "laws" / "pins.json"
    pins.write_text(pins.read_text().replace(sha256(LAWS), sha256(OTHER)))
    assert brought(server, tmp_path).pins["files"][f"{server.url}/laws.jsonl"]["sha256"] == sha256(LAWS)


def test_files_of_one_name_lie_side_by_side(server: Server, tmp_path: Path) -> None:
    server.put("/other/laws.jsonl", OTHER)
    more = {f"{server.url}/other/laws.jsonl": sha256(OTHER)}
    fetched = brought(server, tmp_path, more=more)
    assert [path.read_bytes() for path in fetched.files] == [LAWS, OTHER]


def test_a_file_over_the_budget_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"more than 1,000 bytes: 42,000"):
        brought(server, tmp_path, max_bytes=1000)


def test_a_file_inside_of_a_network_is_asked_for_only_where_that_is_allowed(server: Server, tmp_path: Path) -> None:
    """A folder from elsewhere declares addresses; its user did not name them."""
    with pytest.raises(InputError, match=r"is not connected to: inside of a network.*--allow-address"):
        fetch(source(server), tmp_path)
    assert not server.requests
    assert fetch(source(server), tmp_path, guard=opened_to(server)).files[0].read_bytes() == LAWS


@pytest.mark.parametrize(
    ("locator", "digest", "says"),
    [
        ("ftp://example.org/x", "", "neither http:// nor https://"),
        ("laws.jsonl", "", "neither http:// nor https://"),
        ("https://example.org/x", "abc", "'abc' is no SHA-256"),
    ],
)
def test_what_is_no_file_on_the_web_is_refused(tmp_path: Path, locator: str, digest: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        fetch(FilesSource("laws", "files", locator, "CC0-1.0", sha256=digest), tmp_path)


@pytest.mark.parametrize(
    ("url", "ending"),
    [
        ("https://example.org/../../etc/passwd", "-passwd"),
        ("https://example.org/a%2F..%2f..%2Fx.txt", "-x.txt"),
        ("https://example.org/..", ""),
        ("https://example.org/", ""),
        ("https://example.org/" + "x" * 500 + ".gz", "x.gz"),
        ("https://example.org/.bashrc", "-bashrc"),
        ("https://example.org/نامه.txt", "-txt"),
    ],
)
def test_a_name_on_disk_is_plain_whatever_the_address(url: str, ending: str) -> None:
    name = file_name(url)
    assert name.endswith(ending)
    assert name.isascii()
    assert len(name) < 140
    assert "/" not in name
    assert name[0].isalnum()


def test_the_kind_is_found_by_its_name() -> None:
    assert fetcher("files") is fetch
