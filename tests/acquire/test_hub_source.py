"""A data set of a hub: at one commit, whole or refused, whatever happens meanwhile."""

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hub_server import Hub, hub_server
from raw_server import ok, raw_server

from ulmkit.acquire import address
from ulmkit.acquire.blocking import Client
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.kinds.hub import fetch
from ulmkit.acquire.sources import Fetching, fetch_sources
from ulmkit.artifacts.layout import Layout
from ulmkit.errors import InputError, UsageError
from ulmkit.formats.inputs import read_input
from ulmkit.formats.origin import READING
from ulmkit.language.load import load_language
from ulmkit.language.places import bundled
from ulmkit.language.sources import HubSource

FIRST = {
    "README.md": b"# A set",
    "data/xx/train-00000.parquet": b"PAR1" + b"a" * 5000,
    "data/xx/train-00001.parquet": b"PAR1" + b"b" * 5000,
    "data/yy/train-00000.parquet": b"PAR1" + b"c" * 5000,
    "small.jsonl": b'{"text": "x"}\n',
}
SECOND = {**FIRST, "data/xx/train-00001.parquet": b"PAR1" + b"d" * 6000, "data/xx/train-00002.parquet": b"PAR1"}
XX = "data/xx/*.parquet"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as state:
        monkeypatch.setenv("HF_ENDPOINT", state.url)
        state.commit(FIRST)
        yield state


def source(**keys: object) -> HubSource:
    defaults: dict[str, object] = {"files": (XX,), "delay_s": 0.0}
    return HubSource("the-set", "hub", "owner/set", "ODC-By-1.0", **(defaults | keys))  # type: ignore[arg-type]


def brought(hub: Hub, raw: Path, slept: list[float] | None = None, **keys: object):
    waits = slept if slept is not None else []
    client = Client(delay_s=0.0, attempts=3, sleep=waits.append)
    return fetch(source(**keys), raw, client=client)


def contents(files: list[Path], raw: Path, commit: str) -> dict[str, bytes]:
    home = raw / "hub" / "the-set" / commit
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in files}


def chosen(files: dict[str, bytes], start: str) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if path.startswith(start)}


def resolved_files(hub: Hub) -> list[str]:
    return [path.rpartition("/")[2] for path in hub.paths() if "/resolve/" in path]


def test_files_come_whole_from_the_commit_that_the_branch_is(hub: Hub, tmp_path: Path) -> None:
    fetched = brought(hub, tmp_path)
    commit = hub.branches["main"]
    assert contents(fetched.files, tmp_path, commit) == chosen(FIRST, "data/xx")
    assert (fetched.pins["commit"], fetched.pins["revision"]) == (commit, "main")
    assert set(fetched.pins["files"]) == set(chosen(FIRST, "data/xx"))
    assert all("sha256" in entry for entry in fetched.pins["files"].values())


def test_without_patterns_what_can_be_read_is_taken(hub: Hub, tmp_path: Path) -> None:
    fetched = brought(hub, tmp_path, files=())
    assert set(fetched.pins["files"]) == set(FIRST) - {"README.md"}
    assert "git" in fetched.pins["files"]["small.jsonl"]


def test_a_branch_that_moves_in_the_middle_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    first = hub.branches["main"]
    path = f"/datasets/owner/set/resolve/{first}/data/xx/train-00000.parquet"
    hub.faults[path] = [lambda: hub.commit(SECOND) and None]
    assert contents(brought(hub, tmp_path).files, tmp_path, first) == chosen(FIRST, "data/xx")
    assert hub.branches["main"] != first


