"""Where the work runs: on this machine's cores, and what kills a worker is set aside.

Two ways, over the same workers. `map_units`: a worker reads its unit itself, so nothing but its name travels, and says
how far it came. `map`: chunks of items that this process has read, for a unit so large that one worker would be at it
alone; a chunk that fails is tried again an item at a time.
"""

import contextlib
import functools
import itertools
import multiprocessing
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from ulmkit.errors import UlmkitError, UsageError, system_error

Work = Callable[[list[Any]], Any]  # what a worker's setup gives: a chunk's result
UnitWork = Callable[[Any, Any, Callable[[Any], None]], Any]  # (what setup gave, unit, a way to say how far) -> result


@dataclass(frozen=True)
class Broken:
    """An item that no worker survived: `reason` is `crash`, `timeout` or `error`."""

    item: Any
    reason: str
    detail: str


@dataclass(eq=False)
class _Task:
    """One chunk or unit on its way: `parts` gathers results in order, and `left` holds what is still to be tried.

    `function` is what to do with a unit; a chunk goes to what the setup gave.
    """

    function: UnitWork | None = None
    parts: list[Any] = field(default_factory=list)
    left: deque[list[Any]] = field(default_factory=deque)


@dataclass(eq=False)
class _Worker:
    process: Any
    pipe: Connection
    task: _Task | None = None
    items: list[Any] = field(default_factory=list)
    deadline: float = 0.0
    ready: bool = False  # its `setup` is through


SIGNALS = (signal.SIGINT, signal.SIGTERM)
COULD_NOT_BEGIN = "a worker process could not begin its work"
MOST_WORKERS = 10_000  # of one machine; a number beyond is a slip
STARTS = 3  # of workers in a row that die before they have begun; then it is the machine
START_SECONDS = 300.0  # imports and a language, on a machine where others start as well


