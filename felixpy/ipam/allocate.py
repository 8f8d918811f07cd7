"""A trial: what the blocks would become if these requests were served, before anything is written. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from felixpy.ipam.blocks import (
    Owner,
    assigned,
    assigned_address,
    free_ordinals,
    ordinals_of,
    released,
)
from felixpy.ipam.cooldown import rested, resting
from felixpy.ipam.pools import Wish
from felixpy.model.addresses import Address, Prefix, contains
from felixpy.model.resources import IPAMBlock, IPPool, Resource


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants addresses: one for each wish, and exactly these `addresses`; all of them or none."""

    owner: Owner
    wishes: tuple[Wish, ...] = ()
    addresses: tuple[Address, ...] = ()
    use: str = "Workload"  # what the fixed addresses are for


@dataclass(slots=True)
class Trial:
    """The blocks as they would be; `takes` says what each handle took, block by block."""

    blocks: dict[Prefix, IPAMBlock]
    reserved: Collection[Prefix] = ()
    cooldown_s: float = 0.0
    now: float = 0.0
    takes: dict[str, list[tuple[Prefix, Address]]] = field(default_factory=dict)

    def add(self, block: IPAMBlock) -> None:
        """One more block to take from, as it is stored, with what has rested long enough set free."""
        self.blocks[block.cidr] = rested(block, self.cooldown_s, self.now)

    def take(self, cidrs: Iterable[Prefix], owner: Owner) -> Address | None:
        """One address from the first of these blocks that has one free; None when none has."""
        for cidr in cidrs:
            if not self.blocks[cidr].unallocated:
                continue
            block, addresses = assigned(self.blocks[cidr], 1, owner, self.reserved)
            if addresses:
                self.blocks[cidr] = block
                self.takes.setdefault(owner.handle, []).append((cidr, addresses[0]))
                return addresses[0]
        return None

    def take_address(self, cidr: Prefix, address: Address, owner: Owner) -> None:
        """Exactly this address of this block; Taken when somebody has it."""
        self.blocks[cidr] = assigned_address(self.blocks[cidr], address, owner)
        self.takes.setdefault(owner.handle, []).append((cidr, address))

    def give_back(self, cidr: Prefix, handle: str) -> None:
        """All that `handle` holds of this block."""
        block = self.blocks[cidr]
        ordinals = ordinals_of(block, handle)
        self.blocks[cidr] = resting(block, ordinals, self.now) if self.cooldown_s else released(block, ordinals)

    def undo(self, handle: str) -> None:
        """As if `handle` had asked for nothing in this trial."""
        for cidr, address in reversed(self.takes.pop(handle, [])):
            block = self.blocks[cidr]
            ordinal = int(address) - int(cidr.network_address)
            self.blocks[cidr] = _at_head(released(block, [ordinal]))

    def taken_by(self, handle: str) -> dict[Prefix, int]:
        """How many addresses of each block `handle` took."""
        counts: dict[Prefix, int] = {}
        for cidr, _ in self.takes.get(handle, ()):
            counts[cidr] = counts.get(cidr, 0) + 1
        return counts


def _at_head(block: IPAMBlock) -> IPAMBlock:
    """An address that was never really given out goes back to where it was: the head of the queue."""
    return replace(block, unallocated=(block.unallocated[-1], *block.unallocated[:-1]))


def inside(cidrs: Iterable[Prefix], pools: Collection[Resource[IPPool]]) -> list[Prefix]:
    """The blocks that lie in these pools; the first pool's first, as it is used up first."""
    blocks = list(cidrs)
    return [cidr for pool in pools for cidr in blocks if contains(pool.spec.cidr, cidr)]


def with_room(block: IPAMBlock, reserved: Collection[Prefix]) -> bool:
    """Whether an address of it may be given out."""
    return bool(free_ordinals(block, reserved))


def shortage(pools: Collection[Resource[IPPool]], reasons: Iterable[str]) -> str:
    """The sentence of a request that cannot be served, as people know it from Calico, and the reasons."""
    cidrs = ", ".join(str(pool.spec.cidr) for pool in pools)
    fix = "add an IPPool, or see felixpy ipam show and felixpy ipam check"
    return "; ".join((f"No IPs available in pools: [{cidrs}]", *reasons, fix))
