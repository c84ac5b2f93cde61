"""Packed input: every packing in every other, cut, damaged and hostile, and nothing ever written."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file
from ulmkit.formats.streams import Limits

LINES = "".join(json.dumps({"text": f"Lause number {n} õäöü می‌خواهم."}, ensure_ascii=False) + "\n" for n in range(40))
TEXTS = [json.loads(line)["text"] for line in LINES.splitlines()]


def tarred(data: bytes, name: str = "sees/uudised.jsonl") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(data: bytes, name: str = "sees/uudised.jsonl", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def zstandard_frame(data: bytes) -> bytes:
    """Without a content size, as a pipe writes it."""
    return zstd.compress(data, options={zstd.CompressionParameter.content_size_flag: 0})


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard_frame,
    "tar": tarred,
    "zip": zipped,
}


def read(path: Path, **options: object) -> tuple[list[RawDocument], list[Unreadable]]:
    records = list(read_file(path, **options))  # type: ignore[arg-type]
    return (
        [record for record in records if isinstance(record, RawDocument)],
        [record for record in records if isinstance(record, Unreadable)],
    )


def read_bytes(folder: Path, data: bytes, name: str = "sisu", **options: object):
    path = folder / name
    path.write_bytes(data)
    found = read(path, **options)
    assert [entry.name for entry in folder.iterdir()] == [name], "reading writes nothing"
    path.unlink()
    return found


@pytest.mark.parametrize("packing", ["", *PACKINGS])
def test_each_packing_is_recognised_without_its_name(tmp_path: Path, packing: str) -> None:
    """The first bytes decide, not the suffix."""
    data = PACKINGS[packing](LINES.encode()) if packing else LINES.encode()
    documents, complaints = read_bytes(tmp_path, data, "fail.txt")
    assert [document.content for document in documents] == TEXTS
    assert not complaints


@pytest.mark.parametrize("order", list(itertools.permutations(PACKINGS, 2)))
def test_packings_nest_in_any_order(tmp_path: Path, order: tuple[str, str]) -> None:
    """tar in zst, gz in tar, zip in xz, and all others."""
    inner, outer = order
    documents, complaints = read_bytes(tmp_path, PACKINGS[outer](PACKINGS[inner](LINES.encode())))
    assert [document.content for document in documents] == TEXTS
    assert not complaints


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_members_follow_each_other(tmp_path: Path, packing: str) -> None:
    """Multistream files: members in a row, zero bytes between and after them."""
    half = LINES.index("\n", len(LINES) // 2) + 1
    parts = [PACKINGS[packing](LINES[:half].encode()), PACKINGS[packing](LINES[half:].encode())]
    padding = b"" if packing == "zst" else bytes(512)
    documents, complaints = read_bytes(tmp_path, padding.join(parts) + padding)
    assert [document.content for document in documents] == TEXTS
    assert not complaints


def test_skippable_zstd_frame_in_front(tmp_path: Path) -> None:
    """Parallel zstd writers put a skippable frame first."""
    data = struct.pack("<II", 0x184D2A50, 5) + b"hello" + zstandard_frame(LINES.encode())
    assert len(read_bytes(tmp_path, data)[0]) == 40


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip_methods(tmp_path: Path, method: int) -> None:
    """Stored, deflated and bzip2 members are read alike."""
    documents, complaints = read_bytes(tmp_path, zipped(LINES.encode(), method=method))
    assert len(documents) == 40
    assert not complaints


def big() -> bytes:
    """Lines that do not compress away, so that a cut falls inside them."""
    rng = random.Random(1)
    return b"".join(b'{"text": "%d %s"}\n' % (n, rng.randbytes(150).hex().encode()) for n in range(3000))


BIG = big()


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "tar"])
@pytest.mark.parametrize("share", [0.001, 0.4, 0.98])
def test_cut_files_are_read_to_the_cut_and_say_so_once(tmp_path: Path, packing: str, share: float) -> None:
    """What lies before the cut arrives as it was; one `truncated` follows; no half record comes through."""
    whole = PACKINGS[packing](BIG)
    documents, complaints = read_bytes(tmp_path, whole[: int(len(whole) * share)])
    assert [complaint.reason for complaint in complaints] == [reasons.TRUNCATED]
    expected = [json.loads(line)["text"] for line in BIG.splitlines()]
    assert [document.content for document in documents] == expected[: len(documents)]
    # a block coder gives nothing of the block that is cut: bzip2's and zstd's are up to a megabyte of this text
    assert len(documents) >= 3000 * share - 2900 or packing == "tar"
    if packing in ("gz", "tar") and share > 0.1:
        assert len(documents) > 2980 * share - 20


def test_zip_without_its_end_is_truncated(tmp_path: Path) -> None:
    """A zip's table of contents stands at its end; without it the file says what happened."""
    _, complaints = read_bytes(tmp_path, zipped(BIG)[:-100])
    assert [complaint.reason for complaint in complaints] == [reasons.TRUNCATED]


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
def test_damage_in_the_middle_is_said(tmp_path: Path, packing: str) -> None:
    """A flipped bit is found by the format's own checksum."""
    data = bytearray(PACKINGS[packing](BIG))
    data[len(data) // 2] ^= 0x10
    _, complaints = read_bytes(tmp_path, bytes(data))
    assert any(complaint.reason == reasons.DAMAGED for complaint in complaints)


def test_damaged_zip_member_is_said_and_the_next_is_read(tmp_path: Path) -> None:
    """The checksum of one member fails; the others stand."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.txt", "Esimene dokument on siin.")
        archive.writestr("b.txt", "Teine dokument on siin.")
    documents, complaints = read_bytes(tmp_path, out.getvalue().replace(b"Esimene", b"Esimenf"))
    assert [(complaint.where, complaint.reason) for complaint in complaints] == [("sisu/a.txt", reasons.DAMAGED)]
    assert documents[-1].content == "Teine dokument on siin."


def test_bytes_after_the_end_are_said(tmp_path: Path) -> None:
    """Something else glued to a gzip file is counted, not dropped in silence."""
    documents, complaints = read_bytes(tmp_path, gzip.compress(LINES.encode()) + b"and more")
    assert len(documents) == 40
    assert [complaint.reason for complaint in complaints] == [reasons.DAMAGED]


SMALL = Limits(ratio=50, floor=1 << 20)


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "zip"])
def test_bombs_stop_at_the_budget(tmp_path: Path, packing: str) -> None:
    """Sixteen megabytes of zeros as text end after about one."""
    data = PACKINGS[packing]((b" " * 999 + b"\n") * 16_000)
    documents, complaints = read_bytes(tmp_path, data, limits=SMALL)
    assert not documents or packing != "zip"
    assert reasons.BOMB in [complaint.reason for complaint in complaints]


def test_a_bomb_is_one_however_many_members_it_is_in(tmp_path: Path) -> None:
    """The budget is the file's: a thousand small bombs are one large one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(200):
            archive.writestr(f"{n}.txt", b"a " * 50_000)
    documents, complaints = read_bytes(tmp_path, out.getvalue(), limits=SMALL)
    assert len(documents) * 100_000 < SMALL.ratio * len(out.getvalue()) + SMALL.floor
    assert complaints[-1].reason == reasons.BOMB


def test_bombs_inside_bombs_share_the_budget(tmp_path: Path) -> None:
    """Layers do not multiply what is allowed."""
    data = gzip.compress(gzip.compress(bytes(b"b" * (1 << 24))))
    assert read_bytes(tmp_path, data, limits=SMALL)[1][-1].reason == reasons.BOMB


def test_real_text_is_no_bomb(tmp_path: Path) -> None:
    """Repetitive but ordinary text stays far below the ratio."""
    data = lzma.compress(("Sama lause tuleb ikka ja jälle. " * 3 + "\n").encode() * 20_000)
    documents, complaints = read_bytes(tmp_path, data)
    assert len(documents) == 1
    assert not complaints


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    """Ten layers are too many."""
    data = LINES.encode()
    for _ in range(10):
        data = gzip.compress(data)
    assert [complaint.reason for complaint in read_bytes(tmp_path, data)[1]] == [reasons.NESTING]


def special_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind, name in (
            (tarfile.SYMTYPE, "link"),
            (tarfile.LNKTYPE, "hard"),
            (tarfile.CHRTYPE, "device"),
            (tarfile.FIFOTYPE, "pipe"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name in ("../../escape.txt", "/absolute.txt", "x/../y.txt", "twice.txt", "twice.txt", ".hidden.txt"):
            info = tarfile.TarInfo(name)
            info.size = 24
            archive.addfile(info, io.BytesIO(b"Tavaline tekst failis. \n"))
    return out.getvalue()


def test_links_and_devices_in_archives_are_refused(tmp_path: Path) -> None:
    """Special members are counted by name; names that climb out are only names; equal names get different ids."""
    documents, complaints = read_bytes(tmp_path, special_tar(), "a.tar")
    assert [(c.where, c.reason) for c in complaints] == [
        (f"a.tar/{name}", reasons.LINK) for name in ("link", "hard", "device", "pipe")
    ]
    assert [document.id for document in documents] == [
        "a.tar/../../escape.txt",
        "a.tar//absolute.txt",
        "a.tar/x/../y.txt",
        "a.tar/twice.txt",
        "a.tar/twice.txt~2",
    ]


def test_symbolic_links_in_zips_are_refused(tmp_path: Path) -> None:
    """A zip carries Unix modes; a link among them is refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert [complaint.reason for complaint in read_bytes(tmp_path, out.getvalue())[1]] == [reasons.LINK]


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    """A member that needs a password is counted as such."""
    data = bytearray(zipped(b"Tere, maailm!"))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    assert [complaint.reason for complaint in read_bytes(tmp_path, bytes(data))[1]] == [reasons.ENCRYPTED]


def test_long_names_and_large_numbers_in_tar(tmp_path: Path) -> None:
    """GNU and POSIX long names are both understood."""
    name = "kaust/" * 40 + "lõpp.jsonl"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            info = tarfile.TarInfo(name if form != tarfile.USTAR_FORMAT else "kaust/" * 20 + "lõpp.jsonl")
            info.size = len(LINES.encode())
            archive.addfile(info, io.BytesIO(LINES.encode()))
        documents, complaints = read_bytes(tmp_path, out.getvalue())
        assert len(documents) == 40
        assert documents[0].id == f"sisu/{info.name}#1"
        assert not complaints


def test_hostile_tar_headers_cost_nothing(tmp_path: Path) -> None:
    """A long name of eight gigabytes, a negative size and a wrong checksum are one complaint each."""
    block = bytearray(tarred(b"x")[:512])

    def checked(changes: dict[int, bytes]) -> bytes:
        made = bytearray(block)
        for at, value in changes.items():
            made[at : at + len(value)] = value
        made[148:156] = b" " * 8
        made[148:156] = b"%06o\0 " % sum(made)
        return bytes(made) + bytes(2048)

    for changes, reason in (
        ({124: b"77777777777\0", 156: b"L"}, reasons.TOO_LARGE),
        ({124: b"-0000000005\0"}, reasons.DAMAGED),
    ):
        assert [c.reason for c in read_bytes(tmp_path, checked(changes))[1]] == [reason]


FIXTURES = [pack(LINES.encode()) for pack in PACKINGS.values()]
FIXTURES += [gzip.compress(tarred(LINES.encode())), special_tar(), zipped(gzip.compress(LINES.encode()))]


@given(st.data())
@examples(150)
def test_nothing_in_a_file_raises(data: st.DataObject) -> None:
    """Packed files with bytes changed, removed and doubled end in documents and complaints, never in an exception."""
    fixture = bytearray(data.draw(st.sampled_from(FIXTURES)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(fixture) - 1, 0)))
        match data.draw(st.sampled_from(("change", "cut", "double", "remove"))):
            case "change":
                fixture[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
            case "cut":
                del fixture[at:]
            case "double":
                fixture[at:at] = fixture[at : at + 40]
            case _:
                del fixture[at : at + data.draw(st.integers(1, 40))]
    with memory_file(bytes(fixture)) as path:
        for record in read_file(path, limits=SMALL):
            if isinstance(record, Unreadable):
                assert record.reason in reasons.MEANING
                assert "\n" not in record.detail


class memory_file:  # noqa: N801 — a context manager that reads like a function
    """Bytes as a file without a disk."""

    def __init__(self, data: bytes) -> None:
        self.descriptor = os.memfd_create("fixture")
        os.write(self.descriptor, data)

    def __enter__(self) -> Path:
        return Path(f"/proc/self/fd/{self.descriptor}")

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def test_progress_hears_every_byte(tmp_path: Path) -> None:
    """The sizes reported add up to the file's."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(BIG))
    heard: list[int] = []
    list(read_file(path, progress=heard.append))
    assert sum(heard) == path.stat().st_size


@pytest.mark.slow
def test_memory_stays_flat_over_a_large_member(tmp_path: Path) -> None:
    """Forty megabytes in a tar.gz pass through a few."""
    import tracemalloc

    def lines() -> Iterator[bytes]:
        for n in range(40_000):
            yield b'{"text": "%s"}\n' % (b"%d " % n * 200)[:1000]

    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tarred(b"".join(lines())), 1))
    tracemalloc.start()
    count = sum(isinstance(record, RawDocument) for record in read_file(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 8_000_000
