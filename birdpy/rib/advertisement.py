"""What one peer should hear about one prefix. Pure."""

import msgspec

from birdpy.rib.path import Attributes
from felixpy.model.addresses import Address, Prefix
from felixpy.model.routes import Origin


class AdvertisementKey(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """A peer is told one thing about a prefix (one per path id with add-path)."""

    peer: Address
    prefix: Prefix
    path_id: int = 0


class Advertisement(msgspec.Struct, frozen=True, gc=False):
    """The attributes exactly as they leave: AS path already prepended towards eBGP, next hop always explicit."""

    key: AdvertisementKey
    next_hop: Address
    attributes: Attributes
    origin: Origin | None = None

    def __eq__(self, other: object) -> bool:
        """Whether the peer would be told the same; where it came from does not count."""
        if not isinstance(other, Advertisement):
            return NotImplemented
        return (
            self.key == other.key
            and self.next_hop == other.next_hop
            and (self.attributes is other.attributes or self.attributes == other.attributes)
        )

    def __hash__(self) -> int:
        return hash(self.key)
