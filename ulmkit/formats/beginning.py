"""The first records of a large file, without the rest of it: a first taste of a table or of JSON lines."""

import io
from pathlib import PurePosixPath
from typing import IO, Any, cast

from ulmkit.errors import InputError
from ulmkit.formats.streams import (
    CODECS,
    LIMITS,
    ByteBudget,
    FileBytes,
    Stream,
    decompressed,
)

ROWS_AT_A_TIME = 256
_PACKED = {".gz": "gzip", ".zst": "zstd"}


def beginning_name(path: str) -> str:
    """What the beginning of the file `path` is called: JSON lines are written unpacked.

    >>> beginning_name("data/a.jsonl.gz"), beginning_name("data/a.parquet")
    ('data/a.jsonl', 'data/a.parquet')
    """
    return path.removesuffix(".gz").removesuffix(".zst")


def copy_beginning(file: io.RawIOBase, path: str, target: IO[bytes], count: int, size: int) -> int:
    """Write the first `count` records of `file`, which is called `path` and has `size` bytes; how many there were.

    Raises `InputError` for what is no table and no JSON lines.
    """
    if path.endswith(".parquet"):
        return _rows(file, path, target, count)
    return _lines(file, path, target, count, size)


def _rows(file: io.RawIOBase, path: str, target: IO[bytes], count: int) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = 0
    try:
        # pages as they are needed, not a whole column of a row group
        table = pq.ParquetFile(cast(Any, file), buffer_size=1 << 18, pre_buffer=False)
        with pq.ParquetWriter(target, table.schema_arrow, compression="zstd") as writer:
            for batch in table.iter_batches(min(ROWS_AT_A_TIME, count)):
                batch = batch.slice(0, count - written)
                writer.write_batch(batch)
                written += batch.num_rows
                if written >= count:
                    break
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: no Parquet file ({str(error).splitlines()[0][:100]}).") from error
    return written


def _lines(file: io.RawIOBase, path: str, target: IO[bytes], count: int, size: int) -> int:
    stream = Stream(FileBytes(file, None))
    if coding := _PACKED.get(PurePosixPath(path).suffix):
        stream = decompressed(stream, CODECS[coding], LIMITS, ByteBudget(size, LIMITS))
    written = 0
    while written < count and (line := stream.readline(LIMITS.record)):
        if len(line) == LIMITS.record:
            raise InputError(f"{path}: a line of more than {LIMITS.record:,} bytes.")
        if line.strip():
            target.write(line.rstrip(b"\r\n") + b"\n")
            written += 1
    if stream.failure:
        raise InputError(f"{path}: damaged ({' '.join(stream.failed())}).")
    return written
