"""What a Monitor tells: changes that anybody made to the node's network. Pure."""

from dataclasses import dataclass

from felixpy.model.addresses import Address
from felixpy.model.links import Link
from felixpy.model.routes import Device, RouteKey
from felixpy.model.sysctls import Sysctl


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A link came, changed (also its name: the index stays) or went."""

    link: Link
    gone: bool = False

    @property
    def name(self) -> Device:
        """The interface name, now or last."""
        return self.link.name


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """An address was put on a device or taken off it."""

    device: Device
    address: Address
    gone: bool = False


@dataclass(frozen=True, slots=True)
class RouteChanged:
    """A route was written or erased. The kernel also drops routes without a word when a link goes down."""

    key: RouteKey
    protocol: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class NeighbourChanged:
    """The kernel's opinion of a neighbour: reachable, failed (no answer to ARP or ND), or neither: being asked."""

    device: Device
    address: Address
    reachable: bool
    failed: bool
    gone: bool = False  # the kernel has no opinion any more


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Settings of an interface (or of `all`, `default`) have these values now; our own writes are told as well."""

    settings: tuple[Sysctl, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Notifications were lost (ENOBUFS): whatever is held must be read again."""


KernelEvent = LinkChanged | AddressChanged | RouteChanged | NeighbourChanged | SettingsChanged | Lost