def test_a_run_that_was_stopped_goes_on_at_its_commit(hub: Hub, tmp_path: Path) -> None:
    first = hub.branches["main"]
    path = f"/datasets/owner/set/resolve/{first}/data/xx/train-00001.parquet"
    hub.faults[path] = [("cut", 700), *[503] * 9]
    with pytest.raises(InputError, match=r"503.*the same command goes on"):
        brought(hub, tmp_path)
    hub.faults.clear()
    hub.commit(SECOND)
    hub.requests.clear()
    assert contents(brought(hub, tmp_path).files, tmp_path, first) == chosen(FIRST, "data/xx")
    assert [headers.get("Range") for _, headers in hub.requests] == ["bytes=700-"]


def test_a_new_commit_is_looked_for_when_it_is_time(hub: Hub, tmp_path: Path) -> None:
    first = brought(hub, tmp_path)
    second = hub.commit(SECOND)
    hub.requests.clear()
    assert brought(hub, tmp_path).files == first.files
    assert not hub.requests
    again = brought(hub, tmp_path, refresh_days=0)
    assert contents(again.files, tmp_path, second) == chosen(SECOND, "data/xx")
    hub.requests.clear()
    brought(hub, tmp_path, refresh_days=0)
    assert not resolved_files(hub)


def test_a_commit_can_be_named(hub: Hub, tmp_path: Path) -> None:
    first = hub.branches["main"]
    hub.commit(SECOND)
    assert contents(brought(hub, tmp_path, revision=first).files, tmp_path, first) == chosen(FIRST, "data/xx")


@pytest.mark.parametrize(
    ("fields", "waited"), [({"Retry-After": "250"}, 250.0), ({"RateLimit": '"api";r=0;t=200'}, 201.0)]
)
def test_a_hub_that_asks_for_patience_is_given_it(
    hub: Hub, tmp_path: Path, fields: dict[str, str], waited: float
) -> None:
    """In the list and in the files: nothing is left out."""
    first = hub.branches["main"]
    for path in (
        f"/api/datasets/owner/set/tree/{first}",
        f"/datasets/owner/set/resolve/{first}/data/xx/train-00001.parquet",
    ):
        hub.faults[path] = [(429, fields)]
    slept: list[float] = []
    assert contents(brought(hub, tmp_path, slept).files, tmp_path, first) == chosen(FIRST, "data/xx")
    assert [seconds for seconds in slept if seconds > 100] == [waited, waited]


def test_a_hub_that_stays_busy_gives_nothing_and_not_half(hub: Hub, tmp_path: Path) -> None:
    first = hub.branches["main"]
    hub.faults[f"/datasets/owner/set/resolve/{first}/data/xx/train-00001.parquet"] = [429] * 9
    with pytest.raises(InputError, match="429"):
        brought(hub, tmp_path)


@pytest.mark.parametrize("name", ["data/xx/train-00000.parquet", "small.jsonl"])
def test_a_file_that_is_not_the_one_listed_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    """By its SHA-256, or by the hash that git gives it."""
    listed = hub.listed(hub.branches["main"])
    hub.listed = lambda commit: listed  # type: ignore[method-assign]
    hub.commits[hub.branches["main"]] = {**FIRST, name: FIRST[name].swapcase()}
    with pytest.raises(InputError, match=r"sha256 is .*twice|git's hash"):
        brought(hub, tmp_path, files=(name,))
    assert not (tmp_path / "hub" / "the-set" / hub.branches["main"] / name).exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../../evil.parquet"},
        {"path": "/etc/x.parquet"},
        {"path": "a\\b.parquet"},
        {"path": "a\n.parquet"},
        {"path": "x.parquet.download"},
        {"path": 5},
        {"size": -1},
        {"size": True},
        {"size": None},
        {"oid": "x"},
        {"lfs": {"oid": "zz"}},
        "no entry",
    ],
)
def test_a_list_that_cannot_be_believed_is_refused(hub: Hub, tmp_path: Path, entry: object) -> None:
    good = {"type": "file", "path": "x.parquet", "size": 3, "oid": "0" * 40}
    hub.listed = lambda commit: [good | entry if isinstance(entry, dict) else entry]  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"cannot be written|without its size") as error:
        brought(hub, tmp_path, files=("*",))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_list_that_goes_on_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server() as hub:
        hub.commit({f"{number}.parquet": b"x" for number in range(9)})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.url = "http://example.org"
        with pytest.raises(InputError, match=r"goes on at another server, http://example.org"):
            fetch(source(), tmp_path, client=Client(delay_s=0.0, sleep=lambda _: None))


