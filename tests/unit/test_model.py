"""Addresses, routes and the snapshot."""

from ipaddress import ip_address, ip_network

import pytest

from felixpy.model.addresses import parse_address, parse_asn, parse_prefix
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BlockAffinity, IPPool, Metadata, Resource
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.model.snapshot import Broken, Gone, Listed, Put, Snapshot

POOL = Resource(Metadata("p"), IPPool(cidr=ip_network("10.65.0.0/16"), block_size=26))
BAD = InvalidResource("p.yaml", "spec.cidr", "not a prefix")


@pytest.mark.parametrize("value", [7, True, None, 1.1, b"1.2.3.4"])
def test_a_number_never_becomes_an_address(value: object) -> None:
    with pytest.raises(ValueError, match="text"):
        parse_address(value)
    with pytest.raises(ValueError, match="text"):
        parse_prefix(value)


def test_host_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="host bits"):
        parse_prefix("10.0.0.1/24")


@pytest.mark.parametrize(("value", "asn"), [(64512, 64512), ("64512", 64512), ("1.10", 65546)])
def test_an_as_number_is_an_integer_or_asdot_text(value: object, asn: int) -> None:
    assert parse_asn(value) == asn


@pytest.mark.parametrize("value", [0, "0", 4294967296, 1.1, True, "1.65536", "x", "1.2.3"])
def test_what_is_no_as_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="AS"):
        parse_asn(value)


def test_a_route_is_one_of_three_shapes() -> None:
    key = RouteKey(ip_network("10.0.0.0/26"))
    with pytest.raises(ValueError, match="does not fit"):
        Route(key, RouteKind.BLACKHOLE, device=Device("eth0"))
    with pytest.raises(ValueError, match="does not fit"):
        Route(key, RouteKind.LOCAL, hops=(Hop(ip_address("10.0.0.1"), Device("eth0")),))


def test_the_snapshot_follows_its_events_and_stays_what_it_was() -> None:
    empty = Snapshot()
    listed = empty.after(Listed(IPPool, {"p": POOL}))
    assert not empty.in_sync([IPPool])
    assert listed.in_sync([IPPool])
    assert not listed.in_sync([IPPool, BlockAffinity])
    assert dict(listed.after(Gone(IPPool, "p")).of(IPPool)) == {}
    assert dict(listed.of(IPPool)) == {"p": POOL}


def test_an_object_that_turns_to_garbage_keeps_its_last_good_value() -> None:
    now = Snapshot().after(Listed(IPPool, {"p": POOL})).after(Broken(IPPool, "p", BAD))
    assert now.of(IPPool)["p"] is POOL
    assert now.problems == {(IPPool, "p"): BAD}
    assert now.may_erase([IPPool])
    again = now.after(Listed(IPPool, {}, {"p": BAD}))
    assert again.of(IPPool)["p"] is POOL
    assert not again.after(Put(IPPool, POOL)).problems


def test_nothing_is_erased_while_an_object_was_never_readable() -> None:
    now = Snapshot().after(Listed(IPPool, {}, {"p": BAD}))
    assert now.in_sync([IPPool])
    assert not now.may_erase([IPPool])
    assert now.may_erase([]) and now.after(Gone(IPPool, "p")).may_erase([IPPool])
