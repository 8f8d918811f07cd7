"""The first pools of a cluster: made where there are none, never beside others."""

import asyncio

import pytest

from felixpy.datastore.memory import MemoryDatastore
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Usage
from felixpy.model.resources import IPAMConfig, IPPool, Metadata, Resource
from felixpy.pools import asked_pools, first_pools

BOTH = asked_pools("10.65.0.0/16", "fd00:65::/48")


def pools(store: MemoryDatastore) -> dict[str, tuple[str, int]]:
    listed = asyncio.run(store.list(IPPool)).objects
    return {name: (str(pool.spec.cidr), pool.spec.block_size) for name, pool in listed.items()}


def test_an_empty_cluster_gets_a_pool_of_each_family_and_strict_affinity() -> None:
    store = MemoryDatastore()
    created = asyncio.run(first_pools(store, BOTH))
    assert created == ["IPAMConfig/default", "IPPool/default-ipv4-ippool", "IPPool/default-ipv6-ippool"]
    assert pools(store) == {"default-ipv4-ippool": ("10.65.0.0/16", 26), "default-ipv6-ippool": ("fd00:65::/48", 122)}
    config = asyncio.run(store.get(IPAMConfig, "default"))
    assert config is not None and config.spec.strict_affinity


def test_a_second_start_creates_nothing() -> None:
    store = MemoryDatastore()
    asyncio.run(first_pools(store, BOTH))
    assert asyncio.run(first_pools(store, BOTH)) == []


def test_a_cluster_with_a_pool_keeps_it_and_its_way_of_giving_addresses() -> None:
    store = MemoryDatastore()
    own = Resource(Metadata("mine"), IPPool(cidr=parse_prefix("10.1.0.0/16"), block_size=26))
    asyncio.run(store.create(own))
    assert asyncio.run(first_pools(store, BOTH)) == ["IPPool/default-ipv6-ippool"]
    assert asyncio.run(store.get(IPAMConfig, "default")) is None


@pytest.mark.parametrize(("ipv4", "ipv6"), [("10.0.0.0/27", ""), ("", "10.0.0.0/8"), ("ten", ""), ("10.0.0.1/8", "")])
def test_what_is_no_pool_ends_the_start(ipv4: str, ipv6: str) -> None:
    with pytest.raises(Usage, match=r"--ipv[46]-pool"):
        asked_pools(ipv4, ipv6)
