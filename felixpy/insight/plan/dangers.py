"""What a change must not do unless it is forced. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from felixpy.insight.plan.ledger import Ledger
from felixpy.insight.plan.network import Network
from felixpy.insight.plan.rows import Danger
from felixpy.model.addresses import Address, Prefix, contains
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPPool, WorkloadEndpoint
from felixpy.model.routes import RouteKind
from felixpy.model.snapshot import Snapshot

OUTSIDE = "; if peers outside the cluster carry it, say --force"


def session_dangers(before: Network, after: Network, into: Ledger[Danger]) -> None:
    """Write down the nodes that lose their last session, and the nodes that sessions joined and join no more."""
    was, will = before.groups, after.groups
    for name in before.routers.keys() & after.routers.keys():
        if before.routers[name].up and not after.routers[name].up:
            reason = f"it has {len(before.routers[name].up)} sessions now and none afterwards"
            into.add((name,), "last", Danger(danger="last session", subject=f"node {name}", reason=reason))
    for one, stood in was.items():
        for other in was:
            if one != other and stood == was[other] and one in will and other in will and will[one] != will[other]:
                reason = f"no chain of sessions joins {one} and {other} any more{OUTSIDE}"
                into.add((one, other), "cut", Danger(danger="cut", subject=f"node {one}", reason=reason))


def route_dangers(
    before: Network, after: Network, whose: Mapping[Prefix, tuple[str, int]], into: Ledger[Danger]
) -> None:
    """Write down the prefixes that a node reaches now, that are still there, and that nobody tells it any more."""
    there = {prefix for router in after.routers.values() for prefix in router.orders.paths}
    for name in before.routers.keys() & after.routers.keys():
        kept = {key.prefix for key in after.routers[name].kernel}
        for key, route in before.routers[name].kernel.items():
            if route.kind is RouteKind.LEARNED and key.prefix in there and key.prefix not in kept:
                owner, place = whose.get(key.prefix, ("", str(key.prefix)))
                reason = f"nobody tells it of {key.prefix}{f' of {owner}' if owner else ''} any more{OUTSIDE}"
                row = Danger(danger="cut", subject=f"node {name}", reason=reason)
                into.add((name, owner) if owner else (name,), place, row)


def resource_dangers(before: Snapshot, after: Snapshot) -> Iterator[Danger]:
    """Addresses in use that no pool serves any more, and what has two owners only afterwards."""
    for block, used in _in_use(after).items():
        if _served(before, block) and (reason := _unserved(after, block)):
            yield Danger(danger="stranded addresses", subject=f"block {block}", reason=f"{used} in use; {reason}")
    for block, used in _in_use(before).items():
        if block not in _in_use(after) and _pods_in(after, block):
            reason = f"{used} in use, and its books are to be deleted"
            yield Danger(danger="stranded addresses", subject=f"block {block}", reason=reason)
    known = set(_twice(before))
    for subject, owners in _twice(after):
        if (subject, owners) not in known:
            yield Danger(danger="two owners", subject=subject, reason=f"{' and '.join(owners)} would both have it")


def in_use(block: IPAMBlock) -> int:
    """How many addresses of a block are given out."""
    return sum(it is not None for it in block.allocations)


def pool_of(snapshot: Snapshot, block: Prefix) -> str:
    """The pool that a block lies in; "" when there is none."""
    found = [
        (it.spec.cidr.prefixlen, name) for name, it in snapshot.of(IPPool).items() if contains(it.spec.cidr, block)
    ]
    return max(found)[1] if found else ""


def _in_use(snapshot: Snapshot) -> dict[Prefix, int]:
    blocks = (it.spec for it in snapshot.of(IPAMBlock).values())
    return {it.cidr: used for it in blocks if (used := in_use(it))}


def _pods_in(snapshot: Snapshot, block: Prefix) -> bool:
    return any(contains(block, it) for pod in snapshot.of(WorkloadEndpoint).values() for it in pod.spec.ip_networks)


def _served(snapshot: Snapshot, block: Prefix) -> bool:
    return not _unserved(snapshot, block)


def _unserved(snapshot: Snapshot, block: Prefix) -> str:
    name = pool_of(snapshot, block)
    if not name:
        return "no pool holds it"
    pool = snapshot.of(IPPool)[name].spec
    tunnel = pool.ipip_mode != "Never" or pool.vxlan_mode != "Never"
    return f"the tunnel mode of IPPool {name} is not served" if tunnel else ""


def _twice(snapshot: Snapshot) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What has several owners: blocks with several nodes, addresses with several pods."""
    claims: dict[Prefix, set[str]] = defaultdict(set)
    for it in snapshot.of(BlockAffinity).values():
        if it.spec.state in ("", "confirmed") and not it.spec.deleted:
            claims[it.spec.cidr].add(f"{it.spec.type}:{it.spec.node}")
    for block, names in claims.items():
        if len(names) > 1:
            yield f"block {block}", tuple(sorted(names))
    pods: dict[Address, set[str]] = defaultdict(set)
    for name, pod in snapshot.of(WorkloadEndpoint).items():
        for network in pod.spec.ip_networks:
            pods[network.network_address].add(f"pod {name}")
    for address, holders in pods.items():
        if len(holders) > 1:
            yield f"address {address}", tuple(sorted(holders))
