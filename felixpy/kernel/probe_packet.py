"""ICMP echo requests and their answers, as bytes (RFC 792, RFC 4443). Pure."""

import struct
from dataclasses import dataclass

from felixpy.model.addresses import Address, IPv4Address, IPv6Address

IPV4, IPV6, ICMP = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!IHBB16s16s"), struct.Struct("!BBHHH")
PROTO_ICMP, PROTO_ICMPV6 = 1, 58
DONT_FRAGMENT = 0x4000
TTL = 64
SMALLEST = {4: IPV4.size + ICMP.size, 6: IPV6.size + ICMP.size}  # bytes
ECHO_REQUEST, ECHO_REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
TOO_BIG = {(4, 3, 4), (6, 2, 0)}  # fragmentation needed; packet too big
WORDS = {
    (4, 3, 0): "network unreachable", (4, 3, 1): "host unreachable", (4, 3, 3): "port unreachable",
    (4, 3, 4): "does not fit the next link", (4, 3, 13): "administratively prohibited",
    (4, 11, 0): "TTL exceeded: a loop",
    (6, 1, 0): "no route", (6, 1, 1): "administratively prohibited", (6, 1, 3): "address unreachable",
    (6, 1, 5): "refused by a source check", (6, 1, 6): "rejected by a route", (6, 2, 0): "does not fit the next link",
    (6, 3, 0): "hop limit exceeded: a loop",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Echo:
    """One request: its ends, and by what its answer is known."""

    source: Address
    destination: Address
    identifier: int  # 0..65535
    size: int  # bytes of the whole packet


@dataclass(frozen=True, slots=True)
class Reply:
    """What an incoming packet says about an Echo; `text` is empty for the answer itself."""

    by: Address
    text: str = ""
    mtu: int = 0


def request(echo: Echo) -> bytes:
    """The whole packet, with its IP header and DF set (IPv6 never fragments on the way)."""
    version = echo.source.version
    payload = bytes(echo.size - SMALLEST[version])
    head = ICMP.pack(ECHO_REQUEST[version], 0, 0, echo.identifier, 1)
    pseudo = b""
    if version == 6:
        pseudo = (
            echo.source.packed + echo.destination.packed + struct.pack("!II", len(head) + len(payload), PROTO_ICMPV6)
        )
    checksum = _checksum(pseudo + head + payload)
    icmp = ICMP.pack(ECHO_REQUEST[version], 0, checksum, echo.identifier, 1) + payload
    ends = echo.source.packed, echo.destination.packed
    if version == 4:  # the kernel fills in the header's own checksum
        return IPV4.pack(0x45, 0, echo.size, 0, DONT_FRAGMENT, TTL, PROTO_ICMP, 0, *ends) + icmp
    return IPV6.pack(6 << 28, len(icmp), PROTO_ICMPV6, TTL, *ends) + icmp


def reply(packet: bytes, echo: Echo) -> Reply | None:
    """What `packet` (from its IP header on) says about `echo`; None when it is about something else or cut short."""
    try:
        return _reply4(packet, echo) if echo.source.version == 4 else _reply6(packet, echo)
    except (struct.error, IndexError):
        return None


def _reply4(packet: bytes, echo: Echo) -> Reply | None:
    start = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or packet[9] != PROTO_ICMP or packet[16:20] != echo.source.packed:
        return None
    by = IPv4Address(packet[12:16])
    kind, code, _, identifier, mtu = ICMP.unpack_from(packet, start)
    if kind == ECHO_REPLY[4]:
        return Reply(by) if identifier == echo.identifier and by == echo.destination else None
    inner = start + ICMP.size
    inside = inner + (packet[inner] & 15) * 4
    return _error((4, kind, code), by, mtu, echo) if _about(packet, inner + 12, inside, echo) else None


def _reply6(packet: bytes, echo: Echo) -> Reply | None:
    if packet[0] >> 4 != 6 or packet[6] != PROTO_ICMPV6 or packet[24:40] != echo.source.packed:
        return None
    by = IPv6Address(packet[8:24])
    kind, code, _, identifier, mtu = ICMP.unpack_from(packet, IPV6.size)
    if kind == ECHO_REPLY[6]:
        return Reply(by) if identifier == echo.identifier and by == echo.destination else None
    inner = IPV6.size + ICMP.size
    return _error((6, kind, code), by, mtu, echo) if _about(packet, inner + 8, inner + IPV6.size, echo) else None


def _about(packet: bytes, ends: int, icmp: int, echo: Echo) -> bool:
    """Whether the packet quoted in an error is our request: its ends and its identifier."""
    wanted = echo.source.packed + echo.destination.packed
    kind, _, _, identifier, _ = ICMP.unpack_from(packet, icmp)
    request_kind = ECHO_REQUEST[echo.source.version]
    return packet[ends : ends + len(wanted)] == wanted and (kind, identifier) == (request_kind, echo.identifier)


def _error(what: tuple[int, int, int], by: Address, mtu: int, echo: Echo) -> Reply:
    version, kind, code = what
    text = WORDS.get(what, f"ICMP error {kind}, code {code}")
    return Reply(by, text, mtu if (version, kind, code) in TOO_BIG and 0 < mtu < echo.size else 0)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
