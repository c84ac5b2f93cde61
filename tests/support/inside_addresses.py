"""Addresses that are never connected to (annex C of the design), and a resolver that knows what it is told."""

import socket
from collections.abc import Mapping
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

from ulmkit.acquire.connections import address_record

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
