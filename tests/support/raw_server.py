"""A loopback server that sends just the bytes it is told to, for answers that no library would write."""

import asyncio
import contextlib
import inspect
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Send = Callable[[bytes], Awaitable[None]]
Behaviour = bytes | Callable[..., Awaitable[None]]  # of `send` and the request; a proxy takes the streams as well


@dataclass
class RawServer:
    """Where it listens, and what it heard: one entry a request, one count a connection."""

    port: int = 0
    scheme: str = "http"
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)  # somebody closed on us while we were sending

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def pair(self) -> tuple[str, int]:
        return "127.0.0.1", self.port


def ok(body: bytes = b"", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer as servers write it, with its length."""
    lines = (b"HTTP/1.1 " + status, *fields, b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"", body))


@contextmanager
def raw_server(behaviour: Behaviour, *, keep: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Answer each request with `behaviour`: these bytes, or what a coroutine sends.

    It is given `send` and the request. The connection is closed after an answer, unless `keep`.
    """
    state = RawServer(scheme="https" if tls else "http")
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections += 1

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                state.requests.append(request)
                if isinstance(behaviour, bytes):
                    await send(behaviour)
                elif len(inspect.signature(behaviour).parameters) == 4:
                    await behaviour(send, request, reader, writer)
                else:
                    await behaviour(send, request)
                if not keep:
                    return
        except (OSError, asyncio.IncompleteReadError):
            state.hung_up.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def begin() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)

    async def end(server: asyncio.Server) -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    loop.set_exception_handler(lambda *_: None)  # a handshake that fails is what some tests are about
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(20)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
