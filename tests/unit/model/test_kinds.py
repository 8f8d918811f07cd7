"""Kinds as users name them."""

import pytest

from felixpy.model.errors import Usage
from felixpy.model.resources import KINDS, BGPPeer, IPPool, WorkloadEndpoint, kind_named, kind_of


@pytest.mark.parametrize("text", ["IPPool", "ippool", "ippools", "IPP", "pool"])
def test_a_kind_has_several_names_in_any_case(text: str) -> None:
    assert kind_named(text) is KINDS[IPPool]


def test_no_name_means_two_kinds() -> None:
    names = [name for kind in KINDS.values() for name in {kind.name.lower(), kind.plural, *kind.aliases}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("text", "hint"), [("ippol", "nearest: ippool"), ("zzz", "is named 'zzz'")])
def test_an_unknown_name_brings_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(Usage, match=hint):
        kind_named(text)


def test_a_spec_and_its_type_have_the_same_kind() -> None:
    assert kind_of(BGPPeer()) is kind_of(BGPPeer)
    assert kind_of(WorkloadEndpoint).name == "WorkloadEndpoint"