def test_more_than_the_declaration_allows_is_refused_before_the_first_byte(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 files of owner/set have 10,008 bytes, max_bytes is 10,000.*--limit"):
        brought(hub, tmp_path, max_bytes=10_000)
    assert not resolved_files(hub)


def test_a_pattern_that_nothing_matches_says_what_there_is(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file of owner/set at .* is data/zz/\*\. It has 5: README\.md, data/xx"):
        brought(hub, tmp_path, files=("data/zz/*",))


def test_a_set_that_asks_for_consent_says_where_and_takes_a_token(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(
        InputError, match=rf"asks for consent.*accept it at {hub.url}/datasets/owner/set, then set HF_TOKEN"
    ):
        brought(hub, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    assert len(brought(hub, tmp_path).files) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]


def test_a_token_is_told_to_the_hub_alone(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files lie on another server, to which the hub leads."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("ulmkit.acquire.guard.public", lambda _: True)
    with hub_server() as store:
        store.commits, store.branches = hub.commits, hub.branches
        monkeypatch.setitem(address.PORTS, "http", int(store.url.rpartition(":")[2]))
        for path in chosen(FIRST, "data/xx"):
            where = f"/datasets/owner/set/resolve/{hub.branches['main']}/{path}"
            hub.faults[where] = [(302, {"Location": store.url.replace("127.0.0.1", "localhost") + where})]
        assert len(brought(hub, tmp_path).files) == 2
        assert len(store.requests) == 2
        assert not [headers for _, headers in store.requests if "Authorization" in headers]
    assert all("Authorization" in headers for _, headers in hub.requests)


@pytest.mark.parametrize(("revision", "locator"), [("nope", "owner/set"), ("main", "owner/none")])
def test_what_is_not_there_says_so(hub: Hub, tmp_path: Path, revision: str, locator: str) -> None:
    spec = HubSource("the-set", "hub", locator, "CC0-1.0", revision=revision, delay_s=0.0)
    with pytest.raises(
        InputError, match=rf"answers 404.*Is there a data set .*{locator}, with a revision '{revision}'"
    ):
        fetch(spec, tmp_path, client=Client(delay_s=0.0))


@pytest.mark.parametrize("answer", [b"[" * 100_000, b"<html>", b"{}", b'{"sha": 5}', b'{"sha": "main"}'])
def test_an_answer_that_is_no_hubs_is_one_line(tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(ok(answer)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(InputError, match=r"JSON|which commit") as error:
            fetch(source(), tmp_path, client=Client(delay_s=0.0, sleep=lambda _: None))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("locator", ["", "../x", "a/b/c", "https://example.org/a", "owner/..", "a b/c", ".hidden/x"])
def test_what_is_no_name_of_a_set_is_refused(tmp_path: Path, locator: str) -> None:
    with pytest.raises(UsageError, match="is no data set"):
        fetch(HubSource("the-set", "hub", locator, "CC0-1.0"), tmp_path)


def test_without_a_network_what_is_whole_is_used(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = brought(hub, tmp_path)
    hub.requests.clear()
    assert fetch(source(refresh_days=0), tmp_path, guard=Guard(offline=True)).files == fetched.files
    with pytest.raises(InputError, match="is not asked offline"):
        fetch(source(files=("*.jsonl",)), tmp_path, guard=Guard(offline=True))
    assert not hub.requests
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    client = Client(delay_s=0.0, sleep=lambda _: None)
    assert fetch(source(refresh_days=0), tmp_path, client=client).files == fetched.files
    fetched.files[0].write_bytes(b"short")
    with pytest.raises(InputError, match="cannot be reached"):
        fetch(source(refresh_days=0), tmp_path, client=client)


def rows_of(start: int, count: int) -> list[dict[str, str]]:
    return [{"text": f"Lause {number}. " + "x" * 200, "id": str(number)} for number in range(start, start + count)]


def parquet(rows: list[dict[str, str]], group: int) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=group, compression="none")
    return file.getvalue()


def lines(rows: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.mark.parametrize("limit", [1, 999, 1000, 1001, 20_500, 99_999])
def test_a_first_taste_reads_the_first_rows_by_range(hub: Hub, tmp_path: Path, limit: int) -> None:
    """As many as there are, over as many files as it takes, and little more than those."""
    hub.commit({"a.parquet": parquet(rows_of(0, 20_000), 1000), "b.parquet": parquet(rows_of(20_000, 1000), 1000)})
    hub.requests.clear()
    client = Client(delay_s=0.0, attempts=3, sleep=lambda _: None)
    fetched = fetch(source(files=(), max_bytes=1), tmp_path, limit=limit, client=client)
    found = [row for path in fetched.files for row in pq.read_table(path).to_pylist()]
    assert found == rows_of(0, min(limit, 21_000))
    if limit <= 1001:
        assert all("Range" in headers for path, headers in hub.requests if "/resolve/" in path)
        assert hub.sent < len(hub.commits[hub.branches["main"]]["a.parquet"]) / 4
    assert [name.rpartition("/")[2] for name in fetched.names.values()] == ["a.parquet", "b.parquet"][
        : len(fetched.files)
    ]
    asked = len(hub.requests)
    assert fetch(source(files=(), max_bytes=1), tmp_path, limit=limit, client=client).files == fetched.files
    assert len(hub.requests) == asked


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_a_first_taste_of_json_lines(hub: Hub, tmp_path: Path, ending: str) -> None:
    packed = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}[ending](lines(rows_of(0, 5000)))
    hub.commit({f"a.jsonl{ending}": packed})
    fetched = fetch(source(files=()), tmp_path, limit=7, client=Client(delay_s=0.0))
    assert fetched.files[0].read_bytes() == lines(rows_of(0, 7))
    assert list(fetched.names.values()) == ["first-7/a.jsonl"]


def test_a_first_taste_of_what_is_no_table_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train-00000\.parquet: no Parquet file"):
        fetch(source(), tmp_path, limit=7, client=Client(delay_s=0.0, sleep=lambda _: None))
    assert not [path for path in tmp_path.rglob("*.parquet") if path.is_file()]


def test_files_of_one_name_are_told_apart_by_their_folders(hub: Hub, tmp_path: Path) -> None:
    fetched = brought(hub, tmp_path, files=("data/*/train-00000.parquet",))
    assert list(fetched.names.values()) == ["data/xx/train-00000.parquet", "data/yy/train-00000.parquet"]
    assert list(fetched.names) == fetched.files


def test_a_build_reads_a_set_by_its_column_and_its_names(hub: Hub, tmp_path: Path) -> None:
    language = replace(
        load_language(bundled() / "et"), sources=(source(text_field="text", licence_field="Terms", files=()),)
    )
    rows = [row | {"Terms": terms} for row, terms in zip(rows_of(0, 3), ("CC-BY-4.0", "", None), strict=True)]
    hub.commit({"xx/a.parquet": parquet(rows, 3), "yy/a.jsonl": lines(rows)})
    brought = fetch_sources(language, Layout(tmp_path, "et"), Fetching(names=("the-set",)))
    assert [(item.key, item.source, item.text_field) for item in brought.inputs] == [
        ("xx/a.parquet", "the-set", "text"),
        ("yy/a.jsonl", "the-set", "text"),
    ]
    licences = [record.licence for item in brought.inputs for record in read_input(item, READING)]
    assert licences == ["CC-BY-4.0", "ODC-By-1.0", "ODC-By-1.0"] * 2
