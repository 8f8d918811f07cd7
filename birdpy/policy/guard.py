"""The prefixes that must not come from a peer unless a filter names them exactly, because they kill a node. Pure.

Equal to or inside a connected subnet: REPLACE takes over the kernel's own route, or a gateway's /32 goes astray. The
longest match for a peer, for its own next hop or for the API server: the session that brought it dies of it. Prefixes
that merely cover a connected subnet are harmless and are what switches send.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from birdpy.policy.session import Session, Speaker
from birdpy.rib.path import Path
from birdpy.rib.prefixes import Cover, PrefixMap, cover_of, covers
from felixpy.model.addresses import Address, Prefix, host_prefix, parse_prefix
from felixpy.model.fib import ConnectedRoutes

MARTIAN = "not a unicast prefix"
DEFAULT_ROUTE = "default route"
CONNECTED = "equal to or inside a connected subnet"
OWN_BLOCK = "own block, or covering it"
INSIDE_OWN_BLOCK = "inside an own block"
CAPTURES_PEER = "would capture a peer's address"
CAPTURES_NEXT_HOP = "would capture its own next hop"
CAPTURES_API = "would capture the API server"
REASONS = (
    MARTIAN, DEFAULT_ROUTE, CONNECTED, OWN_BLOCK, INSIDE_OWN_BLOCK, CAPTURES_PEER, CAPTURES_NEXT_HOP, CAPTURES_API,
)  # fmt: skip
NO_FAULT = ("", "")

Holder = Callable[[Address], str | None]


def nobody(_address: Address) -> str | None:
    """The `Holder` that knows of no borrowed address."""
    return None


@dataclass(frozen=True, slots=True)
class Here:
    """What the kernel says of this node."""

    routes: ConnectedRoutes = field(default_factory=ConnectedRoutes)  # non-BGP routes, the connected ones too
    addresses: frozenset[Address] = frozenset()  # of its own interfaces
    api_servers: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Own:
    """What this node has of the cluster's addresses. `holder` gives the node that IPAM says holds an address."""

    blocks: Collection[Prefix] = ()  # announced, or still blackholed
    pods: frozenset[Address] = frozenset()
    holder: Holder = nobody


MARTIANS = ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8")


class Guard:
    """Answers `fault` with two look-ups a prefix, whatever the number of peers."""

    def __init__(self, speaker: Speaker, here: Here, own: Own) -> None:
        self._speaker, self._own, self._plain = speaker, own, here.routes
        self._addresses = here.addresses | frozenset(speaker.addresses)
        self._subnets: PrefixMap[None] = PrefixMap(dict.fromkeys(here.routes.subnets))
        self._around: PrefixMap[str] = PrefixMap()  # nothing equal to or inside these: why
        for block in own.blocks:
            self._around[block] = INSIDE_OWN_BLOCK
        for network in here.routes.subnets:
            self._around[network] = CONNECTED
        for text in MARTIANS:
            self._around[parse_prefix(text)] = MARTIAN
        self._exact: dict[Cover, tuple[str, str]] = {(4, 0, 0): (DEFAULT_ROUTE, ""), (6, 0, 0): (DEFAULT_ROUTE, "")}
        for block in own.blocks:
            for cover in covers(block):
                self._exact.setdefault(cover, (OWN_BLOCK, str(block)))
        for address in self._addresses:
            self._exact.setdefault(cover_of(host_prefix(address)), (CONNECTED, f"{address} is this node's own"))
        for session in speaker.sessions:
            self._protect(session.address, CAPTURES_PEER)
        for address in here.api_servers:
            self._protect(address, CAPTURES_API)

    def is_own(self, address: Address) -> bool:
        """Whether `address` is this node's."""
        return address in self._addresses

    def subnet_of(self, address: Address) -> Prefix | None:
        """The connected subnet that `address` is in."""
        found = self._subnets.longest(address)
        return found[0] if found else None

    def fault(self, path: Path, session: Session) -> tuple[str, str]:
        """Why `path` would hurt this node, one of REASONS and the case; empty texts when it would not."""
        cover = cover_of(path.prefix)
        around = self._around.above(cover)
        if around is not None and around[1] != INSIDE_OWN_BLOCK:
            return around[1], str(around[0])
        exact = self._exact.get(cover)
        if exact is not None:
            return exact
        if around is not None:
            return self._borrowed(path, session, around[0])
        hop = path.next_hop
        if hop is not None and hop in path.prefix and self._reached(hop) < path.prefix.prefixlen:
            return CAPTURES_NEXT_HOP, str(hop)
        return NO_FAULT

    def _borrowed(self, path: Path, session: Session, block: Prefix) -> tuple[str, str]:
        """A host route inside an own block: right when another node of the cluster borrowed the address."""
        address = path.prefix.network_address
        borrower = self._speaker.owners.get(path.next_hop) if path.next_hop is not None else None
        detail = f"{block}, announced by {session.cluster_node or session.address}"
        if path.prefix.prefixlen < path.prefix.max_prefixlen:
            return INSIDE_OWN_BLOCK, detail
        if not session.cluster_node or borrower is None:
            return INSIDE_OWN_BLOCK, f"{detail}: not by a node of the cluster"
        if address in self._own.pods:
            return INSIDE_OWN_BLOCK, f"{detail}: a pod of this node has {address}"
        holder = self._own.holder(address)
        if holder != borrower:
            return INSIDE_OWN_BLOCK, f"{detail}: IPAM gives it to {holder or 'nobody'}, not to {borrower}"
        return NO_FAULT

    def _protect(self, address: Address, reason: str) -> None:
        """Note every prefix that would take `address` away from the route that leads there now."""
        for cover in covers(address, max(1, self._reached(address) + 1)):
            self._exact.setdefault(cover, (reason, str(address)))

    def _reached(self, address: Address) -> int:
        """The length of the non-BGP route that leads to `address`; -1 when none does."""
        found = self._plain.covering(address)
        return found[0].prefix.prefixlen if found else -1


__all__ = ["Guard", "Here", "Own"]
