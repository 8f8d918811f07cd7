"""Which endpoints are ours, who wins a conflict, and what the CNI server says ahead of the datastore."""

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations

import pytest

from felixpy.desired.endpoints import Ahead, Endpoints, NodeEndpoints, Unserved, local_endpoints
from felixpy.model.resources import Resource, WorkloadEndpoint
from tests.builders import endpoint


def of(*resources: Resource[WorkloadEndpoint]) -> Endpoints:
    return {resource.name: resource for resource in resources}


def found(*resources: Resource[WorkloadEndpoint], node: str = "n1") -> NodeEndpoints:
    return local_endpoints(of(*resources), node)


def test_only_endpoints_of_this_node_are_served() -> None:
    answer = found(endpoint("a", "10.65.0.1"), endpoint("b", "10.65.0.2", node="n2"))
    assert [it.pod for it in answer.served] == ["default/a"]
    assert answer.unserved == ()


def test_an_endpoint_carries_what_the_kernel_needs() -> None:
    (it,) = found(endpoint("a", "10.65.0.1", "fd00::1", mac="AA:bb:cc:00:11:22", spoof=("10.9.0.0/16",))).served
    assert it.addresses == (ip_address("10.65.0.1"), ip_address("fd00::1"))
    assert (it.device, it.mac, it.spoofs, it.since) == ("calia", "aa:bb:cc:00:11:22", True, 1000.0)


@pytest.mark.parametrize("mac", ["", "nonsense", "aa:bb:cc:00:11", "aa:bb:cc:00:11:22:33"])
def test_a_mac_that_is_none_counts_as_unknown(mac: str) -> None:
    assert found(endpoint("a", "10.65.0.1", mac=mac)).served[0].mac == ""


def test_the_lowest_name_wins_an_address_and_the_other_is_named_whatever_the_order() -> None:
    three = [endpoint(pod, "10.65.0.1", f"10.65.0.1{i}") for i, pod in enumerate("cab")]
    answers = {found(*order) for order in permutations(three)}
    (answer,) = answers
    assert {it.pod: len(it.addresses) for it in answer.served} == {"default/a": 2, "default/b": 1, "default/c": 1}
    assert [it.reason for it in answer.unserved] == [
        "shadowed: address 10.65.0.1 belongs to default/n1-k8s-a-eth0"
    ] * 2


def test_the_lowest_name_wins_an_interface_and_the_other_takes_over_when_it_goes() -> None:
    a, b = endpoint("a", "10.65.0.1", device="cali1"), endpoint("b", "10.65.0.2", device="cali1")
    both = found(a, b)
    assert [it.pod for it in both.served] == ["default/a"]
    assert both.unserved == (
        Unserved(b.name, "default/b", "shadowed: interface cali1 belongs to default/n1-k8s-a-eth0"),
    )
    assert [it.pod for it in found(b).served] == ["default/b"]


@pytest.mark.parametrize("device", ["", "eth0", "cali/../all", "cali 1", "cali456789012345", "..", "lo"])
def test_an_interface_that_is_not_a_pods_is_never_touched(device: str) -> None:
    answer = found(endpoint("a", "10.65.0.1", device=device))
    assert answer.served == ()
    assert "interfaceName" in answer.unserved[0].reason


def test_what_the_cni_server_adds_counts_until_the_datastore_shows_it() -> None:
    ours = endpoint("a", "10.65.0.1", container="new")
    ahead = Ahead().put(ours)
    assert ahead.over({}) == of(ours)
    old = endpoint("a", "10.65.0.9", container="old")
    assert ahead.over(of(old)) == of(ours)
    edited = endpoint("a", "10.65.0.7", container="new")
    assert ahead.over(of(edited)) == of(edited)
    assert ahead.after(of(old)) is ahead
    assert ahead.after(of(edited)) == Ahead()


def test_what_the_cni_server_removes_is_gone_whatever_the_datastore_still_shows() -> None:
    ours, again = endpoint("a", "10.65.0.1", container="1"), endpoint("a", "10.65.0.2", container="2")
    other = endpoint("b", "10.65.0.3")
    ahead = Ahead().put(ours).remove(ours.name, "1")
    assert ahead.over(of(ours, other)) == of(other)
    assert ahead.over(of(again)) == of(again)
    assert ahead.put(again).over(of(ours)) == of(again)
    assert ahead.forget(ahead.removed) == Ahead()


def test_a_container_that_gets_its_endpoint_back_has_it_although_it_was_removed_before() -> None:
    before = versioned(endpoint("a", "10.65.0.1", container="1"), "7")
    again = endpoint("a", "10.65.0.2", container="1")
    ahead = Ahead().put(before).remove(before.name, "1", "7").put(again)
    assert ahead.over({}) == of(again)
    assert ahead.over(of(before)) == of(again)  # the late echo of what was removed
    assert ahead.after(of(before)) is ahead
    echo = versioned(again, "9")
    assert ahead.over(of(echo)) == of(echo)
    assert ahead.after(of(echo)).over({}) == {}
    assert ahead.remove(again.name, "1", "9").over(of(echo)) == {}


def versioned(resource: Resource[WorkloadEndpoint], version: str) -> Resource[WorkloadEndpoint]:
    return replace(resource, meta=replace(resource.meta, version=version))


def test_removing_the_predecessor_leaves_its_successor() -> None:
    again = endpoint("a", "10.65.0.2", container="2")
    assert Ahead().put(again).remove(again.name, "1").over({}) == of(again)
