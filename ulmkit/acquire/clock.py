"""What time it is: one clock for the pace within a process, one for dates that outlive it. Tests bring their own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class CrawlClock:
    """`monotonic` never steps; `wall` is seconds since 1970 and may; `sleep` waits, cancellably."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
