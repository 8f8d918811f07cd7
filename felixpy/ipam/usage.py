"""How full pools and blocks are, and which addresses are borrowed. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import collapse_addresses

from felixpy.ipam.blocks import held, in_use, reserved_in, seconds
from felixpy.ipam.books import blocks_of, shape
from felixpy.ipam.forecast import forecast
from felixpy.ipam.leaks import holdings
from felixpy.ipam.names import HOST
from felixpy.ipam.pools import rules_of, unserved
from felixpy.model.addresses import Address, Prefix, contains
from felixpy.model.resources import IPAMBlock, IPPool, Resource
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
class PoolUse:
    """One pool, for monitoring; numbers are addresses, times Unix seconds."""

    name: str
    used: int
    reserved: int
    free: int
    full_not_before: float | None = None  # at the rate of the last day; None: not known, or not within ten years


def pool_uses(snapshot: Snapshot, now: float) -> tuple[PoolUse, ...]:
    """Each pool, by name."""
    pools = {pool.name: pool for pool in snapshot.of(IPPool).values()}
    found = []
    for row in usages(snapshot):
        if row.grouping == "IP Pool":
            expected = forecast(snapshot, pools[row.name], row.free, now)
            earliest = seconds(expected.earliest) if expected.earliest else None
            found.append(PoolUse(row.name, row.used, row.reserved, row.free, earliest))
    return tuple(found)


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
