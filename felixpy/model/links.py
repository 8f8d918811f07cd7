"""Network interfaces and their addresses, without any kernel. Pure."""

from dataclasses import dataclass

from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Device


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. Its index names it for the kernel and may be given to another one after it is gone."""

    index: int
    name: Device
    up: bool  # administratively (IFF_UP)
    carrier: bool  # the other end is there (IFF_LOWER_UP)
    mac: str = ""  # lower case, colons; "" when it has none
    mtu: int = 0  # bytes
    group: int = 0  # links of one group can be deleted by one message
    kind: str = ""  # "veth", "bridge", ...; "" for hardware
    peer: int = 0  # index of a veth's other end, in that end's namespace

    def only_gained(self, before: "Link") -> bool:
        """Whether it went up or got a carrier since `before`, and nothing else about it changed."""
        if (self.name, self.mac) != (before.name, before.mac) or (self.up, self.carrier) == (
            before.up,
            before.carrier,
        ):
            return False
        return self.up >= before.up and self.carrier >= before.carrier


@dataclass(frozen=True, slots=True)
class AssignedAddress:
    """An address of an interface, with the subnet that it puts there."""

    device: Device
    address: Address
    subnet: Prefix  # 10.0.0.0/24 for 10.0.0.5/24; a /32 or /128 for a peer-less host address
    scope: int = 0  # RT_SCOPE_*: 0 global, 253 link, 254 host
    secondary: bool = False  # IPv4: not the first of its subnet; IPv6: temporary (IFA_F_SECONDARY, IFA_F_TEMPORARY)
    tentative: bool = False  # IPv6 duplicate address detection has not ended, or has failed


__all__ = ["AssignedAddress", "Link"]
