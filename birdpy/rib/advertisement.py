"""What one peer should hear about one prefix. Pure."""

from dataclasses import dataclass, field

from birdpy.rib.path import Attributes
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Origin


@dataclass(frozen=True, slots=True)
class AdvertisementKey:
    """A peer is told one thing about a prefix (one per path id with add-path)."""

    peer: Address
    prefix: Prefix
    path_id: int = 0


@dataclass(frozen=True, slots=True)
class Advertisement:
    """The attributes exactly as they leave: AS path already prepended towards eBGP, next hop always explicit."""

    key: AdvertisementKey
    next_hop: Address
    attributes: Attributes
    origin: Origin | None = field(default=None, compare=False)
