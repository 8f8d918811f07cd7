"""Everything that is known of one address: who has it, since when, by which rule, and where it is routed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from felixpy.ipam.blocks import attribute_at, is_confirmed, ordinal_of, reserved_in
from felixpy.ipam.books import blocks_of, shape
from felixpy.ipam.leaks import leaks
from felixpy.ipam.names import HOST, handle_name
from felixpy.ipam.pools import Rules, Wish, rules_of, unfit, unserved
from felixpy.model.addresses import Address, Prefix, family
from felixpy.model.resources import (
    AllocationAttribute,
    BlockAffinity,
    IPAMBlock,
    IPAMHandle,
    IPPool,
    Namespace,
    Resource,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Why:
    """All that is known of one address, from the pool down to the pod."""

    address: Address
    state: str  # in use | leaked | free | resting | reserved | in no block | in no pool
    proof: str = ""  # of the leak
    since: str = ""  # RFC 3339: taken, or, of a resting one, given back
    pool: str = ""
    pool_note: str = ""  # why the pool is not served
    rule: str = ""  # why a pod gets addresses of this pool, as pool, node and namespace are now
    block: Prefix | None = None
    owner: str = ""
    affinity: str = ""  # the owner's claim: confirmed | pending | pendingDeletion | missing
    routed: str = ""  # node and interface, and what the other nodes hear of it
    handle: str = ""
    handle_count: int = 0  # what its IPAMHandle says of this block
    attributes: dict[str, str] = field(default_factory=dict)
    sequence: int | None = None
    endpoints: tuple[str, ...] = ()


def why(snapshot: Snapshot, address: Address) -> Why:
    """Who has `address`, or why nobody has it."""
    pool = next((pool for _, pool in sorted(snapshot.of(IPPool).items()) if address in pool.spec.cidr), None)
    name, note = (pool.name, _not_served(pool)) if pool else ("", "")
    users = {
        name: endpoint.spec
        for name, endpoint in sorted(snapshot.of(WorkloadEndpoint).items())
        if any(address == network.network_address for network in endpoint.spec.ip_networks)
    }
    block = next((b for b in blocks_of(snapshot).values() if address in b.spec.cidr), None)
    if block is None or shape(block.spec):
        state = "in no block" if pool else "in no pool"
        return Why(address, state, pool=name, pool_note=note, routed=_routed(users, None), endpoints=tuple(users))
    spec = block.spec
    ordinal = ordinal_of(spec, address)
    holder = attribute_at(spec, ordinal)
    handle = (holder.handle_id or "") if holder else ""
    record = snapshot.of(IPAMHandle).get(handle_name(handle)) if handle else None
    attributes = (holder.secondary or {}) if holder else {}
    leak = next((one for one in leaks(snapshot) if any(held.address == address for held in one.holdings)), None)
    return Why(
        address,
        "leaked" if leak else _state(snapshot, spec, ordinal),
        proof=leak.proof if leak else "",
        since=_since(holder),
        pool=name,
        pool_note=note,
        rule=_rule(snapshot, pool, address, attributes) if pool and holder and not holder.released_at else "",
        block=spec.cidr,
        owner=(spec.affinity or "").removeprefix(HOST),
        affinity=_affinity(snapshot, spec),
        routed=_routed(users, spec),
        handle=handle,
        handle_count=record.spec.block.get(str(spec.cidr), 0) if record else 0,
        attributes=attributes,
        sequence=spec.sequence_number_for_allocation.get(str(ordinal)),
        endpoints=tuple(users),
    )


def _since(holder: AllocationAttribute | None) -> str:
    if holder is None:
        return ""
    return holder.released_at or (holder.secondary or {}).get("timestamp", "")


def _not_served(pool: Resource[IPPool]) -> str:
    reason = unserved(pool)
    return f"not served: {reason}" if reason else ""


def _rule(snapshot: Snapshot, pool: Resource[IPPool], address: Address, owner: Mapping[str, str]) -> str:
    """Which of the pool's fields let the holder have it; blocks do not keep what a pod asked for."""
    rules: Rules = rules_of(snapshot, owner.get("node", ""))
    namespace = snapshot.of(Namespace).get(owner.get("namespace", ""))
    use = "Tunnel" if "type" in owner else "Workload"
    wish = Wish(family(address), use=use, namespace_labels=namespace.meta.labels if namespace else {})
    if reason := unfit(pool, wish, rules.labels):
        return f"asked for by pool or address, for {reason}"
    spec = pool.spec
    parts = [f"assignmentMode {spec.assignment_mode}", f"nodeSelector {spec.node_selector}"]
    parts += [f"namespaceSelector {spec.namespace_selector}"] if spec.namespace_selector else []
    return ", ".join(parts)


def _routed(users: Mapping[str, WorkloadEndpoint], block: IPAMBlock | None) -> str:
    """Where packets for it go: its endpoint's interface, and how other nodes hear of it."""
    if not users:
        return ""
    places = ", ".join(f"{spec.node} dev {spec.interface_name}" for spec in users.values())
    nodes = {spec.node for spec in users.values()}
    if block is None:
        return places
    owner = (block.affinity or "").removeprefix(HOST)
    if nodes == {owner}:
        return f"{places}, others by {owner}'s block {block.cidr}"
    return f"{places}, others by a host route: the block {block.cidr} is {f'of {owner}' if owner else 'of no node'}"


def _state(snapshot: Snapshot, block: IPAMBlock, ordinal: int) -> str:
    holder = attribute_at(block, ordinal)
    if holder is not None:
        return "in use" if holder.released_at is None else "resting"
    return "reserved" if ordinal in reserved_in(block, rules_of(snapshot, "").reserved) else "free"


def _affinity(snapshot: Snapshot, block: IPAMBlock) -> str:
    owner = (block.affinity or "").removeprefix(HOST)
    for affinity in snapshot.of(BlockAffinity).values():
        if affinity.spec.cidr == block.cidr and affinity.spec.node == owner:
            return "confirmed" if is_confirmed(affinity) else affinity.spec.state or "deleted"
    return "missing" if owner else ""
