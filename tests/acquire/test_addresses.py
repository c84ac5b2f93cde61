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
from inside_addresses import HOSTS, PORTS, SCHEMES, Names

from ulmkit.acquire.client import Answer, Session
from ulmkit.acquire.guard import Guard, public

CONTROLS = {
    "93.184.216.34": "93.184.216.34",
    "[2606:4700::1111]": "2606:4700::1111",
    "[::ffff:8.8.8.8]": "::ffff:8.8.8.8",
    "[64:ff9b::808:808]": "64:ff9b::808:808",
}


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
