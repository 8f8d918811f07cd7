"""What the kernel knows how to reach without BGP, and the longest match in it. Pure.

birdpy resolves BGP next hops against this (RFC 4271 §5.1.3, §9.1.2.1). Only the main table is described: policy
rules (`ip rule`) are not followed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain

from felixpy.model.addresses import Address, Prefix, family
from felixpy.model.routes import Device

KERNEL = 2  # RTPROT_KERNEL: the kernel made the route itself, from an interface address


@dataclass(frozen=True, slots=True)
class ConnectedRoute:
    """One way out that is not BGP's: connected, static, from a router advertisement, from another daemon.

    A multipath route is several of these with one prefix and one metric. `device` is None when the kernel drops
    what matches (blackhole, unreachable, prohibit). `usable` is False while the link has no carrier: the kernel
    then passes over it (net.ipv4.conf.*.ignore_routes_with_linkdown=1).
    """

    prefix: Prefix
    device: Device | None
    gateway: Address | None = None  # None: whatever matches is a neighbour on `device`
    protocol: int = KERNEL  # RTPROT_*, see felixpy/kernel/owners.py for names
    metric: int = 0  # lower wins
    onlink: bool = False
    usable: bool = True

    @property
    def connected(self) -> bool:
        """Whether it is a subnet that the kernel derived from an interface address."""
        return self.protocol == KERNEL and self.gateway is None and self.device is not None


Network = tuple[int, int, int]  # family, prefix length, the network address as a number


def _network(prefix: Prefix) -> Network:
    return family(prefix), prefix.prefixlen, int(prefix.network_address)


@dataclass(frozen=True, slots=True)
class ConnectedRoutes:
    """All of them at one moment; made by `of`, asked by `covering`."""

    ways: Mapping[Network, tuple[ConnectedRoute, ...]] = field(default_factory=dict)
    lengths: tuple[tuple[int, int], ...] = ()  # (family, prefix length) that occur, longest first

    @classmethod
    def of(cls, routes: Iterable[ConnectedRoute]) -> "ConnectedRoutes":
        """The table of `routes`, in any order."""
        ways: dict[Network, list[ConnectedRoute]] = {}
        for route in routes:
            ways.setdefault(_network(route.prefix), []).append(route)
        lengths = sorted({(network[0], network[1]) for network in ways}, reverse=True)
        return cls({network: tuple(found) for network, found in ways.items()}, tuple(lengths))

    def covering(self, address: Address) -> tuple[ConnectedRoute, ...]:
        """The ways that the kernel would use for `address`: longest usable prefix, then lowest metric.

        Several for a multipath route; one with `device` None where the kernel drops; none when nothing covers it.
        """
        number, bits, version = int(address), address.max_prefixlen, family(address)
        for of_family, length in self.lengths:
            if of_family != version:
                continue
            host_bits = bits - length
            usable = [w for w in self.ways.get((version, length, number >> host_bits << host_bits), ()) if w.usable]
            if usable:
                lowest = min(way.metric for way in usable)
                return tuple(way for way in usable if way.metric == lowest)
        return ()

    def on(self, patterns: Collection[str]) -> "ConnectedRoutes":
        """The connected subnets of the interfaces whose names match one of `patterns` (`*` is any text)."""
        return ConnectedRoutes.of(way for way in self if way.connected and _matches(way.device, patterns))

    def without(self, others: "ConnectedRoutes") -> "ConnectedRoutes":
        """The table without the ways of another one."""
        left_out = set(others)
        return ConnectedRoutes.of(way for way in self if way not in left_out) if left_out else self

    def __iter__(self) -> Iterator[ConnectedRoute]:
        return chain.from_iterable(self.ways.values())

    @property
    def subnets(self) -> frozenset[Prefix]:
        """The connected subnets: what the kernel itself derived from interface addresses."""
        return frozenset(way.prefix for way in self if way.connected)


def _matches(device: Device | None, patterns: Collection[str]) -> bool:
    return device is not None and any(fnmatchcase(device, pattern) for pattern in patterns)


__all__ = ["ConnectedRoute", "ConnectedRoutes"]
