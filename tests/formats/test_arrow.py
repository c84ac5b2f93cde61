"""Arrow's files and streams: every row, a few columns, and damage told."""

import io
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from ulmkit.document import RawDocument, Unreadable
from ulmkit.formats import reasons
from ulmkit.formats.read import read_file

TEXTS = [f"Lugu number {number} räägib merest." for number in range(1500)]
TABLE = pa.table({"id": range(1500), "url": [f"https://naide.ee/{n}" for n in range(1500)], "text": TEXTS})


def written(kind: str) -> bytes:
    """`TABLE` in batches of 1,000 rows."""
    file = io.BytesIO()
    if kind == "feather":
        feather.write_feather(TABLE, file, chunksize=1000)
    else:
        new = ipc.new_stream if kind == "stream" else ipc.new_file
        with new(file, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=1000)
    return file.getvalue()


def read(tmp_path: Path, data: bytes, name: str = "a.arrow") -> tuple[list[RawDocument], list[str]]:
    (tmp_path / name).write_bytes(data)
    records = list(read_file(tmp_path / name))
    return (
        [record for record in records if isinstance(record, RawDocument)],
        [record.reason for record in records if isinstance(record, Unreadable)],
    )


@pytest.mark.parametrize("kind", ["feather", "file", "stream"])
@pytest.mark.parametrize("name", ["a.arrow", "a.arrow.gz"])
def test_every_row_is_read_with_its_facts(kind: str, name: str, tmp_path: Path) -> None:
    import gzip

    data = written(kind)
    documents, complaints = read(tmp_path, gzip.compress(data) if name.endswith(".gz") else data, name)
    assert [document.content for document in documents] == TEXTS
    assert documents[7].url == "https://naide.ee/7"
    assert not complaints


def test_a_stream_that_is_cut_between_two_batches_is_told(tmp_path: Path) -> None:
    whole = written("stream")
    file = io.BytesIO()
    with ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE.slice(0, 1000), max_chunksize=1000)
    first = len(file.getvalue()) - 8  # the mark of the end
    assert whole.startswith(file.getvalue()[:first])
    documents, complaints = read(tmp_path, whole[:first])
    assert len(documents) == 1000
    assert complaints == [reasons.DAMAGED]


@pytest.mark.parametrize("kind", ["feather", "file", "stream"])
@pytest.mark.parametrize("kept", [20, 500, 0.5, 0.9])
def test_what_is_cut_is_told(kind: str, kept: float, tmp_path: Path) -> None:
    data = written(kind)
    _, complaints = read(tmp_path, data[: int(kept if kept > 1 else kept * len(data))])
    assert len(complaints) == 1
    assert complaints[0] in (reasons.DAMAGED, reasons.TRUNCATED)


def test_offsets_that_point_behind_the_end_are_told(tmp_path: Path) -> None:
    """They would be read as letters from anywhere in memory."""
    data = bytearray(written("stream"))
    offsets = b"".join(sum(map(len, map(str.encode, TEXTS[:n]))).to_bytes(4, "little") for n in range(1, 4))
    place = data.index(offsets)
    data[place : place + 4] = (1 << 30).to_bytes(4, "little")
    documents, complaints = read(tmp_path, bytes(data))
    assert (documents, complaints) == ([], [reasons.DAMAGED])
