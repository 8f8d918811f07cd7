"""Links, addresses and neighbours as rtnetlink says them. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from felixpy.kernel.rtnetlink import ADDRESS, AF_INET, AF_INET6, LINK, NEIGHBOUR, U32, attributes, c_string, mac_text
from felixpy.model.addresses import Address, IPv4Address, IPv6Address, Prefix
from felixpy.model.links import Link
from felixpy.model.routes import Device

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_LINKINFO, IFLA_GROUP = 1, 3, 4, 5, 18, 27
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER, IFLA_NET_NS_FD = 1, 2, 1, 28
IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS = 29, 8
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_SECONDARY, IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x1, 0x2, 0x8, 0x40
NDA_DST, NDA_LLADDR, NDA_PROTOCOL, NDA_FLAGS_EXT = 1, 2, 12, 15
NTF_USE, NTF_EXT_MANAGED = 1, 1
NUD_INCOMPLETE, NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE = 1, 2, 4, 8, 16
NUD_FAILED, NUD_NOARP, NUD_PERMANENT = 32, 64, 128


@dataclass(frozen=True, slots=True)
class AddressOn:
    """An address on the interface of an index; the name is the reader's to look up."""

    index: int
    address: Address
    subnet: Prefix
    scope: int
    tentative: bool
    secondary: bool = False


@dataclass(frozen=True, slots=True)
class NeighbourOn:
    """A neighbour entry on the interface of an index; `state` is NUD_*, `protocol` RTPROT_* (0: the kernel's own)."""

    index: int
    address: Address
    mac: str
    state: int
    protocol: int = 0
    managed: bool = False  # NTF_EXT_MANAGED: the kernel keeps it resolved


def decode_link(body: bytes) -> Link | None:
    """The link that an RTM_NEWLINK or RTM_DELLINK is about; None for a bridge's own family of messages."""
    family, _, index, flags, _ = LINK.unpack_from(body)
    found = attributes(body, LINK.size)
    if family or IFLA_IFNAME not in found:
        return None
    kind = attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")
    return Link(
        index,
        Device(c_string(found[IFLA_IFNAME])),
        up=bool(flags & IFF_UP),
        carrier=bool(flags & IFF_LOWER_UP),
        mac=mac_text(found.get(IFLA_ADDRESS, b"")),
        mtu=_number(found.get(IFLA_MTU)),
        group=_number(found.get(IFLA_GROUP)),
        kind=c_string(kind),
        peer=_number(found.get(IFLA_LINK)),
    )


def _number(value: bytes | None) -> int:
    return int(U32.unpack(value)[0]) if value else 0


def decode_address(body: bytes) -> AddressOn | None:
    """The address that an RTM_NEWADDR or RTM_DELADDR is about; None for another family's."""
    family, length, flags, scope, index = ADDRESS.unpack_from(body)
    found = attributes(body, ADDRESS.size)
    whole = found.get(IFA_ADDRESS, b"")
    local = found.get(IFA_LOCAL, whole)  # with a peer, IFA_ADDRESS is the peer's
    address = _address(family, local)
    if address is None:
        return None
    flags = _number(found.get(IFA_FLAGS)) or flags
    number = int.from_bytes(whole, "big")
    host_bits = address.max_prefixlen - length
    number = number >> host_bits << host_bits
    subnet: Prefix = IPv4Network((number, length)) if family == AF_INET else IPv6Network((number, length))
    tentative, secondary = bool(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)), bool(flags & IFA_F_SECONDARY)
    return AddressOn(index, address, subnet, scope, tentative, secondary)


def decode_neighbour(body: bytes) -> NeighbourOn | None:
    """The entry that an RTM_NEWNEIGH or RTM_DELNEIGH is about; None for a bridge's forwarding entry."""
    family, index, state, _, _ = NEIGHBOUR.unpack_from(body)
    found = attributes(body, NEIGHBOUR.size)
    address = _address(family, found.get(NDA_DST, b""))
    if address is None:
        return None
    protocol = found.get(NDA_PROTOCOL, b"\0")[0]
    managed = bool(_number(found.get(NDA_FLAGS_EXT)) & NTF_EXT_MANAGED)
    return NeighbourOn(index, address, mac_text(found.get(NDA_LLADDR, b"")), state, protocol, managed)


def _address(family: int, packed: bytes) -> Address | None:
    if family == AF_INET and len(packed) == 4:
        return IPv4Address(packed)
    return IPv6Address(packed) if family == AF_INET6 and len(packed) == 16 else None