def _serve(setup: Callable[[], Work], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    work: Work | None = None
    while True:
        try:
            function, items = pipe.recv()
        except EOFError:  # the parent is gone
            return
        try:
            if work is None:
                work = setup()
                pipe.send(("ready", None))
            answer = ("done", function(work, *items, lambda far: pipe.send(("far", far))) if function else work(items))
        except UlmkitError as error:
            answer = ("fail", error)
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:  # the machine's fault, and no document's
                answer = ("fail", UlmkitError(system_error(error)))
            else:
                said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                answer = ("error", said) if work is not None else ("fail", UlmkitError(f"{COULD_NOT_BEGIN} ({said})."))
        with contextlib.suppress(BrokenPipeError):
            pipe.send(answer)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off: one between the two halves of a start would leave a child that complains of its parent.

    The mask is inherited by the child; the handlers are for signals that other threads of this process receive.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[int] = []
    handlers = {number: signal.signal(number, lambda n, _: noted.append(n)) for number in SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in noted:
            signal.raise_signal(late)


@contextlib.contextmanager
def without_main(setup: Callable[..., Any]) -> Iterator[None]:
    """Hide the file of the program's main module while a worker starts that runs `setup`.

    A spawned worker would run that file once more, and a script that calls `build` at its top would begin again in
    each. Workers need nothing of it, unless `setup` is one of its functions.
    """
    main = sys.modules["__main__"]
    function = setup.func if isinstance(setup, functools.partial) else setup
    names = (
        [] if function.__module__ == "__main__" else [name for name in ("__file__", "__spec__") if hasattr(main, name)]
    )
    before = {name: getattr(main, name) for name in names}
    for name in names:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)


class Pool:
    """Worker processes that run `setup()` once each and then its result on every chunk they are sent.

    A chunk whose worker dies, raises or exceeds `deadline_s` is tried again an item at a time; the item that does
    it again comes back as `Broken`, as does a unit at once. A unit's time begins anew whenever its worker says how far
    it came. What a worker takes to start is no part of it, and one that dies before its setup is through costs no item:
    the next worker gets it, and after `STARTS` such deaths in a row the work ends with an error. With `workers=0`
    everything runs in this process, without that protection.
    """

    def __init__(self, setup: Callable[[], Work], *, workers: int, deadline_s: float = 120.0) -> None:
        if type(workers) is not int or not 0 <= workers <= MOST_WORKERS:
            raise UsageError(f"workers is {str(workers)[:20]!r}, expected a whole number from 0 to {MOST_WORKERS:,}.")
        self.setup = setup
        self.size = workers
        self.deadline_s = deadline_s
        self.context = multiprocessing.get_context("spawn")  # fork would copy locks that other threads hold
        self.workers: list[_Worker] = []
        self.inline: Work | None = None
        self.unbegun = 0  # workers in a row that died before their setup was through
        self.hear: Callable[[Any], None] = lambda far: None

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self._stop(worker)
        self.workers.clear()

    def _start(self) -> _Worker:
        try:
            ours, theirs = self.context.Pipe()
            process = self.context.Process(target=_serve, args=(self.setup, theirs), daemon=True)
            with undisturbed(), without_main(self.setup):
                process.start()
        except OSError as error:  # no process, no memory or no descriptor left
            raise UlmkitError(system_error(error, "a worker process", cannot="cannot be started")) from error
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        return worker

    def _stop(self, worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()
        worker.process.close()

    def map(self, chunks: Iterable[list[Any]]) -> Iterator[list[Any]]:
        """For each chunk, in order, the list of its results: one, or several where it had to be taken apart."""
        if self.size == 0:
            self.inline = self.inline or self.setup()
            for chunk in chunks:
                yield [self.inline(chunk)]
            return
        yield from self._run(_Task(left=deque([chunk])) for chunk in chunks)

    def map_units(
        self, function: UnitWork, units: Iterable[Any], hear: Callable[[Any], None] = lambda far: None
    ) -> Iterator[Any]:
        """For each unit, in order, what `function` gives for it in a worker, or `Broken`.

        `function` is called with the setup's result, the unit, and a function that passes what it is given to `hear`.
        """
        if self.size == 0:
            self.inline = self.inline or self.setup()
            for unit in units:
                yield function(self.inline, unit, hear)
            return
        self.hear = hear
        for parts in self._run(_Task(function, left=deque([[unit]])) for unit in units):
            yield parts[0]

    def _run(self, tasks: Iterator[_Task]) -> Iterator[list[Any]]:
        """The parts of each task, in order."""
        window: deque[_Task] = deque()
        ready: deque[_Task] = deque()
        exhausted = False
        while True:
            # two a worker ahead: enough that none waits, little enough that memory stays flat
            room = 0 if exhausted else 2 * self.size + 2 - len(window)
            fresh = list(itertools.islice(tasks, room))
            exhausted = exhausted or len(fresh) < room
            window.extend(fresh)
            ready.extend(fresh)
            self._hand_out(ready)
            while window and not window[0].left and not any(w.task is window[0] for w in self.workers):
                yield window.popleft().parts
            if not window and exhausted:
                return
            self._collect(ready)

    def _hand_out(self, ready: deque[_Task]) -> None:
        while ready:
            worker = next((w for w in self.workers if w.task is None), None)
            if worker is None:
                if len(self.workers) >= self.size:
                    return
                worker = self._start()
            task = ready.popleft()
            worker.task, worker.items = task, task.left.popleft()
            worker.deadline = time.monotonic() + (self.deadline_s if worker.ready else START_SECONDS)
            try:
                worker.pipe.send((task.function, worker.items))
            except (BrokenPipeError, ConnectionResetError):
                self._lost(worker, "crash", "the worker was gone", ready)

    def _collect(self, ready: deque[_Task]) -> None:
        busy = {w.pipe: w for w in self.workers if w.task is not None}
        if not busy:
            return
        next_deadline = min(worker.deadline for worker in busy.values())
        for pipe in wait(list(busy), timeout=max(next_deadline - time.monotonic(), 0.0)):
            worker = busy[pipe]  # type: ignore[index]
            try:
                kind, answer = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join()
                self._lost(worker, "crash", f"worker ended with {worker.process.exitcode}", ready)
                continue
            if kind == "fail":
                raise answer
            if kind == "ready":
                worker.ready, worker.deadline, self.unbegun = True, time.monotonic() + self.deadline_s, 0
                continue
            if kind == "far":
                worker.deadline = time.monotonic() + self.deadline_s
                self.hear(answer)
                continue
            task, items = worker.task, worker.items
            worker.task, worker.items = None, []
            assert task is not None
            if kind == "done":
                task.parts.append(answer)
            else:
                self._take_apart(task, items, "error", answer)
            if task.left:
                ready.appendleft(task)
        now = time.monotonic()
        late = [worker for worker in self.workers if worker.task is not None and now > worker.deadline]
        # one may have answered while this process was stopped
        for worker in [worker for worker in late if not worker.pipe.poll()]:
            limit = f"longer than {self.deadline_s:g} s" if worker.ready else f"not started after {START_SECONDS:g} s"
            self._lost(worker, "timeout", limit, ready)

    def _lost(self, worker: _Worker, reason: str, detail: str, ready: deque[_Task]) -> None:
        """Replace a worker that died or hangs, and take the chunk it held apart, if it had begun with it."""
        task, items = worker.task, worker.items
        self.workers.remove(worker)
        self._stop(worker)
        assert task is not None
        if worker.ready:
            self._take_apart(task, items, reason, detail)
        else:
            self.unbegun += 1
            if self.unbegun >= STARTS:
                raise UlmkitError(f"{COULD_NOT_BEGIN} ({detail}), {STARTS} times in a row. Use fewer --workers, or 0.")
            task.left.appendleft(items)
        if task.left:
            ready.appendleft(task)

    @staticmethod
    def _take_apart(task: _Task, items: list[Any], reason: str, detail: str) -> None:
        if len(items) == 1:
            task.parts.append(Broken(items[0], reason, detail))
        else:
            # the items keep their place before what was left of the chunk
            task.left.extendleft([item] for item in reversed(items))
