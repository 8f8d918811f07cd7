"""Where one node's kernel would send a packet: `ip rule`, then the tables, then the longest prefix. Pure.

As `ip route get` answers, but for any node's recorded facts, and with the reasons. Rules with conditions that facts
do not hold (a mark, an interface) are passed over and named, so that nobody trusts an answer more than it deserves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from felixpy.model.addresses import Address, Prefix, parse_address, parse_prefix
from felixpy.model.facts import NodeFacts, RouteFact, RuleFact, WayFact

LOCAL_TABLE, MAIN_TABLE, DEFAULT_TABLE = 255, 254, 253
DROPS = ("blackhole", "unreachable", "prohibit")


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What the kernel does with a packet. `ways` are those it would use, all of them for equal-cost routes."""

    kind: str  # forward | local | blackhole | unreachable | prohibit | none (no route at all)
    route: RouteFact | None = None
    ways: tuple[WayFact, ...] = ()
    unusable: tuple[WayFact, ...] = ()  # of the same route, passed over: dead or without carrier
    passed_over: tuple[RuleFact, ...] = ()  # rules whose conditions cannot be judged from facts


Network = tuple[int, int, int]  # family, prefix length, the bits of the prefix as a number


class Level(NamedTuple):
    """The networks of one length in one table: by their address, shifted to the right by `shift`."""

    shift: int
    routes: Mapping[int, Sequence[RouteFact]]


class Ruled(NamedTuple):
    """A rule with the table that it leads to, the longest networks first; none for a rule that leads to no table."""

    rule: RuleFact
    levels: Sequence[Level]


@dataclass(frozen=True, slots=True)
class Fib:
    """One node's tables, ready to be asked many times; made by `compiled`."""

    rules: Mapping[int, Sequence[Ruled]]  # by family, in the kernel's order
    ignores_linkdown: frozenset[str] = frozenset()  # devices

    def decide(self, destination: Address, source: Address | None = None) -> Decision:
        """What happens to a packet from `source` (None: not yet chosen) to `destination`."""
        passed_over: tuple[RuleFact, ...] = ()
        version, number = destination.version, int(destination)
        for rule, levels in self.rules[version]:
            if rule.selective:
                passed_over = (*passed_over, rule)
                continue
            if rule.destination and not _matches(rule.destination, destination):
                continue
            if rule.source and not _matches(rule.source, source):
                continue
            if rule.action != "lookup":
                return Decision(rule.action, passed_over=passed_over)
            found = self._look(levels, number) if levels else None
            if found is not None:
                return _with(found, passed_over) if passed_over else found
        return Decision("none", passed_over=passed_over)

    def _look(self, levels: Sequence[Level], number: int) -> Decision | None:
        unusable: tuple[WayFact, ...] = ()
        for shift, routes in levels:
            for route in routes.get(number >> shift, ()):
                if route.kind in DROPS:
                    return Decision(route.kind, route, unusable=unusable)
                if route.kind == "throw":
                    return None
                if route.kind != "unicast":
                    return Decision("local" if route.kind in ("local", "broadcast", "anycast") else "none", route)
                passed = tuple([way for way in route.ways if not self._usable(way)])
                if len(passed) < len(route.ways):
                    usable = tuple(way for way in route.ways if way not in passed) if passed else route.ways
                    return Decision("forward", route, usable, (*unusable, *passed))
                unusable = (*unusable, *route.ways)
        return None

    def _usable(self, way: WayFact) -> bool:
        return not (way.dead or (way.linkdown and way.device in self.ignores_linkdown))


def compiled(facts: NodeFacts) -> Fib:
    """The tables of `facts`. Without any rule (an old record) the kernel's own three are taken."""
    tables: dict[tuple[int, int], dict[int, dict[int, list[RouteFact]]]] = {}
    for route in sorted(facts.routes, key=lambda it: it.metric):
        version, length, number = parsed_network(route.prefix)
        lengths = tables.setdefault((route.table, version), {})
        lengths.setdefault(length, {}).setdefault(number, []).append(route)
    levels = {key: _levels(lengths, 32 if key[1] == 4 else 128) for key, lengths in tables.items()}
    return Fib(
        {
            version: [Ruled(rule, levels.get((rule.table, version), ())) for rule in _rules(facts.rules, version)]
            for version in (4, 6)
        },
        frozenset(link.name for link in facts.links if _ignores(facts.sysctls, link.name)),
    )


def _levels(lengths: Mapping[int, Mapping[int, Sequence[RouteFact]]], bits: int) -> tuple[Level, ...]:
    return tuple(Level(bits - length, lengths[length]) for length in sorted(lengths, reverse=True))


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


@lru_cache(1 << 14)
def parsed_network(text: str) -> Network:
    """The same prefix as numbers."""
    prefix = parsed(text)
    length = prefix.prefixlen
    return prefix.version, length, int(prefix.network_address) >> (prefix.max_prefixlen - length)


def _with(found: Decision, passed_over: tuple[RuleFact, ...]) -> Decision:
    return msgspec.structs.replace(found, passed_over=passed_over)


def _matches(prefix: str, address: Address | None) -> bool:
    return address is not None and address in parsed(prefix)
