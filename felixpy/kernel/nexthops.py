"""Nexthop objects that our routes share: gateways, and groups of them that routes name.

Ours have our protocol number and an id of ours; what another holds, also among our ids, is never touched. Routes name
groups only, a group of one where there is one way: so a group can turn to other gateways without any other group
noticing, and a gateway never changes. The kernel itself drops gateways whose link loses its carrier, from their
groups too, and a group that has none left together with its routes.
"""

import errno
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from felixpy.kernel import nexthop_message
from felixpy.kernel.netlink import Failure, Netlink, dumped
from felixpy.kernel.nexthop_message import RTM_GETNEXTHOP, RTM_NEWNEXTHOP, Found
from felixpy.kernel.owners import NEXTHOP_IDS
from felixpy.kernel.route_dump import index_of, name_of
from felixpy.kernel.route_message import in_order
from felixpy.kernel.rtnetlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
from felixpy.model.routes import Hop, Route, RouteKey

CREATE, REPLACE = NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE | NLM_F_REPLACE
ATTEMPTS = 8  # at an id that others take before us

Hops = tuple[Hop, ...]
Share = tuple[int, Hops]  # IP version of the routes, their ways out


class Refusal(Exception):
    """The kernel's no to an object."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(slots=True)
class Placed:
    """What becomes of routes that are to be written: the group to name, no message at all, or the kernel's no."""

    groups: dict[RouteKey, int] = field(default_factory=dict)
    done: set[RouteKey] = field(default_factory=set)
    failed: dict[RouteKey, Failure] = field(default_factory=dict)


