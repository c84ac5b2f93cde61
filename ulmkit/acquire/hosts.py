"""When may a server be asked again? Its pace, the pauses that it asks for, and when we had better stop.

The pace is kept by a clock that only runs forward, so that no step of the wall clock makes a request early or blocks
one. A pause that was asked for is stored by the wall clock, since it must outlive the process.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from ulmkit.acquire.answers import BUSY, FORBIDDEN, LOST, asked_pause

if TYPE_CHECKING:
    from ulmkit.acquire.client import Answer

SLOWEST_S = 60.0  # a server that wants more between two requests is too slow to be crawled
_DOUBLINGS = 4  # of the delay of a server that asks for pauses
_BUSY_PAUSE_S, _MOST_BUSY_PAUSE_S = 60.0, 3600.0  # where it does not say how long; doubled
_LOST_PAUSES_S = (60.0, 600.0, 3600.0)
_BUSY_IN_A_ROW = 5
_FORBIDDEN_IN_A_ROW = 10
_EQUAL_IN_A_ROW = 10
_HOSTS_LOST = 10  # in a row: it is the network
_TIMES = 15  # of the last answers, for their median

# what stands before a country's ending and is nobody's own; of the common ones, and near enough for whose turn it is
_NOBODYS = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "id", "ltd", "me", "mil", "ne", "net", "nom",
     "or", "org", "plc", "sch", "web")
)  # fmt: skip

HostRow = tuple[str, float, float]  # host, end of its pause in seconds since 1970, seconds that were asked for


def registered_domain(host: str) -> str:
    """What somebody registered of a host's name, all names below which are his; an address is itself, with its port.

    >>> [registered_domain(each) for each in ("a.b.example.ir", "x.example.co.ir", "127.0.0.1:80", "a.example.ir:81")]
    ['example.ir', 'example.co.ir', '127.0.0.1:80', 'example.ir']
    """
    name = host.partition(":")[0]
    labels = name.split(".")
    if host.startswith("[") or len(labels) < 2 or labels[-1].isdigit():
        return host
    below = 3 if len(labels[-1]) == 2 and labels[-2] in _NOBODYS else 2
    return ".".join(labels[-below:])


@dataclass(eq=False)
class _Turn:
    """Whose turn it is at one machine: hosts of one domain that share an address share it."""

    asked_at: float = -math.inf
    waiting: set[str] = field(default_factory=set)  # hosts whose answer is still to come
    reserved: set[str] = field(default_factory=set)  # hosts that somebody is about to ask
    of: "_Turn | None" = None  # two that a host was seen at are one from then on

    def joined(self) -> "_Turn":
        return self if self.of is None else self.of.joined()


@dataclass(eq=False)
class _Domain:
    """A registered domain: its machines by address, and one for hosts of which no answer has told where they are.

    A name costs its owner nothing, and there may be any number of them on one machine. So a host that is new is taken
    to be at each machine of its domain until it has answered.
    """

    machines: dict[str, _Turn] = field(default_factory=dict)
    digest: bytes = b""  # of the last page
    host: str = ""  # where it stood
    equal: int = 0  # hosts in a row with that page


@dataclass(eq=False)
class _Host:
    delay_s: float
    domain: _Domain
    address: str = ""  # where it was seen last
    ready_at: float = -math.inf  # the end of a pause
    pause_s: float = 0.0
    doublings: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES))
    usual_s: float = 0.0  # their median
    busy: int = 0  # answers of each kind in a row
    forbidden: int = 0
    lost: int = 0
    equal: int = 0
    digest: bytes = b""
    varied: bool = False  # its pages differ
    stopped: str = ""
    declared: bool = False  # or its delay is the default
    own_asked_at: float = -math.inf
    smallest_gap: float = math.inf


class Hosts:
    """The servers of a crawl, by host. Times are `now()`'s, which only runs forward; `wall()` is seconds since 1970.

    One request at a time: `asked` when it is sent, `answered` with what came.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        default_delay_s: float = 2.0,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.now, self.wall, self.default_delay_s = now, wall, default_delay_s
        self._asked_before = -math.inf  # when any host may have been asked by an earlier process
        self._hosts: dict[str, _Host] = {}
        self._domains: dict[str, _Domain] = {}
        self._lost: set[str] = set()  # hosts that could not be reached since anybody answered

    def _host(self, host: str) -> _Host:
        if host not in self._hosts:
            domain = self._domains.setdefault(registered_domain(host), _Domain({"": _Turn(self._asked_before)}))
            self._hosts[host] = _Host(self.default_delay_s, domain)
        return self._hosts[host]

    def _turns(self, state: _Host) -> list[_Turn]:
        """The turns that a host takes: that of its machine, or of all machines where it may be."""
        if state.address:
            return [state.domain.machines[state.address].joined()]
        return [turn.joined() for turn in state.domain.machines.values()]

    def delay(self, host: str, *, declared_s: float, robots_s: float = 0.0) -> None:
        """The slower of what a source declares and robots.txt asks for holds; of several sources the slowest."""
        state = self._host(host)
        state.delay_s = max(state.delay_s if state.declared else 0.0, declared_s, robots_s)
        state.declared = True

    def current_delay(self, host: str) -> float:
        """Seconds between two requests as things stand: doubled where the server was busy, twice its answers' time."""
        state = self._host(host)
        patient = min(state.delay_s * 2**state.doublings, SLOWEST_S)
        return max(state.delay_s, patient, min(2 * state.usual_s, SLOWEST_S))

    def ready_at(self, host: str) -> float:
        """When the next request may be sent; `math.inf` while an answer is still to come or where we stopped."""
        state = self._host(host)
        turns = self._turns(state)
        if any(turn.waiting for turn in turns) or self.stopped(host):
            return math.inf
        return max(max(turn.asked_at for turn in turns) + self.current_delay(host), state.ready_at)

    def reserve(self, host: str) -> bool:
        """Say that a host is about to be asked; false where another at its machine is, who comes first."""
        turns = self._turns(self._host(host))
        if any(turn.reserved for turn in turns):
            return False
        for turn in turns:
            turn.reserved.add(host)
        return True

    def release(self, host: str) -> None:
        """A host is not about to be asked any more."""
        for turn in self._host(host).domain.machines.values():
            turn.joined().reserved.discard(host)

    def asked(self, host: str) -> None:
        """A request is sent now."""
        state, now = self._host(host), self.now()
        state.smallest_gap = min(state.smallest_gap, now - state.own_asked_at)
        state.own_asked_at = now
        for turn in self._turns(state):
            turn.asked_at = now
            turn.waiting.add(host)

    def answered(self, host: str, answer: "Answer", digest: bytes = b"", *, busy: AbstractSet[int] = BUSY) -> None:
        """What came, or that nothing came. `digest` is of a page's body, empty for lists and robots.txt."""
        state = self._host(host)
        for turn in self._turns(state):
            turn.waiting.discard(host)
        if answer.address:
            self._place(state, answer.address)
        if answer.problem in LOST:
            self._count_lost(host, state)
            return
        if not answer.status:
            return
        self._reached()
        state.lost = 0
        if answer.seconds > 0:
            state.times.append(answer.seconds)
            state.usual_s = median(state.times)
        state.busy = state.busy + 1 if answer.status in busy else 0
        weight = 0 if answer.status in busy else FORBIDDEN.get(answer.status, 0)
        state.forbidden = state.forbidden + weight if weight else 0
        if state.busy:
            state.doublings = min(state.doublings + 1, _DOUBLINGS)
            unsaid = min(_BUSY_PAUSE_S * 2 ** (state.busy - 1), _MOST_BUSY_PAUSE_S)
            self._pause(state, asked_pause(answer, self.wall()) or unsaid)
        if digest and answer.status == 200:
            state.varied = state.varied or (state.digest not in (b"", digest))
            state.equal = state.equal + 1 if digest == state.digest else 1
            state.digest = digest
            self._compare(host, state.domain, digest)
        if state.busy >= _BUSY_IN_A_ROW:
            state.stopped = "busy"
        elif state.forbidden >= _FORBIDDEN_IN_A_ROW:
            state.stopped = "forbidden"
        elif state.equal >= _EQUAL_IN_A_ROW:
            state.stopped = "same page"

    def _pause(self, state: _Host, seconds: float) -> None:
        state.ready_at, state.pause_s = self.now() + seconds, seconds

    def _count_lost(self, host: str, state: _Host) -> None:
        self._lost.add(host)
        state.lost += 1
        if state.lost > len(_LOST_PAUSES_S):
            state.stopped = state.stopped or "unreachable"
        else:
            self._pause(state, _LOST_PAUSES_S[state.lost - 1])

    def _reached(self) -> None:
        """Somebody answered: if the network was gone, no host is to blame for it."""
        if self.network_gone():
            for state in map(self._host, self._lost):
                state.lost, state.ready_at = 0, self.now()
                state.stopped = "" if state.stopped == "unreachable" else state.stopped
        self._lost.clear()

    def network_gone(self) -> bool:
        """Whether ten hosts could not be reached since any of them answered: then it is not they."""
        return len(self._lost) >= _HOSTS_LOST

    def _place(self, state: _Host, address: str) -> None:
        """Note where a host is. One that was seen elsewhere before makes both one machine."""
        machines = state.domain.machines
        turn = machines.setdefault(address, _Turn(state.own_asked_at)).joined()
        before = machines[state.address].joined() if state.address else turn
        if before is not turn:
            turn.asked_at = max(turn.asked_at, before.asked_at)
            turn.waiting |= before.waiting
            turn.reserved |= before.reserved
            before.of = turn
        turn.asked_at = max(turn.asked_at, state.own_asked_at)
        state.address = address

    def _compare(self, host: str, domain: _Domain, digest: bytes) -> None:
        """Count hosts of a domain that give one and the same page: any name leads to it."""
        if digest != domain.digest:
            domain.equal = 1
        elif host != domain.host:
            domain.equal += 1
        domain.digest, domain.host = digest, host

    def stopped(self, host: str) -> str:
        """Why this host is not asked any more in this run: forbidden, same page, busy, too slow, unreachable; or ""."""
        state = self._host(host)
        if state.domain.equal >= _EQUAL_IN_A_ROW and not state.varied:
            return state.stopped or "same page"
        return state.stopped or ("too slow" if state.delay_s > SLOWEST_S else "")

    def largest_rate(self, host: str) -> float:
        """Requests a minute, by the two that came closest after each other; 0 before there are two."""
        gap = self._host(host).smallest_gap
        return 60 / gap if gap > 0 else math.inf

    def rows(self) -> list[HostRow]:
        """The pauses that are left, for who stores them."""
        now, wall = self.now(), self.wall()
        return [
            (host, wall + state.ready_at - now, state.pause_s)
            for host, state in self._hosts.items()
            if state.ready_at > now
        ]

    def restore(self, rows: Iterable[HostRow]) -> None:
        """Go on with pauses of an earlier process: none is longer than it was asked for, whatever the clock says.

        When a host was asked last is not stored with each request, so each is taken to have been asked just now.
        """
        now, wall = self.now(), self.wall()
        self._asked_before = now
        for domain in self._domains.values():
            for turn in domain.machines.values():
                turn.asked_at = now
        for host, until, pause_s in rows:
            state = self._host(host)
            state.ready_at, state.pause_s = now + min(max(until - wall, 0.0), pause_s), pause_s
