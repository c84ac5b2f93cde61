"""Annex C of the design: addresses that are never connected to, however they are spelled and wherever they come from.

No socket is connected here at all: each attempt is written down and refused, and it is the attempts that are looked at.
"""

import asyncio
import ipaddress
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Mapping
from contextlib import suppress

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from ulmkit.acquire.client import Answer, Session
from ulmkit.acquire.connections import address_record
from ulmkit.acquire.guard import Guard, public

# as they stand in a URL, by the number in the annex
HOSTS = {
    1: "127.0.0.1",
    2: "127.1",
    3: "127.0.1",
    4: "2130706433",
    5: "0x7f000001",
    6: "0x7f.1",
    7: "0177.0.0.1",
    8: "017700000001",
    9: "127.0.0.1.",
    10: "127。0。0。1",
    11: "①②⑦.⓪.⓪.①",
    12: "0",
    13: "0.0.0.0",
    14: "localhost",
    15: "localhost.",
    16: "LOCALHOST",
    17: "x.localhost",
    18: "[::1]",
    19: "[::]",
    20: "[0:0:0:0:0:0:0:1]",
    21: "[::ffff:127.0.0.1]",
    22: "[::ffff:7f00:1]",
    23: "[::127.0.0.1]",
    24: "[64:ff9b::7f00:1]",
    25: "[64:ff9b:1::1]",
    26: "[2002:7f00:1::]",
    27: "[2001:0:7f00:1::]",
    28: "[fe80::1]",
    29: "[fe80::1%25eth0]",
    30: "[fec0::1]",
    31: "[fc00::1]",
    32: "[fd00:ec2::254]",
    33: "[ff02::1]",
    34: "[ff0e::1]",
    35: "[100::1]",
    36: "[2001:db8::1]",
    37: "[5f00::1]",
    38: "10.0.0.1",
    39: "172.16.0.1",
    40: "172.31.255.255",
    41: "192.168.0.1",
    42: "169.254.169.254",
    43: "2852039166",
    44: "[::ffff:169.254.169.254]",
    45: "metadata.google.internal",
    46: "100.64.0.1",
    47: "192.0.0.1",
    48: "192.0.2.1",
    49: "198.18.0.1",
    50: "224.0.0.1",
    51: "240.0.0.1",
    52: "255.255.255.255",
    53: "user@127.0.0.1",
    54: "93.184.216.34\\@127.0.0.1",
    55: "127.0.0.1%00.example.org",
}
PORTS = (22, 25, 6379, 11211, 9200)
SCHEMES = ("file", "ftp", "data", "gopher", "javascript", "jar", "unix")
# what resolvers make of names without asking anybody
KNOWN = {"localhost": "127.0.0.1", "x.localhost": "127.0.0.1", "metadata.google.internal": "169.254.169.254"}
CONTROLS = {
    "93.184.216.34": "93.184.216.34",
    "[2606:4700::1111]": "2606:4700::1111",
    "[::ffff:8.8.8.8]": "::ffff:8.8.8.8",
    "[64:ff9b::808:808]": "64:ff9b::808:808",
}


class Names(AbstractResolver):
    """Knows what it is told, and every spelling of an IPv4 address that C libraries take; one answer a time each."""

    def __init__(self, told: Mapping[str, list[list[str]]]) -> None:
        self.told = {name: list(answers) for name, answers in told.items()}

    async def resolve(self, host: str, port: int = 0, family: object = None) -> list[ResolveResult]:
        name = host.lower().rstrip(".")
        if answers := self.told.get(name):
            return [address_record(host, each, port) for each in (answers.pop(0) if len(answers) > 1 else answers[0])]
        if name in KNOWN:
            return [address_record(host, KNOWN[name], port)]
        with suppress(OSError):
            return [address_record(host, socket.inet_ntoa(socket.inet_aton(name)), port)]
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async def close(self) -> None:
        pass


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Addresses and ports that somebody tried to connect to."""
    attempts: list[tuple[str, int]] = []

    async def connect(loop: BaseSelectorEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        attempts.append(address[:2])
        raise ConnectionRefusedError(111, "refused by the test")

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    return attempts


def asked(*urls: str, told: Mapping[str, list[list[str]]] | None = None, guard: Guard | None = None) -> list[Answer]:
    async def ask() -> list[Answer]:
        async with Session(agent="x", guard=guard or Guard(), resolver=Names(told or {})) as session:
            return [await session.get(url) for url in urls]

    return asyncio.run(ask())


def plain(host: str) -> str | None:
    """The address that a host of a URL is, where it is written as one."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(host.strip("[]").replace("%25", "%")))
    with suppress(OSError, UnicodeError):
        return socket.inet_ntoa(socket.inet_aton(host))
    return None


