"""How full pools and blocks are, and everything that is known of one address. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import collapse_addresses

from felixpy.ipam.blocks import attribute_at, held, in_use, is_confirmed, ordinal_of, reserved_in
from felixpy.ipam.books import blocks_of, shape
from felixpy.ipam.leaks import holdings
from felixpy.ipam.names import HOST, handle_name
from felixpy.ipam.pools import rules_of, unserved
from felixpy.model.addresses import Address, Prefix, contains
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPAMHandle, IPPool, Resource, WorkloadEndpoint
from felixpy.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Usage:
    """One pool or block; numbers are addresses. `free` counts neither those in use nor the reserved ones."""

    grouping: str  # "IP Pool" | "Block"
    name: str
    cidr: Prefix
    total: int
    used: int
    reserved: int
    owner: str = ""  # the block's node
    borrowed: int = 0  # of `used`, by other nodes
    note: str = ""  # why it is not served, or what is wrong with it

    @property
    def free(self) -> int:
        """What may still be given out."""
        return max(self.total - self.used - self.reserved, 0)


def usages(snapshot: Snapshot) -> Iterator[Usage]:
    """Each pool, followed by its blocks; blocks outside every pool come last."""
    blocks = list(blocks_of(snapshot).values())
    reserved = rules_of(snapshot, "").reserved
    for _, pool in sorted(snapshot.of(IPPool).items()):
        mine = [block for block in blocks if contains(pool.spec.cidr, block.spec.cidr)]
        rows = [_block(block, reserved) for block in mine]
        blocks = [block for block in blocks if block not in mine]
        kept = sum(p.num_addresses for p in _inside(pool.spec.cidr, reserved))
        yield Usage(
            "IP Pool", pool.name, pool.spec.cidr, pool.spec.cidr.num_addresses, sum(row.used for row in rows), kept,
            borrowed=sum(row.borrowed for row in rows), note=_not_served(pool),
        )  # fmt: skip
        yield from rows
    for block in blocks:
        row = _block(block, reserved)
        yield Usage(
            "Block", row.name, row.cidr, row.total, row.used, row.reserved, row.owner, row.borrowed, "no pool"
        )


def _not_served(pool: Resource[IPPool]) -> str:
    reason = unserved(pool)
    return f"not served: {reason}" if reason else ""


def _inside(cidr: Prefix, reserved: tuple[Prefix, ...]) -> list[Prefix]:
    """The part of each reservation that lies in `cidr`, each address once."""
    near = [cidr if contains(p, cidr) else p for p in reserved if p.version == cidr.version and p.overlaps(cidr)]
    return list(collapse_addresses(near))  # type: ignore[type-var]


def _block(block: Resource[IPAMBlock], reserved: tuple[Prefix, ...]) -> Usage:
    spec = block.spec
    owner = (spec.affinity or "").removeprefix(HOST)
    if wrong := shape(spec):
        return Usage("Block", block.name, spec.cidr, spec.cidr.num_addresses, 0, 0, owner, 0, f"broken: {wrong}")
    kept = reserved_in(spec, reserved)
    free_and_kept = sum(1 for ordinal in kept if spec.allocations[ordinal] is None)
    others = sum(1 for holding in _of(block) if holding.get("node", owner) != owner)
    return Usage("Block", block.name, spec.cidr, spec.cidr.num_addresses, in_use(spec), free_and_kept, owner, others)


def _of(block: Resource[IPAMBlock]) -> Iterator[dict[str, str]]:
    for _, entry in held(block.spec):
        yield entry.secondary or {}


@dataclass(frozen=True, slots=True)
class Borrowed:
    """An address in use by a node that does not own its block."""

    address: Address
    borrower: str
    block: Prefix
    owner: str
    holder: str


def borrowed(snapshot: Snapshot) -> list[Borrowed]:
    """Every borrowed address."""
    blocks = blocks_of(snapshot)
    found = []
    for holding in holdings(snapshot):
        block = blocks[holding.block].spec
        owner = (block.affinity or "").removeprefix(HOST)
        borrower = holding.attributes.get("node", "")
        if borrower and borrower != owner:
            found.append(Borrowed(holding.address, borrower, block.cidr, owner, holding.who))
    return found


@dataclass(frozen=True, slots=True)
class Why:
    """All that is known of one address, from the pool down to the pod."""

    address: Address
    state: str  # "in use" | "free" | "resting" | "reserved" | "in no block" | "in no pool"
    pool: str = ""
    pool_note: str = ""
    block: Prefix | None = None
    owner: str = ""
    affinity: str = ""  # the owner's claim: confirmed | pending | pendingDeletion | missing
    handle: str = ""
    handle_count: int = 0  # what its IPAMHandle says of this block
    attributes: dict[str, str] = field(default_factory=dict)
    sequence: int | None = None
    endpoints: tuple[str, ...] = ()


def why(snapshot: Snapshot, address: Address) -> Why:
    """Who has `address`, or why nobody has it."""
    pools = [pool for _, pool in sorted(snapshot.of(IPPool).items()) if address in pool.spec.cidr]
    pool, note = (pools[0].name, _not_served(pools[0])) if pools else ("", "")
    users = tuple(
        name
        for name, endpoint in sorted(snapshot.of(WorkloadEndpoint).items())
        if any(address == network.network_address for network in endpoint.spec.ip_networks)
    )
    block = next((b for b in blocks_of(snapshot).values() if address in b.spec.cidr), None)
    if block is None or shape(block.spec):
        state = "in no block" if pool else "in no pool"
        return Why(address, state, pool, note, endpoints=users)
    spec = block.spec
    ordinal = ordinal_of(spec, address)
    holder = attribute_at(spec, ordinal)
    handle = (holder.handle_id or "") if holder else ""
    record = snapshot.of(IPAMHandle).get(handle_name(handle)) if handle else None
    return Why(
        address,
        _state(snapshot, spec, ordinal),
        pool,
        note,
        block=spec.cidr,
        owner=(spec.affinity or "").removeprefix(HOST),
        affinity=_affinity(snapshot, spec),
        handle=handle,
        handle_count=record.spec.block.get(str(spec.cidr), 0) if record else 0,
        attributes=(holder.secondary or {}) if holder else {},
        sequence=spec.sequence_number_for_allocation.get(str(ordinal)),
        endpoints=users,
    )


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
