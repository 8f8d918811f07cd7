"""Addresses and prefixes: the standard library's own immutable values, named once. Pure.

Always parsed from text: `ip_address(7)` is 0.0.0.7 and `ip_network(True)` is 0.0.0.1/32, so a number in a
JSON document would slip through.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    Address = IPv4Address | IPv6Address
    Prefix = IPv4Network | IPv6Network
else:
    # msgspec decodes a field into one custom type, never into a union of two; the common base class of the
    # standard library is that one type at run time, and `isinstance(value, Prefix)` works as expected.
    from ipaddress import _BaseAddress as Address
    from ipaddress import _BaseNetwork as Prefix

Family = Literal[4, 6]
LONGEST = 128  # characters; an IPv6 prefix with a zone has fewer


class Asn(int):
    """An autonomous system number, 1..4294967295 (RFC 6793); 0 never names a peer (RFC 7607)."""


def parse_address(text: object) -> Address:
    """The address that `text` spells; ValueError with the reason when it spells none."""
    if not isinstance(text, str):
        raise ValueError(f"an address is text, not {text!r}")
    _bound(text)
    return ip_address(text.strip())


def parse_prefix(text: object) -> Prefix:
    """The prefix that `text` spells, e.g. `10.65.0.0/26`; ValueError when host bits are set or it is none."""
    if not isinstance(text, str):
        raise ValueError(f"a prefix is text, not {text!r}")
    _bound(text)
    _, slash, length = text.strip().partition("/")
    if slash and not (length.isascii() and length.isdecimal()):  # the library would take a netmask as well
        raise ValueError(f"{text!r} is not a prefix: write its length in bits, as in 10.65.0.0/16")
    return ip_network(text.strip(), strict=True)


def parse_asn(value: object) -> Asn:
    """An AS number from an integer, from decimal text, or from asdot text such as `1.10` (RFC 5396).

    ValueError for 0, for anything above 4294967295, and for a float: YAML turns an unquoted 1.10 into 1.1.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"an AS number is an integer or quoted text, not {value!r}")
    if isinstance(value, str):
        _bound(value)
    if isinstance(value, str) and "." in value:
        high, _, low = value.partition(".")
        if not (_digits(high) and _digits(low) and int(high) < 65536 and int(low) < 65536):
            raise ValueError(f"{value!r} is not an AS number: asdot is two numbers below 65536")
        number = (int(high) << 16) + int(low)
    else:
        if isinstance(value, str) and not _digits(value):  # int() would take 1_000, +1 and digits of other scripts
            raise ValueError(f"{value!r} is not an AS number")
        number = int(value)
    if not 1 <= number <= 0xFFFFFFFF:
        raise ValueError(f"AS {number} is outside 1..4294967295")
    return Asn(number)


def _bound(text: str) -> None:
    """Messages show what they refuse: it must not fill a screen or a log."""
    if len(text) > LONGEST:
        raise ValueError(f"has {len(text)} characters, no address or AS number has as many")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10


def host_prefix(address: Address) -> Prefix:
    """The /32 or /128 that holds exactly this address."""
    if isinstance(address, IPv4Address):
        return IPv4Network(address)
    return IPv6Network(address)


class RoutedPrefix4(IPv4Network):
    """An IPv4Network in all but speed: its hash is worked out once.

    A router looks each prefix up some thirty times on its way from a peer to the kernel, and the library's own hash
    takes half a microsecond each time. Equal to, and found by, any other IPv4Network of the same value.
    """

    _prefixlen: int

    def __init__(self, address: object, strict: bool = True) -> None:
        super().__init__(address, strict)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class RoutedPrefix6(IPv6Network):
    """The same for IPv6."""

    def __init__(self, address: object, strict: bool = True) -> None:
        super().__init__(address, strict)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class RoutedAddress4(IPv4Address):
    """An IPv4Address in all but speed, as above: next hops are looked up for each prefix that has them."""

    __slots__ = ("_hash",)

    def __init__(self, address: object) -> None:
        super().__init__(address)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


class RoutedAddress6(IPv6Address):
    """The same for IPv6."""

    __slots__ = ("_hash",)

    def __init__(self, address: object) -> None:
        super().__init__(address)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


_MASKS4 = tuple(IPv4Network((0, length)).netmask for length in range(33))
_NUMBERS4 = tuple(map(int, _MASKS4))


def routed_address(text: str) -> Address:
    """The address that `text` spells; ValueError if none."""
    return RoutedAddress6(text) if ":" in text else RoutedAddress4(text)


def routed_prefix(text: str) -> Prefix:
    """The prefix that `text` spells, host bits cleared (RFC 4271 §4.3: they carry no meaning); ValueError if none."""
    address, _, digits = text.partition("/")
    if ":" in address:
        return RoutedPrefix6(text, strict=False)
    octets, length = bytes(map(int, address.split("."))), int(digits)
    if len(octets) != 4 or not 0 <= length <= 32:
        raise ValueError(f"{text!r} is no IPv4 prefix")
    made = RoutedPrefix4.__new__(RoutedPrefix4)  # what __init__ does, in a third of the time
    mask = _NUMBERS4[length]
    bits = int.from_bytes(octets, "big") & mask
    made.network_address, made.netmask, made._prefixlen = IPv4Address(bits), _MASKS4[length], length
    made._hash = hash(bits ^ mask)
    return made


def contains(outer: Prefix, inner: Prefix) -> bool:
    """Whether `inner` is `outer` or lies inside it; False across families."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False


def family(value: Address | Prefix) -> Family:
    """4 or 6."""
    return 4 if isinstance(value, (IPv4Address, IPv4Network)) else 6


__all__ = [
    "Address", "Asn", "Family", "IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network", "Prefix",
    "contains", "family", "host_prefix", "parse_address", "parse_asn",
    "parse_prefix", "routed_address", "routed_prefix",
]  # fmt: skip
