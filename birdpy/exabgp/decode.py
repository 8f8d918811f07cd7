"""One line from ExaBGP to events. Pure: no pipe, no clock; equal attributes become one object.

The lines are ExaBGP's JSON (its version 5.0.0 of the format), which repeats the whole set of path attributes for
every UPDATE. Their text is looked up before it is read: a thousand UPDATEs with equal attributes read them once.

Any line gives events or `Undecodable`, nothing else. Faults that ExaBGP lets through are named in
`Attributes.faults` for policy/imports to judge: an absent AS path is a fault over eBGP and nothing over iBGP.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address

import msgspec
from msgspec.structs import replace

from birdpy.exabgp import lines
from birdpy.rib.events import (
    Acked,
    Down,
    EndOfRib,
    Event,
    Malformed,
    Notified,
    Opened,
    Overflow,
    Reach,
    Refresh,
    Shutdown,
    Unreach,
    Up,
    Update,
)
from birdpy.rib.path import Attributes, OriginCode
from felixpy.model.addresses import Address, Asn, Family, routed_address, routed_prefix
from felixpy.model.errors import Trouble

NO_NEXT_HOP = "no next hop"
NO_ORIGIN = "no origin"
INVALID_ORIGIN = "invalid origin"
NO_AS_PATH = "no as path"
CONFEDERATION = "confederation segment in the as path"
TREAT_AS_WITHDRAW = "treat-as-withdraw"

_ERROR = b'"error"'
ATTRIBUTES_KEPT = 5_000  # distinct attribute texts remembered, at 1.5 kB each

_FAMILIES: dict[str, Family] = {"ipv4 unicast": 4, "ipv6 unicast": 6, "ipv4/unicast": 4, "ipv6/unicast": 6}
_ORIGINS = {"igp": OriginCode.IGP, "egp": OriginCode.EGP, "incomplete": OriginCode.INCOMPLETE}


class Undecodable(Trouble):
    """ExaBGP wrote a line that we do not understand: it is counted and logged, and the next one is read."""


_line = msgspec.json.Decoder(lines.Line).decode
_attribute = msgspec.json.Decoder(lines.Attribute).decode
_address = lru_cache(maxsize=4096)(routed_address)


def decode(line: bytes) -> list[Event]:
    """The events in `line`, in order; empty for messages we have no use for."""
    if line == b"done":
        return [Acked(ok=True)]
    if line == b"error":
        return [Acked(ok=False)]
    try:
        if line.startswith(b"overflow "):  # of our own bridge, see exabgp/bridge
            return [Overflow(int(line[9:]))]
        message = _line(line)
        if message.neighbor is None:
            return [Shutdown()] if message.type == "notification" else []
        return list(_events(message.type, message.neighbor))
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Undecodable(f"ExaBGP's line was not understood ({error}): {line[:200]!r}") from error


def _events(kind: str, neighbor: lines.Neighbor) -> Iterator[Event]:
    peer = _address(neighbor.address.peer)
    if kind == "update" and neighbor.message is not None:
        if neighbor.message.update is not None:
            yield from _update(peer, neighbor.message.update)
        if neighbor.message.eor is not None:
            yield from _end_of_rib(peer, neighbor.message.eor)
    elif kind == "state" and neighbor.state == "up":
        yield Up(peer, _own(neighbor.address.local))
    elif kind == "state" and neighbor.state == "down":  # "connected" is printed for a refused connection too
        yield Down(peer, neighbor.reason)
    elif kind == "open" and neighbor.open is not None and neighbor.direction == "receive":
        yield _opened(peer, neighbor.open)
    elif kind == "notification" and (told := neighbor.notification) is not None:
        yield Notified(peer, neighbor.direction == "send", told.code, told.subcode, told.message)
    elif kind == "refresh" and neighbor.refresh is not None and neighbor.direction == "receive":
        yield from _refresh(peer, neighbor.refresh)


def _own(text: str) -> Address | None:
    """Our end of a session, when ExaBGP knows it."""
    try:
        return _address(text)
    except ValueError:
        return None


def _end_of_rib(peer: Address, eor: lines.Eor) -> Iterator[Event]:
    if (family := _FAMILIES.get(f"{eor.afi} {eor.safi}")) is not None:
        yield EndOfRib(peer, family)


def _refresh(peer: Address, asked: lines.Refresh) -> Iterator[Event]:
    if (family := _FAMILIES.get(f"{asked.afi} {asked.safi}")) is not None:
        yield Refresh(peer, family, asked.subtype)


def _update(peer: Address, update: lines.Update) -> Iterator[Event]:
    told = bytes(update.attribute)
    attributes = _attributes(told) if update.announce or _ERROR in told else Attributes()
    withdrawn = [
        Unreach(routed_prefix(route.nlri), _path_id(route.path_id))
        for name, routes in update.withdraw.items()
        if name in _FAMILIES
        for route in routes
    ]
    announced = [reach for name, hops in update.announce.items() if name in _FAMILIES for reach in _reaches(hops)]
    fault = next((fault for fault in attributes.faults if fault.startswith(TREAT_AS_WITHDRAW)), "")
    if fault:
        withdrawn += [Unreach(reach.prefix, reach.path_id) for reach in announced]
        announced = []
        yield Malformed(peer, tuple(gone.prefix for gone in withdrawn), fault)
    if any(reach.next_hop is None for reach in announced):
        attributes = _with_fault(attributes, NO_NEXT_HOP)
    if announced or withdrawn:
        yield Update(peer, tuple(announced), tuple(withdrawn), attributes)


def _reaches(hops: dict[str, list[lines.Nlri]]) -> Iterator[Reach]:
    """The announced prefixes of one family.

    A 32-byte IPv6 next hop (RFC 2545 §3: global and link-local) comes as two next hops with the same prefixes; the
    global one is kept, whichever order they have.
    """
    found = {text: _next_hop(text) for text in hops}
    if len(found) > 1 and any(hop is not None and not hop.is_link_local for hop in found.values()):
        found = {text: hop for text, hop in found.items() if hop is None or not hop.is_link_local}
    for text, next_hop in found.items():
        for route in hops[text]:
            yield Reach(routed_prefix(route.nlri), next_hop, _path_id(route.path_id))


def _next_hop(text: str) -> Address | None:
    if text in ("no-nexthop", "null", "None", ""):
        return None
    address = _address(text)
    return None if address.is_unspecified else address


def _path_id(text: str | int) -> int:
    """A path identifier (RFC 7911), which ExaBGP writes as a dotted quad."""
    return text if isinstance(text, int) else int(IPv4Address(text))


@lru_cache(maxsize=ATTRIBUTES_KEPT)
def _with_fault(attributes: Attributes, fault: str) -> Attributes:
    return replace(attributes, faults=(*attributes.faults, fault))


@lru_cache(maxsize=ATTRIBUTES_KEPT)
def _attributes(text: bytes) -> Attributes:
    """What `text`, the JSON object of the attributes, says; equal texts give the same object."""
    told = _attribute(text)
    faults = [fault for fault, present in _faults(told) if present]
    segments = list((told.as_path or {}).values())
    return Attributes(
        origin=_ORIGINS.get(told.origin, OriginCode.INCOMPLETE),
        as_path=tuple(Asn(n) for s in segments if s.element == "as-sequence" for n in s.value),
        as_sets=tuple(frozenset(Asn(n) for n in s.value) for s in segments if s.element == "as-set"),
        med=told.med,
        local_pref=told.local_preference,
        communities=frozenset(told.community),
        large_communities=frozenset(told.large_community),
        extended_communities=frozenset(str(c["string"]) for c in told.extended_community if "string" in c),
        originator_id=_address(told.originator_id) if told.originator_id else None,
        cluster_list=tuple(_address(c) for c in told.cluster_list),
        atomic_aggregate=told.atomic_aggregate,
        aggregator=told.aggregator,
        faults=tuple(faults),
    )


def _faults(told: lines.Attribute) -> Iterator[tuple[str, bool]]:
    """Each fault of RFC 7606 that ExaBGP passes on, and whether `told` has it."""
    yield told.error, told.error.startswith(TREAT_AS_WITHDRAW)  # "... due to med" of an empty one
    yield NO_ORIGIN, not told.origin
    yield INVALID_ORIGIN, bool(told.origin) and told.origin not in _ORIGINS
    yield NO_AS_PATH, not told.as_path
    yield CONFEDERATION, any("confed" in s.element for s in (told.as_path or {}).values())


def _opened(peer: Address, told: lines.Open) -> Opened:
    """The OPEN of `peer`; capabilities are found by name, since ExaBGP keys received ones by number."""
    by_name = {str(c.get("name", "")): c for c in told.capabilities.values()}
    offered = "graceful restart" in by_name
    restart = by_name.get("graceful restart", {})
    kept = restart.get("address-family-flags", {})
    asn4 = by_name.get("asn4", {}).get("asn4", told.asn)
    refresh = "route-refresh" in by_name
    return Opened(
        peer=peer,
        router_id=int(IPv4Address(told.router_id)),
        asn=int(asn4),
        hold_time=told.hold_time,
        families=_families(by_name.get("multiprotocol", {}).get("families", [])) or frozenset({4}),
        graceful_restart_s=int(restart["time"]) if offered else None,
        restarting="forwarding" in restart.get("restart-flags", []),
        forwarding_kept=_families(name for name, flags in kept.items() if flags),
        route_refresh=refresh,
        enhanced_refresh="enhanced-route-refresh" in by_name,
        add_path=_families(f for f, how in by_name.get("addpath", {}).items() if how in ("receive", "send/receive")),
        extended_next_hop="ipv4/unicast/ipv6" in by_name.get("nexthop", {}).get("conversion", []),
        restartable=_families(kept),
    )


def _families(names: Iterable[object]) -> frozenset[Family]:
    return frozenset(_FAMILIES[name] for name in names if isinstance(name, str) and name in _FAMILIES)
