"""May this address be connected to? Nothing inside of a network is, unless the user named it.

A server's redirect may lead anywhere: to the machine itself, to its neighbours, to the service that tells a cloud's
machine its keys. So the address is looked at after the name was resolved, before anything is connected, whatever its
spelling (2130706433, 0x7f.1, ::ffff:127.0.0.1 are all 127.0.0.1).
"""

import ipaddress
import socket
from dataclasses import dataclass

from ulmkit.errors import InputError

_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is in use on the internet
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# what Python's own table lacks in some of the versions that we run on: protocol assignments, relays, documentation
_RESERVED_V4 = [ipaddress.ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24")]
_RESERVED_V6 = [ipaddress.ip_network("3fff::/20")]
WEB_PORTS = frozenset((80, 443))


class ForbiddenAddressError(InputError):
    """A name led only to addresses inside of a network."""


def public(address: str) -> bool:
    """Whether a resolved address is one of the internet, by the IPv4 address inside where it holds one.

    >>> [public(each) for each in ("8.8.8.8", "10.0.0.1", "::ffff:8.8.8.8", "::ffff:10.0.0.1", "fe80::1%eth0")]
    [True, False, True, False, False]
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inside is not None:
            return public(str(inside))
        if ip.scope_id or ip not in _UNICAST or not ip.is_global or ip.is_multicast:
            return False
        if any(ip in each for each in _RESERVED_V6):
            return False
        hidden = [ip.sixtofour, *(ip.teredo or ())]
        return all(public(str(each)) for each in hidden if each is not None)
    return ip.is_global and not ip.is_multicast and not any(ip in each for each in _RESERVED_V4)


@dataclass(frozen=True)
class Guard:
    """What may be connected to: the internet on the ports of web servers, and the pairs that a user named.

    `allowed` has addresses as they are connected to, with a port each: there is no switch that opens more than that.
    """

    allowed: frozenset[tuple[str, int]] = frozenset()
    ports: frozenset[int] = WEB_PORTS
    offline: bool = False  # nothing at all

    def __post_init__(self) -> None:
        """Addresses in one spelling. Raises `ValueError` for what is no address."""
        pairs = frozenset((str(ipaddress.ip_address(address)), port) for address, port in self.allowed)
        object.__setattr__(self, "allowed", pairs)

    def permits(self, address: str, port: int) -> bool:
        """Whether a resolved `address` may be connected to at `port`.

        >>> guard = Guard(allowed=frozenset({("127.0.0.1", 8000)}))
        >>> [guard.permits(*each) for each in (("8.8.8.8", 443), ("127.0.0.1", 8000), ("127.0.0.1", 80))]
        [True, True, False]
        """
        if self.offline:
            return False
        try:
            plain = str(ipaddress.ip_address(address))
        except ValueError:
            return False
        return (plain, port) in self.allowed or (port in self.ports and public(plain))


def public_addresses(host: str, port: int) -> list[str]:
    """The addresses that `host` resolves to and that may be connected to, in the resolver's order.

    Raises `ForbiddenAddressError` where there are others only, `socket.gaierror` where there are none.
    """
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [each for each in addresses if public(each)]
    if not allowed:
        raise ForbiddenAddressError(f"{host} is {addresses[0]}, inside of a network")
    return allowed
