"""A permanent neighbour entry: which MAC answers for an address behind a device. Pure."""

from dataclasses import dataclass

from felixpy.model.addresses import Address
from felixpy.model.routes import Device


@dataclass(frozen=True, slots=True)
class NeighbourKey:
    """The kernel holds one entry per device and address."""

    device: Device
    address: Address


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A permanent entry (NUD_PERMANENT); it is never probed and never expires."""

    key: NeighbourKey
    mac: str  # lower case, colons


__all__ = ["Neighbour", "NeighbourKey"]
