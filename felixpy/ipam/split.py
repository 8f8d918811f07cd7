"""One pool cut into several of equal size, as `calicoctl ipam split`. Pure, but for `split`."""

from collections.abc import Sequence

from msgspec import structs

from felixpy.datastore.source import Datastore
from felixpy.model.errors import Conflict, Usage
from felixpy.model.resources import IPPool, Metadata, Resource

MOST = 1024


def children(pool: Resource[IPPool], number: int) -> tuple[Resource[IPPool], ...]:
    """The pools that `pool` becomes, with its settings and labels; Usage when it cannot be cut so.

    Blocks stay whole: each lies in one child.
    """
    if number < 2 or number & (number - 1) or number > MOST:
        raise Usage(f"a pool is cut into 2, 4, 8... up to {MOST} parts, not {number}")
    length = pool.spec.cidr.prefixlen + number.bit_length() - 1
    if length > pool.spec.block_size:
        most = 1 << (pool.spec.block_size - pool.spec.cidr.prefixlen)
        raise Usage(f"{pool.spec.cidr} holds {most} blocks of /{pool.spec.block_size}: it has no {number} parts")
    return tuple(
        Resource(
            Metadata(f"split-{pool.name}-{index}", labels=pool.meta.labels, annotations=pool.meta.annotations),
            structs.replace(pool.spec, cidr=cidr),
        )
        for index, cidr in enumerate(pool.spec.cidr.subnets(new_prefix=length))
    )


async def split(store: Datastore, pool: Resource[IPPool], parts: Sequence[Resource[IPPool]]) -> None:
    """Store `parts`, then remove `pool`: at no moment is an address in no pool.

    Doing it again finishes what was interrupted. Conflict when one of the names is taken by another pool.
    """
    for part in parts:
        try:
            await store.create(part)
        except Conflict:
            stored = await store.get(IPPool, part.name)
            if stored is None or stored.spec != part.spec:
                raise Conflict(f"IPPool {part.name} exists and is another pool: rename one of them") from None
    await store.delete(pool)
