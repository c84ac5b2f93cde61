"""A file on a server, read where it is needed: a seekable file of which each read is a range of bytes.

What is read in small pieces is asked for in blocks. The file must be one and the same from the first range to the last.
"""

import io
import re

from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.formats.crawl_index import SpannedFile

RANGE_BLOCK = 1 << 18  # bytes asked for at least: a round trip costs more than their transfer
RANGE_LIMIT = 1 << 26  # bytes asked for at once
_SPAN = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")


class RangedFile(SpannedFile):
    """The file at `url`. `requests` and `received` say what it cost. Reads raise `FetchError`."""

    def __init__(self, client: Client, url: str, *, size: int | None = None, block: int = RANGE_BLOCK) -> None:
        super().__init__()
        self.client, self.url, self.block = client, url, block
        self.at = 0
        self.requests = self.received = 0
        self.version = ""
        self.held, self.start = b"", 0  # the last block, and where it begins
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the file; asked for with its end, where Parquet has its table of contents."""
        if self._size is None:
            self._ask(f"bytes=-{self.block}", None)
        assert self._size is not None
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.at}.get(whence)
        self.at = max(0, offset + (self.size if base is None else base))
        return self.at

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, as many as there are from here; all for a negative one."""
        end = self.size if size < 0 else min(self.at + size, self.size)
        pieces = []
        while self.at < end:
            if not self.start <= self.at < self.start + len(self.held):
                self._fill(end)
            piece = self.held[self.at - self.start : end - self.start]
            pieces.append(piece)
            self.at += len(piece)
        return b"".join(pieces)

    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]
        """Fill `buffer` from here on."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _fill(self, end: int) -> None:
        """Hold the bytes from here to `end`, a block of them at least, or the rest of a span that was named."""
        least = next((last for first, last in self.spans if first <= self.at < last), self.at + self.block)
        last = min(max(end, least), self.at + RANGE_LIMIT, self.size)
        self._ask(f"bytes={self.at}-{last - 1}", self.at)

    def _ask(self, span: str, start: int | None) -> None:
        answer = self.client.whole(self.url, RANGE_LIMIT, {"Range": span})
        told = _SPAN.fullmatch(answer.header("Content-Range").strip())
        version = answer.header("ETag") or answer.header("Last-Modified")
        if told is None or int(told[2]) - int(told[1]) + 1 != len(answer.body) or start not in (None, int(told[1])):
            raise FetchError(self.url, "answers with another range than was asked for", 206)
        size = int(told[3])
        if self._size not in (None, size) or (self.version and version != self.version):
            raise FetchError(self.url, "became another file while it was read", 206)
        self._size, self.version = size, version
        self.held, self.start = answer.body, int(told[1])
        self.requests += 1
        self.received += len(answer.body)
