"""Taking from a block and giving back."""

from ipaddress import ip_address, ip_network

import pytest

from felixpy.ipam.blocks import (
    Owner,
    assigned,
    assigned_address,
    free_ordinals,
    fresh_block,
    in_use,
    ordinals_of,
    released,
    released_address,
    seconds,
    timestamp,
)
from felixpy.ipam.books import shape
from felixpy.ipam.cooldown import rested, resting
from felixpy.ipam.errors import NotTheHolder, Taken
from felixpy.model.resources import AllocationAttribute

NOW = 1_800_000_000.0
BLOCK = fresh_block(ip_network("10.65.0.0/30"), "host:n1", NOW)
ONE, TWO = Owner("net.one", {"pod": "one"}), Owner("net.two")


def test_a_fresh_block_gives_every_address_network_and_broadcast_too() -> None:
    block, addresses = assigned(BLOCK, 9, ONE)
    assert [str(a) for a in addresses] == ["10.65.0.0", "10.65.0.1", "10.65.0.2", "10.65.0.3"]
    assert assigned(block, 1, TWO) == (block, ())
    assert block.attributes == (AllocationAttribute(handle_id="net.one", secondary={"pod": "one"}),)


def test_an_address_that_was_given_back_comes_last() -> None:
    block, (first, *_) = assigned(BLOCK, 2, ONE)
    block = released_address(block, first)
    order = [assigned_and_next(block, n) for n in range(3)]
    assert order == ["10.65.0.2", "10.65.0.3", "10.65.0.0"]


def assigned_and_next(block: object, skip: int) -> str:
    taken, _ = assigned(block, skip, TWO)  # type: ignore[arg-type]
    _, (address,) = assigned(taken, 1, TWO)
    return str(address)


def test_a_reserved_address_is_skipped_and_keeps_its_place() -> None:
    reserved = [ip_network("10.65.0.0/31"), ip_network("fd00::/64")]
    block, addresses = assigned(BLOCK, 9, ONE, reserved)
    assert [str(a) for a in addresses] == ["10.65.0.2", "10.65.0.3"]
    assert block.unallocated == (0, 1)
    assert free_ordinals(block, reserved) == ()


def test_one_owner_shares_one_attribute_and_the_last_release_drops_it() -> None:
    block, _ = assigned(BLOCK, 1, ONE)
    block, _ = assigned(block, 1, TWO)
    block, _ = assigned(block, 1, ONE)
    assert block.allocations == (0, 1, 0, None)
    block = released(block, ordinals_of(block, "net.one"))
    assert block.allocations == (None, 0, None, None)
    assert [a.handle_id for a in block.attributes] == ["net.two"]
    assert shape(block) == ""


def test_every_write_has_a_number_and_every_allocation_remembers_its_own() -> None:
    block, (first,) = assigned(BLOCK, 1, ONE)
    assert (block.sequence_number, block.sequence_number_for_allocation) == (1, {"0": 0})
    block = released_address(block, first, "net.one", 0)
    assert (block.sequence_number, block.sequence_number_for_allocation) == (2, {})


@pytest.mark.parametrize(("handle", "sequence"), [("net.two", None), (None, 7), ("net.one", 7)])
def test_the_wrong_holder_or_an_old_number_releases_nothing(handle: str | None, sequence: int | None) -> None:
    block, (first,) = assigned(BLOCK, 1, ONE)
    with pytest.raises(NotTheHolder, match="nothing was released"):
        released_address(block, first, handle, sequence)


def test_releasing_what_nobody_holds_changes_nothing() -> None:
    assert released_address(BLOCK, ip_address("10.65.0.1"), "net.one") is BLOCK
    with pytest.raises(ValueError, match="is not in"):
        released_address(BLOCK, ip_address("10.66.0.1"))


def test_one_wanted_address_is_had_once() -> None:
    wanted = ip_address("10.65.0.2")
    block = assigned_address(BLOCK, wanted, ONE)
    assert block.unallocated == (0, 1, 3)
    with pytest.raises(Taken, match=r"10\.65\.0\.2 is already assigned .* to net\.one"):
        assigned_address(block, wanted, TWO)


def test_a_released_address_rests_before_it_is_given_again() -> None:
    block, (first, second) = assigned(BLOCK, 2, ONE)
    block = resting(block, [0], NOW)
    block = resting(block, [1], NOW + 5)
    assert in_use(block) == 0 and block.unallocated == (2, 3)
    with pytest.raises(Taken):
        assigned_address(block, first, TWO)
    assert released_address(block, second) is block
    assert rested(block, 10, NOW + 9.5) == block
    assert rested(block, 10, NOW + 10).unallocated == (2, 3, 0)
    assert rested(block, 10, NOW + 60).unallocated == (2, 3, 0, 1)
    assert rested(BLOCK, 0, NOW) is BLOCK
    assert shape(block) == ""


def test_times_survive_being_text() -> None:
    assert timestamp(NOW) == "2027-01-15T08:00:00Z"
    assert seconds(timestamp(NOW)) == NOW
    assert (seconds(None), seconds("yesterday")) == (0.0, 0.0)
