"""When a server may be asked again: never sooner than it was promised, and never again where it says so."""

import math
import random
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from random_cases import cases

from ulmkit.acquire.client import Answer
from ulmkit.acquire.hosts import Hosts

HOST = "example.org"


@dataclass
class Clock:
    """A clock that runs forward, and one that people set."""

    mono: float = 1000.0
    wall: float = 1_796_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += seconds


@dataclass
class Crawl:
    clock: Clock = field(default_factory=Clock)
    delay_s: float = 2.0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A process of its own."""
        self.hosts = Hosts(lambda: self.clock.mono, wall=lambda: self.clock.wall)
        self.hosts.delay(HOST, declared_s=self.delay_s)

    def wait(self, host: str = HOST) -> float:
        return self.hosts.ready_at(host) - self.clock.mono

    def ask(self, got: Answer, digest: bytes = b"", host: str = HOST) -> float:
        """Ask as soon as we may; how long we waited."""
        waited = max(self.wait(host), 0.0)
        assert waited < math.inf, self.hosts.stopped(host)
        self.clock.pass_by(waited)
        self.hosts.asked(host)
        self.clock.pass_by(got.seconds)
        self.hosts.answered(host, got, digest)
        return waited

    def asks(self, *answers: Answer) -> str:
        """Why the host was stopped after these answers."""
        for got in answers:
            self.ask(got)
        return self.hosts.stopped(HOST)


def answer(status: int = 200, *, retry: object = None, problem: str = "", seconds: float = 0.1, at: str = "") -> Answer:
    fields = () if retry is None else ((b"Retry-After", str(retry).encode()),)
    return Answer("https://example.org/", status, fields=fields, problem=problem, seconds=seconds, address=at)


LOST = answer(0, problem="unreachable")


def test_requests_to_one_host_are_as_far_apart_as_declared() -> None:
    crawl = Crawl()
    assert crawl.wait() <= 0
    crawl.hosts.asked(HOST)
    assert crawl.wait() == math.inf  # one request at a time
    crawl.clock.pass_by(0.5)
    crawl.hosts.answered(HOST, answer(seconds=0.5))
    assert crawl.wait() == pytest.approx(1.5)
    assert crawl.wait("other.example") <= 0


def test_the_slowest_of_what_is_declared_holds() -> None:
    crawl = Crawl()
    crawl.hosts.delay(HOST, declared_s=1.0, robots_s=5.0)
    crawl.hosts.delay(HOST, declared_s=0.5)
    assert crawl.hosts.current_delay(HOST) == 5
    assert crawl.hosts.current_delay("undeclared.example") == 2
    crawl.hosts.delay("undeclared.example", declared_s=0.5)
    assert crawl.hosts.current_delay("undeclared.example") == 0.5


PAUSES = [(3, 3.0), (-5, 60.0), (99999999, 86_400.0), ("soon", 60.0), (None, 60.0), (formatdate(0), 60.0)]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("retry", "seconds"), PAUSES, ids=[f"A48 {row[0]}" for row in PAUSES])
def test_a_busy_server_is_left_alone_as_long_as_it_asks(status: int, retry: object, seconds: float) -> None:
    crawl = Crawl(delay_s=0.5)
    crawl.ask(answer(status, retry=retry, seconds=0.0))
    assert crawl.wait() == pytest.approx(seconds)


def test_the_date_that_a_server_names_is_waited_for_a48() -> None:
    crawl = Crawl()
    crawl.ask(answer(429, retry=formatdate(crawl.clock.wall + 1000, usegmt=True)))
    assert crawl.wait() == pytest.approx(1000, abs=2)


def test_pauses_that_are_not_told_are_doubled_up_to_an_hour() -> None:
    crawl = Crawl()
    waits = []
    for _ in range(4):
        crawl.ask(answer(503, seconds=0))
        waits.append(crawl.wait())
    assert waits == pytest.approx([60, 120, 240, 480])


def test_the_delay_is_doubled_for_the_rest_of_the_run_a49() -> None:
    """A server that refuses every second request gives all of its pages in the end."""
    crawl, waited = Crawl(), []
    for number in range(40):
        waited.append(crawl.ask(answer(503 if number % 2 else 200, retry=1)))
    assert not crawl.hosts.stopped(HOST)
    assert waited[2] == pytest.approx(4, abs=0.2)
    assert waited[4] == pytest.approx(8, abs=0.2)
    assert crawl.hosts.current_delay(HOST) == 32
    assert Crawl(delay_s=20).asks(*[answer(503, retry=1)] * 4) == ""


STOPS = [
    ("busy", [answer(503)] * 5, "busy"),
    ("busy, not in a row", [answer(503)] * 4 + [answer()] + [answer(429)] * 4, ""),
    ("A50", [answer(200)] * 20 + [answer(403)] * 5, "forbidden"),
    ("A50 402", [answer(402)] * 5, "forbidden"),
    ("401", [answer(401)] * 10, "forbidden"),
    ("401, one fewer", [answer(401)] * 9, ""),
    ("401, not in a row", [answer(401)] * 9 + [answer(404)] + [answer(407)] * 9, ""),
    ("unreachable", [LOST] * 4, "unreachable"),
    ("lost, not in a row", [LOST] * 3 + [answer(500)] + [LOST] * 3, ""),
    ("a page that is refused here", [answer(0, problem="too large")] * 50, ""),
]


@pytest.mark.parametrize(("answers", "reason"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_a_host_that_does_not_want_us_is_not_asked_again(answers: list[Answer], reason: str) -> None:
    crawl = Crawl()
    assert crawl.asks(*answers[:-1]) == ""
    assert crawl.asks(answers[-1]) == reason
    assert (crawl.wait() == math.inf) == bool(reason)


@pytest.mark.parametrize("number", [51, 52], ids="A{}".format)
def test_a_host_with_one_page_for_every_address_is_left_after_ten(number: int) -> None:
    crawl = Crawl()
    for _ in range(9):
        crawl.ask(answer(), b"just a moment")
    crawl.ask(answer(404), b"not found")
    assert crawl.hosts.stopped(HOST) == ""
    crawl.ask(answer(), b"just a moment")
    assert crawl.hosts.stopped(HOST) == "same page"


def test_lists_and_other_pages_between_are_no_one_page() -> None:
    crawl = Crawl()
    for number in range(30):
        crawl.ask(answer(), b"" if number % 2 else b"list")
        crawl.ask(answer(), str(number % 3).encode())
    assert crawl.hosts.stopped(HOST) == ""


def test_a_server_that_answers_slowly_is_asked_slowly() -> None:
    crawl = Crawl()
    for seconds in (0.1, 5.0, 7.0):
        crawl.ask(answer(seconds=seconds))
    assert crawl.hosts.current_delay(HOST) == 10
    for _ in range(20):
        crawl.ask(answer(seconds=50.0))
    assert crawl.hosts.current_delay(HOST) == 60
    for _ in range(20):
        crawl.ask(answer(seconds=0.1))
    assert crawl.hosts.current_delay(HOST) == 2


def test_a_server_that_wants_more_than_a_minute_is_too_slow_b38() -> None:
    crawl = Crawl()
    crawl.hosts.delay(HOST, declared_s=2, robots_s=60)
    assert crawl.hosts.stopped(HOST) == ""
    crawl.hosts.delay(HOST, declared_s=2, robots_s=1e9)
    assert crawl.hosts.stopped(HOST) == "too slow"


def test_a_lost_connection_is_tried_after_one_ten_and_sixty_minutes() -> None:
    crawl = Crawl()
    assert [crawl.ask(LOST) for _ in range(4)] == pytest.approx([0, 60, 600, 3600])


def test_ten_hosts_in_a_row_are_the_network_and_none_of_them_is_blamed() -> None:
    crawl = Crawl()
    names = [f"host{number}.example" for number in range(10)]
    for name in names[:-1]:
        for _ in range(4):
            crawl.ask(LOST, host=name)
    assert not crawl.hosts.network_gone()
    crawl.ask(LOST, host=names[-1])
    assert crawl.hosts.network_gone()
    crawl.ask(answer(), host=HOST)
    assert not crawl.hosts.network_gone()
    assert not any(map(crawl.hosts.stopped, names))
    for _ in range(3):
        crawl.ask(LOST, host=names[0])
    assert not crawl.hosts.network_gone()


def test_hosts_of_one_domain_at_one_address_take_turns() -> None:
    crawl = Crawl()
    one, two, three = "a.example.org", "b.example.org", "a.example.net"
    for name in (one, two, three):
        crawl.ask(answer(at="192.0.2.1"), host=name)
        crawl.clock.pass_by(10)
    crawl.hosts.asked(one)
    assert crawl.wait(two) == math.inf
    assert crawl.wait(three) <= 0
    crawl.hosts.answered(one, answer(at="192.0.2.1"))
    assert crawl.wait(two) == pytest.approx(2)
    crawl.ask(answer(at="192.0.2.7"), host="c.example.org")
    crawl.hosts.asked(two)
    assert crawl.wait("c.example.org") < math.inf


def test_ports_of_one_address_are_hosts_of_their_own() -> None:
    crawl = Crawl()
    for port in (8001, 8002):
        crawl.ask(answer(at="127.0.0.1"), host=f"127.0.0.1:{port}")
    crawl.hosts.asked("127.0.0.1:8001")
    assert crawl.wait("127.0.0.1:8002") < math.inf


def test_a_pause_outlives_the_process() -> None:
    crawl = Crawl()
    crawl.ask(answer(429, retry=1000))
    rows = crawl.hosts.rows()
    crawl.clock.pass_by(400)
    crawl.start()
    crawl.hosts.restore(rows)
    assert crawl.wait() == pytest.approx(600, abs=1)
    crawl.clock.pass_by(600)
    assert crawl.hosts.rows() == []


@pytest.mark.parametrize("step", [-(10**8), -100, 100, 10**8])
def test_a_step_of_the_wall_clock_changes_nothing_within_a_process(step: int) -> None:
    crawl = Crawl()
    crawl.ask(answer(429, retry=1000))
    crawl.clock.wall += step
    assert crawl.wait() == pytest.approx(1000, abs=1)
    rows = crawl.hosts.rows()
    crawl.start()
    crawl.hosts.restore(rows)
    assert crawl.wait() == pytest.approx(1000, abs=1)


def test_a_wall_clock_that_was_put_back_blocks_no_longer_than_the_pause() -> None:
    crawl = Crawl()
    crawl.ask(answer(429, retry=1000))
    rows = crawl.hosts.rows()
    crawl.clock.wall -= 10**8
    crawl.start()
    crawl.hosts.restore(rows)
    assert crawl.wait() == pytest.approx(1000, abs=1)


def test_the_first_request_after_a_kill_waits_as_any_other() -> None:
    crawl = Crawl()
    crawl.ask(answer())
    crawl.hosts.asked(HOST)
    rows = crawl.hosts.rows()
    crawl.clock.pass_by(0.1)
    crawl.start()
    crawl.hosts.restore(rows)
    assert crawl.wait() == pytest.approx(2)
    assert crawl.wait("another.example") == pytest.approx(2)


def test_ten_thousand_requests_come_no_closer_than_promised() -> None:
    """With clocks that step, servers that ask for pauses or answer slowly, and processes that are killed."""
    dice = random.Random(12)
    crawl = Crawl(delay_s=2.0)
    asked_at, pause_until, closest, rates = -math.inf, -math.inf, math.inf, [0.0]
    requests = cases(160_000)  # 10,000 in `make test`
    for _ in range(requests):
        if dice.random() < 0.05:
            crawl.clock.wall += dice.choice([-1, 1]) * 10 ** dice.uniform(0, 8)
        if dice.random() < 0.01 or crawl.hosts.stopped(HOST):
            rows, steps = crawl.hosts.rows(), dice.random() < 0.5
            rates.append(crawl.hosts.largest_rate(HOST))
            crawl.clock.wall -= steps * 10 ** dice.uniform(0, 8)
            crawl.start()
            crawl.hosts.restore(rows)
        wait = crawl.wait()
        assert wait < 86_401
        crawl.clock.pass_by(max(wait, 0.0))
        closest = min(closest, crawl.clock.mono - asked_at)
        assert crawl.clock.mono >= pause_until - 1e-6
        asked_at = crawl.clock.mono
        crawl.hosts.asked(HOST)
        busy, seconds = dice.random() < 0.1, dice.expovariate(4)
        retry = dice.choice([None, 1, 3, 30, "soon", -5, 86_400, formatdate(crawl.clock.wall + 77, usegmt=True)])
        crawl.clock.pass_by(seconds)
        if busy and (isinstance(retry, int) and retry > 0):
            pause_until = crawl.clock.mono + retry
        crawl.hosts.answered(HOST, answer(503 if busy else 200, retry=retry if busy else None, seconds=seconds))
    rates.append(crawl.hosts.largest_rate(HOST))
    assert requests >= 10_000
    assert closest >= 2.0 - 1e-9
    assert 0 < max(rates) <= 30 + 1e-6


def test_a_new_host_waits_for_all_machines_of_its_domain_and_they_for_it() -> None:
    crawl = Crawl()
    crawl.ask(answer(at="192.0.2.1"), host="a.example.org")
    assert crawl.wait("b.example.org") == crawl.wait("a.example.org") > 1
    assert crawl.wait("b.example.net") <= 0
    crawl.clock.pass_by(5)
    crawl.hosts.asked("b.example.org")
    assert crawl.wait("a.example.org") == crawl.wait("c.example.org") == math.inf
    crawl.hosts.answered("b.example.org", answer(at="192.0.2.7"))
    crawl.clock.pass_by(5)
    crawl.hosts.asked("a.example.org")
    assert crawl.wait("b.example.org") <= 0
    assert crawl.wait("c.example.org") == math.inf


def test_a_host_that_moves_between_machines_makes_them_one() -> None:
    crawl = Crawl()
    for name, where in (("a.example.org", "1"), ("b.example.org", "2"), ("a.example.org", "2")):
        crawl.ask(answer(at=f"192.0.2.{where}"), host=name)
    crawl.clock.pass_by(5)
    crawl.ask(answer(at="192.0.2.1"), host="c.example.org")
    crawl.hosts.asked("c.example.org")
    assert crawl.wait("b.example.org") == math.inf


def test_names_that_all_lead_to_one_page_are_asked_no_more() -> None:
    crawl = Crawl()
    crawl.ask(answer(), b"1", host="www.example.org")
    crawl.ask(answer(), b"2", host="www.example.org")
    for number in range(10):
        crawl.ask(answer(), b"same", host=f"n{number}.example.org")
    assert crawl.hosts.stopped("n11.example.org") == "same page"
    assert not crawl.hosts.stopped("www.example.org")
    assert not crawl.hosts.stopped("n11.example.net")
