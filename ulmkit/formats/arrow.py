"""Arrow's own files and streams, read as Parquet files are: batch by batch, a few columns of them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ARROW_FILE = b"ARROW1\0\0"
ARROW_STREAM = b"\xff\xff\xff\xff"  # and how long the schema is
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream; one that was cut between two batches has none


class ArrowFile:
    """A file or a stream of record batches: what is asked here of `pyarrow.parquet.ParquetFile`.

    Raises `pyarrow.ArrowException` for what is none, here and while it is read.
    """

    def __init__(self, source: Path | IO[bytes]) -> None:
        import pyarrow as pa

        self._file = pa.OSFile(os.fspath(source)) if isinstance(source, Path) else pa.PythonFile(source, mode="r")
        self.schema_arrow, _ = self._read()

    def __enter__(self) -> "ArrowFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> tuple[Any, Iterator[Any]]:
        """The schema, and the batches from the first one on."""
        from pyarrow import ipc

        self._file.seek(0)
        is_file = self._file.read(len(ARROW_FILE)) == ARROW_FILE
        self._file.seek(0)
        if is_file:
            file = ipc.open_file(self._file)
            return file.schema, (file.get_batch(number) for number in range(file.num_record_batches))
        stream = ipc.open_stream(self._file)
        return stream.schema, self._to_its_end(stream)

    def _to_its_end(self, stream: Any) -> Iterator[Any]:
        import pyarrow as pa

        yield from stream
        self._file.seek(max(0, self._file.size() - len(_END)))
        if self._file.read() != _END:
            raise pa.ArrowInvalid("truncated: the stream has no end")

    def iter_batches(self, *, batch_size: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Record batches of at most `batch_size` rows, and of these `columns`."""
        for batch in self._read()[1]:
            part = batch.select(columns) if columns else batch
            part.validate(full=True)  # what is damaged might point behind its end
            for start in range(0, part.num_rows, batch_size):
                yield part.slice(start, batch_size)