class Nexthops:
    """The objects with protocol number `protocol` and ids of ours, and which routes name which group."""

    def __init__(self, netlink: Netlink, protocol: int) -> None:
        self._netlink, self._protocol = netlink, protocol
        self._ids: set[int] = set()  # in our range, whoever holds them
        self._gateways: dict[Hop, int] = {}  # by the hop with weight 1
        self._groups: dict[int, Hops] = {}
        self._known: set[int] = set()  # groups all of whose users we know
        self._preferred: dict[Share, int] = {}  # the group that a further route with these ways out would name
        self._named: dict[RouteKey, int] = {}
        self._users: defaultdict[int, set[RouteKey]] = defaultdict(set)

    def read(self) -> None:
        """Our objects, read from the kernel now."""
        found = [each for each in self._dump() if each.id in NEXTHOP_IDS]
        self._ids = {each.id for each in found}
        ours = [each for each in found if each.protocol == self._protocol]
        hops = {each.id: each.gateway for each in ours if each.gateway is not None}
        self._gateways = {hop: number for number, hop in hops.items()}
        self._groups = {
            each.id: in_order(replace(hops[number], weight=weight) for number, weight in each.members)
            for each in ours
            if each.members and all(number in hops for number, _ in each.members)
        }
        self._preferred = {share: number for share, number in self._preferred.items() if self._is(number, share[1])}

    def all_named(self, present: Set[RouteKey]) -> None:
        """Every route has been read since the last `read`, and there are these: the users of each group are known."""
        for key in self._named.keys() - present:
            self.name(key, 0)
        self._known = set(self._groups)

    def hops(self, number: int) -> Hops | None:
        """The ways out of a group of ours; None for any other number."""
        return self._groups.get(number)

    def named(self, key: RouteKey) -> int:
        """The group that `key` names; 0 for none."""
        return self._named.get(key, 0)

    def users(self) -> Mapping[int, Collection[RouteKey]]:
        """Which routes name each group."""
        return self._users

    def name(self, key: RouteKey, number: int) -> None:
        """`key` names this group now; 0 for none."""
        before = self._named.pop(key, 0)
        if before:
            self._users[before].discard(key)
        if number:
            self._named[key] = number
            self._users[number].add(key)

    def place(self, routes: Mapping[RouteKey, Route], doubted: Collection[RouteKey]) -> Placed:
        """Find or make the groups that `routes` must name.

        Where all routes of a group move, the group turns to where most of them go, and those need no message.
        """
        shares: defaultdict[Share, list[RouteKey]] = defaultdict(list)
        for key, route in routes.items():
            shares[key.prefix.version, route.hops].append(key)
        self._turn(shares)
        placed = Placed()
        for share, keys in shares.items():
            there = {key for key in keys if key not in doubted and self._is(self._named.get(key, 0), share[1])}
            placed.done |= there
            try:
                for key in keys:
                    if key not in there:
                        placed.groups[key] = self._group(share)
            except Refusal as refusal:
                placed.failed.update((key, refusal.failure) for key in keys if key not in there)
        return placed

    def turn(self, number: int, hops: Hops) -> bool:
        """Have all routes of this group leave by `hops`, by one message; whether the kernel took it."""
        if self._is(number, hops):
            return True
        try:
            self._write(number, hops, REPLACE)
        except Refusal:
            return False
        return True

    def unused(self, but_for: Set[RouteKey] = frozenset()) -> list[int]:
        """The groups that no route names, but for these, and the gateways that no other group holds."""
        groups = [number for number in self._known & self._groups.keys() if self._users[number] <= but_for]
        held = {plain(hop) for number, hops in self._groups.items() if number not in groups for hop in hops}
        return [*groups, *(number for hop, number in self._gateways.items() if hop not in held)]

    def sweep(self) -> None:
        """Remove what is unused."""
        numbers = self.unused()
        self._netlink.send([nexthop_message.erasing(number) for number in numbers])
        gone = set(numbers)
        self._ids -= gone
        self._groups = {number: hops for number, hops in self._groups.items() if number not in gone}
        self._gateways = {hop: number for hop, number in self._gateways.items() if number not in gone}
        self._preferred = {share: number for share, number in self._preferred.items() if number not in gone}

    def _turn(self, shares: Mapping[Share, list[RouteKey]]) -> None:
        moving: defaultdict[int, Counter[Share]] = defaultdict(Counter)
        for share, keys in shares.items():
            for number, count in Counter(self._named.get(key, 0) for key in keys).items():
                if not self._is(number, share[1]):
                    moving[number][share] = count
        for number, counts in moving.items():
            if number and counts.total() == len(self._users[number]):
                ((_, hops), _) = counts.most_common(1)[0]
                self.turn(number, hops)

    def _group(self, share: Share) -> int:
        number = self._preferred.get(share, 0)
        if not self._is(number, share[1]):
            number = self._create(share[1])
            self._preferred[share] = number
        return number

    def _create(self, hops: Hops) -> int:
        for _ in range(ATTEMPTS):
            number = self._free()
            try:
                self._write(number, hops, CREATE)
            except Refusal as refusal:
                if refusal.failure.code != errno.EEXIST:
                    raise
                self._ids.add(number)
            else:
                self._known.add(number)
                return number
        raise Refusal(Failure(errno.EEXIST, "others take every nexthop id"))

    def _write(self, number: int, hops: Hops, flags: int) -> None:
        try:
            self._try(number, hops, flags)
        except Refusal:
            self.read()  # a link that lost its carrier has taken gateways along
            self._try(number, hops, flags)

    def _try(self, number: int, hops: Hops, flags: int) -> None:
        members = [(self._gateway(plain(hop)), hop.weight) for hop in hops]
        self._send(nexthop_message.group(number, members, self._protocol, flags))
        self._ids.add(number)
        self._groups[number] = hops

    def _gateway(self, hop: Hop) -> int:
        known = self._gateways.get(hop)
        if known is not None:
            return known
        number = self._free()
        try:
            self._send(nexthop_message.gateway(number, hop, self._protocol, CREATE, index_of))
        except KeyError:
            raise Refusal(Failure(errno.ENODEV)) from None
        self._ids.add(number)
        self._gateways[hop] = number
        return number

    def _free(self) -> int:
        return next(number for number in NEXTHOP_IDS if number not in self._ids)

    def _is(self, number: int, hops: Hops) -> bool:
        return self._groups.get(number) == hops

    def _dump(self) -> Iterable[Found]:
        chunks = self._netlink.dump(RTM_GETNEXTHOP, nexthop_message.listing())
        return [nexthop_message.decode(body, name_of) for body in dumped(chunks, RTM_NEWNEXTHOP)]

    def _send(self, request: bytes) -> None:
        for failure in self._netlink.send([request]).values():
            raise Refusal(failure)


def plain(hop: Hop) -> Hop:
    """The hop as a gateway: its weight belongs to the group."""
    return hop if hop.weight == 1 else replace(hop, weight=1)
