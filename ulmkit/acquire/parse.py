"""What an answer lists, read where a hostile one can do no harm: large ones in a process that has a deadline."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from ulmkit.acquire.frontier import Task
from ulmkit.acquire.plan import Expansion, Plan, Reply
from ulmkit.work.pool import Broken, Pool

INLINE = 300_000  # bytes that are read at once in this process: a few milliseconds
DEADLINE_S = 20.0


def _expand(chunk: list[tuple[Plan, Task, Reply]]) -> list[Expansion]:
    return [plan.expand(task, reply) for plan, task, reply in chunk]


def _setup() -> Callable[[list[Any]], list[Expansion]]:
    return _expand


class Parser:
    """Reads lists and links. A large one goes to a worker, which is replaced where it dies or takes too long."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, inline: int = INLINE) -> None:
        self.inline = inline
        self.pool = Pool(_setup, workers=1, deadline_s=deadline_s)
        self._turn = asyncio.Lock()

    def close(self) -> None:
        self.pool.__exit__()

    async def expand(self, plan: Plan, task: Task, reply: Reply) -> Expansion:
        """What `reply` lists; a problem where it cannot be read."""
        if len(reply.body) <= self.inline:
            return plan.expand(task, reply)
        async with self._turn:
            work = functools.partial(next, self.pool.map([[(plan, task, reply)]]))
            (answer,) = await asyncio.to_thread(work)
        if isinstance(answer, Broken):
            return Expansion(problem=f"not read ({answer.reason}: {answer.detail})"[:200])
        return answer[0]
