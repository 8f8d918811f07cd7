"""Where one node's kernel would send a packet: `ip rule`, then the tables, then the longest prefix. Pure.

As `ip route get` answers, but for any node's recorded facts, and with the reasons. Rules with conditions that facts
do not hold (a mark, an interface) are passed over and named, so that nobody trusts an answer more than it deserves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from felixpy.model.addresses import Address, Prefix, family, parse_address, parse_prefix
from felixpy.model.facts import NodeFacts, RouteFact, RuleFact, WayFact

LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE = 255, 254, 253
DROPS = ("blackhole", "unreachable", "prohibit")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the kernel does with a packet. `ways` are those it would use, all of them for equal-cost routes."""

    kind: str  # forward | local | blackhole | unreachable | prohibit | none (no route at all)
    route: RouteFact | None = None
    ways: tuple[WayFact, ...] = ()
    unusable: tuple[WayFact, ...] = ()  # of the same route, passed over: dead or without carrier
    passed_over: tuple[RuleFact, ...] = ()  # rules whose conditions cannot be judged from facts


Network = tuple[int, int, int]  # family, prefix length, network address as a number


@dataclass(frozen=True, slots=True)
class Fib:
    """One node's tables, ready to be asked many times; made by `compiled`."""

    rules: Mapping[int, Sequence[RuleFact]]  # by family, in the kernel's order
    tables: Mapping[int, Mapping[Network, Sequence[RouteFact]]]
    lengths: Mapping[tuple[int, int], Sequence[int]] = field(default_factory=dict)  # (table, family): longest first
    ignores_linkdown: frozenset[str] = frozenset()  # devices

    def decide(self, destination: Address, source: Address | None = None) -> Decision:
        """What happens to a packet from `source` (None: not yet chosen) to `destination`."""
        passed_over: list[RuleFact] = []
        for rule in self.rules[family(destination)]:
            if rule.selective:
                passed_over.append(rule)
                continue
            if not (_matches(rule.destination, destination) and _matches(rule.source, source)):
                continue
            if rule.action != "lookup":
                return Decision(rule.action, passed_over=tuple(passed_over))
            found = self._look(rule.table, destination)
            if found is not None:
                return Decision(found.kind, found.route, found.ways, found.unusable, tuple(passed_over))
        return Decision("none", passed_over=tuple(passed_over))

    def _look(self, table: int, destination: Address) -> Decision | None:
        routes = self.tables.get(table)
        if not routes:
            return None
        version, number, bits = family(destination), int(destination), destination.max_prefixlen
        unusable: tuple[WayFact, ...] = ()
        for length in self.lengths.get((table, version), ()):
            host_bits = bits - length
            for route in routes.get((version, length, number >> host_bits << host_bits), ()):
                if route.kind in DROPS:
                    return Decision(route.kind, route, unusable=unusable)
                if route.kind == "throw":
                    return None
                if route.kind != "unicast":
                    return Decision("local" if route.kind in ("local", "broadcast", "anycast") else "none", route)
                usable = tuple(way for way in route.ways if self._usable(way))
                if usable:
                    passed = tuple(way for way in route.ways if way not in usable)
                    return Decision("forward", route, usable, (*unusable, *passed))
                unusable = (*unusable, *route.ways)
        return None

    def _usable(self, way: WayFact) -> bool:
        return not (way.dead or (way.linkdown and way.device in self.ignores_linkdown))


def compiled(facts: NodeFacts) -> Fib:
    """The tables of `facts`. Without any rule (an old record) the kernel's own three are taken."""
    tables: dict[int, dict[Network, list[RouteFact]]] = {}
    for route in sorted(facts.routes, key=lambda it: it.metric):
        prefix = parsed(route.prefix)
        network = (family(prefix), prefix.prefixlen, int(prefix.network_address))
        tables.setdefault(route.table, {}).setdefault(network, []).append(route)
    lengths: dict[tuple[int, int], set[int]] = {}
    for table, networks in tables.items():
        for version, length, _ in networks:
            lengths.setdefault((table, version), set()).add(length)
    return Fib(
        {version: _rules(facts.rules, version) for version in (4, 6)},
        tables,
        {key: tuple(sorted(found, reverse=True)) for key, found in lengths.items()},
        frozenset(link.name for link in facts.links if _ignores(facts.sysctls, link.name)),
    )


def _rules(rules: Iterable[RuleFact], version: int) -> Sequence[RuleFact]:
    found = sorted((rule for rule in rules if rule.family == version), key=lambda rule: rule.priority)
    tables = () if found else ((0, LOCAL_TABLE), (32766, MAIN_TABLE), (32767, DEFAULT_TABLE))
    kernels = [RuleFact(family=version, priority=at, table=table, action="lookup") for at, table in tables]
    return tuple(found or kernels)


def _ignores(sysctls: Mapping[str, str], device: str) -> bool:
    """IN_DEV_ORCONF in the kernel's inetdevice.h: `all` or the interface's own switch."""
    names = (f"net/ipv4/conf/{name}/ignore_routes_with_linkdown" for name in ("all", device))
    return any(sysctls.get(name) == "1" for name in names)


@lru_cache(1 << 14)
def parsed_address(text: str) -> Address:
    """`parse_address`, remembered likewise."""
    return parse_address(text)


@lru_cache(1 << 14)
def parsed(text: str) -> Prefix:
    """`parse_prefix`, remembered: the same few prefixes are in the tables of every node."""
    return parse_prefix(text)


def _matches(prefix: str, address: Address | None) -> bool:
    if not prefix:
        return True
    return address is not None and address in parsed(prefix)
