"""Join: the pools of a cluster that has none yet, made when that is asked for. What exists is never touched.

As Calico's start-up does with CALICO_IPV4POOL_CIDR: one manifest is then enough for a first pod.
"""

from collections.abc import Iterator

from felixpy.datastore.source import Datastore
from felixpy.model.addresses import Prefix, family, parse_prefix
from felixpy.model.errors import Conflict, Usage
from felixpy.model.resources import IPAMConfig, IPPool, Metadata, Resource

NAMES = {4: "default-ipv4-ippool", 6: "default-ipv6-ippool"}  # Calico's
BLOCKS = {4: 26, 6: 122}


def asked_pools(ipv4: str, ipv6: str) -> list[Prefix]:
    """The pools that the settings ask for; Usage when one is no prefix of its family or too small for a block."""
    return [_asked(text, number) for number, text in ((4, ipv4), (6, ipv6)) if text]


async def first_pools(datastore: Datastore, asked: list[Prefix]) -> list[str]:
    """Create the asked pools of families that have none; what was created, for the log.

    A cluster without any pool also gets an IPAMConfig with strict affinity. Others may do the same at the same time.
    """
    pools = (await datastore.list(IPPool)).objects
    there = {family(pool.spec.cidr) for pool in pools.values()}
    missing = [prefix for prefix in asked if family(prefix) not in there]
    new: list[Resource[IPPool] | Resource[IPAMConfig]] = list(_pools(missing))
    if missing and not pools and await datastore.get(IPAMConfig, "default") is None:
        new.insert(0, Resource(Metadata("default"), IPAMConfig(strict_affinity=True)))
    created = []
    for resource in new:
        try:
            await datastore.create(resource)
        except Conflict:
            continue
        created.append(f"{type(resource.spec).__name__}/{resource.name}")
    return created


def _pools(prefixes: list[Prefix]) -> Iterator[Resource[IPPool]]:
    for prefix in prefixes:
        number = family(prefix)
        yield Resource(Metadata(NAMES[number]), IPPool(cidr=prefix, block_size=BLOCKS[number]))


def _asked(text: str, number: int) -> Prefix:
    where = f"--ipv{number}-pool {text}"
    try:
        prefix = parse_prefix(text)
    except ValueError as error:
        raise Usage(f"{where}: {error}") from None
    if family(prefix) != number or prefix.prefixlen > BLOCKS[number]:
        raise Usage(f"{where}: must be an IPv{number} prefix of at most /{BLOCKS[number]}")
    return prefix