@pytest.mark.parametrize("number", HOSTS, ids=lambda number: f"C{number} {HOSTS[number]}")
@pytest.mark.parametrize("url", ["http://{}/latest/meta-data/", "https://{}/", "http://{}:80/?x"])
def test_an_address_inside_is_never_connected_to(number: int, url: str, tried: list[object]) -> None:
    (answer,) = asked(url.format(HOSTS[number]))
    assert not tried
    assert answer.problem in ("forbidden address", "bad address", "no such host"), answer.detail
    assert answer.status == 0


@pytest.mark.parametrize("number", [n for n, host in HOSTS.items() if plain(host)], ids=lambda n: f"C{n} {HOSTS[n]}")
def test_nor_where_a_name_has_it(number: int, tried: list[object]) -> None:
    address = plain(HOSTS[number])
    assert address
    (answer,) = asked("http://site.example/", told={"site.example": [[address]]})
    assert not tried
    assert answer.problem == "forbidden address", answer.detail


def test_of_a_name_with_two_addresses_the_one_inside_is_never_tried_c56(tried: list[tuple[str, int]]) -> None:
    for pair in (["10.0.0.1", "93.184.216.34"], ["93.184.216.34", "10.0.0.1"], ["::1", "93.184.216.34"]):
        asked("http://site.example/", told={"site.example": [pair]})
    assert set(tried) == {("93.184.216.34", 80)}


def test_a_name_that_answers_differently_is_judged_each_time_c57(tried: list[tuple[str, int]]) -> None:
    first, second = asked(
        "http://site.example/1", "http://site.example/2", told={"site.example": [["93.184.216.34"], ["127.0.0.1"]]}
    )
    assert tried == [("93.184.216.34", 80)]
    assert (first.problem, second.problem) == ("unreachable", "forbidden address")


def test_a_name_with_a_mapped_address_inside_c58(tried: list[object]) -> None:
    (answer,) = asked("https://site.example/", told={"site.example": [["::ffff:10.0.0.1"]]})
    assert (answer.problem, tried) == ("forbidden address", [])


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"C59 {scheme}")
def test_what_is_not_the_web_is_not_asked(scheme: str, tried: list[object]) -> None:
    answers = asked(f"{scheme}:///etc/passwd", f"{scheme}://127.0.0.1/x", f"{scheme}:x", f"{scheme.upper()}://8.8.8.8/")
    assert [answer.problem for answer in answers] == ["bad address"] * 4
    assert not tried


@pytest.mark.parametrize("port", PORTS, ids=lambda port: f"C60 port {port}")
def test_a_port_of_no_web_server_is_not_connected_to(port: int, tried: list[object]) -> None:
    answers = asked(
        f"http://93.184.216.34:{port}/", f"http://site.example:{port}/", told={"site.example": [["8.8.8.8"]]}
    )
    assert [answer.problem for answer in answers] == ["forbidden address"] * 2
    assert not tried


@pytest.mark.parametrize(
    "address",
    [
        "3fff::1",
        "192.0.0.8",
        "192.88.99.1",
        "2002:a00:1::",
        "64:ff9b::a9fe:a9fe",
        "::ffff:0:7f00:1",
        "0.1.2.3",
        "ff05::2",
    ],
)
def test_what_python_of_some_version_calls_global_is_not(address: str) -> None:
    assert not public(address)


@pytest.mark.parametrize("host", CONTROLS, ids=lambda host: f"control {host}")
def test_an_address_of_the_internet_is_connected_to(host: str, tried: list[tuple[str, int]]) -> None:
    (answer,) = asked(f"http://{host}/")
    assert tried == [(CONTROLS[host], 80)]
    assert answer.problem == "unreachable"


def test_a_name_of_the_internet_is_connected_to(tried: list[tuple[str, int]]) -> None:
    asked("https://site.example/", told={"site.example": [["8.8.8.8"]]})
    assert tried == [("8.8.8.8", 443)]


def test_a_pair_that_is_allowed_is_connected_to_and_no_other(tried: list[tuple[str, int]]) -> None:
    guard = Guard(allowed=frozenset({("127.0.0.1", 8000)}))
    asked("http://127.0.0.1:8000/", "http://127.0.0.1:8001/", "http://127.0.0.1/", "http://[::1]:8000/", guard=guard)
    assert tried == [("127.0.0.1", 8000)]


def test_a_locators_own_port_is_open_on_the_internet_alone(tried: list[tuple[str, int]]) -> None:
    guard = Guard(ports=frozenset({80, 443, 8080}))
    asked("http://93.184.216.34:8080/", "http://10.0.0.1:8080/", guard=guard)
    assert tried == [("93.184.216.34", 8080)]


def test_offline_nothing_is_connected_to(tried: list[object]) -> None:
    answers = asked("http://93.184.216.34/", "http://site.example/", guard=Guard(offline=True))
    assert [answer.problem for answer in answers] == ["offline"] * 2
    assert not tried
