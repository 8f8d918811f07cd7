"""Writing: what we own changes, everything else stays as it was written."""

from dataclasses import replace
from typing import Any

import msgspec

from felixpy.datastore.decode import decode
from felixpy.datastore.encode import encode, merge, written
from felixpy.model.resources import Node, NodeBGP

STORED: dict[str, Any] = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "Node",
    "metadata": {"name": "n1", "uid": "u", "finalizers": ["x/y"], "ownerReferences": [{"uid": "o"}]},
    "spec": {
        "bgp": {"ipv4Address": "10.0.0.1/24", "future": 1},
        "addresses": [{"address": "10.0.0.1", "zone": "a"}, {"address": "10.0.0.2", "zone": "b"}],
        "unheardOf": {"a": [1]},
        "orchRefs": [],
    },
    "status": {"podCIDRs": ["10.1.0.0/24"]},
}


def changed(**fields: Any) -> dict[str, Any]:
    old = decode(STORED, "f")
    return merge(STORED, old, replace(old, spec=msgspec.structs.replace(old.spec, **fields)))


def test_no_change_leaves_everything_as_it_was() -> None:
    assert changed() == STORED


def test_a_changed_field_leaves_its_unknown_neighbours() -> None:
    bgp = NodeBGP(ipv4_address="10.0.0.9/24", ipv6_address="fd00::1/64")
    assert changed(bgp=bgp)["spec"] == {
        **STORED["spec"],
        "bgp": {"ipv4Address": "10.0.0.9/24", "ipv6Address": "fd00::1/64", "future": 1},
    }


def test_elements_of_a_list_that_stay_keep_what_we_do_not_know() -> None:
    second = decode(STORED, "f").spec.addresses[1]
    assert changed(addresses=(second,))["spec"]["addresses"] == [{"address": "10.0.0.2", "zone": "b"}]


def test_what_is_unset_is_removed() -> None:
    assert "bgp" not in changed(bgp=None)["spec"]


def test_metadata_that_we_own_is_replaced_and_the_rest_kept() -> None:
    old = decode(STORED, "f")
    new = replace(old, meta=replace(old.meta, labels={"rack": "r1"}, version="8"))
    assert merge(STORED, old, new)["metadata"] == {
        "name": "n1", "labels": {"rack": "r1"}, "uid": "u", "resourceVersion": "8",
        "finalizers": ["x/y"], "ownerReferences": [{"uid": "o"}],
    }  # fmt: skip


def test_defaults_are_left_out() -> None:
    resource = replace(decode(STORED, "f"), spec=Node())
    assert encode(resource)["spec"] == {}


def test_durations_and_as_numbers_have_their_form_on_the_wire() -> None:
    document = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "BGPPeer",
        "metadata": {"name": "p"},
        "spec": {"asNumber": "1.10", "maxRestartTime": "1m30s", "peerIP": "10.0.0.1"},
    }
    assert encode(decode(document, "f"))["spec"] == {
        "asNumber": 65546, "maxRestartTime": "90s", "peerIP": "10.0.0.1",
    }  # fmt: skip


def test_a_document_is_stored_as_written_but_for_what_the_store_gives() -> None:
    document = {
        **STORED,
        "metadata": {"name": "n1", "managedFields": [1], "resourceVersion": "1"},
        "status": {"from": "its author"},
    }
    resource = replace(decode(document, "f"), meta=replace(decode(STORED, "f").meta, version="9"))
    stored = written(document, resource, STORED)
    assert stored["spec"] == STORED["spec"]
    assert stored["status"] == STORED["status"]
    assert stored["metadata"] == {"name": "n1", "uid": "u", "resourceVersion": "9"}
