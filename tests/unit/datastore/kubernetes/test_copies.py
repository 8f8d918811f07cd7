"""What is known of a kind, change by change; and what a node needs to watch."""

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from felixpy.datastore.kubernetes.copies import Copy, put
from felixpy.datastore.kubernetes.discovery import Way
from felixpy.datastore.kubernetes.following import Needs, needs
from felixpy.datastore.kubernetes.places import Scope
from felixpy.datastore.kubernetes.reflector import Follower, Reflector
from felixpy.model.errors import Unreachable
from felixpy.model.resources import (
    BGPConfiguration,
    BGPPeer,
    IPPool,
    Metadata,
    Node,
    Resource,
    ServiceCidr,
    WorkloadEndpoint,
)
from felixpy.model.resources.bgp import Password, SecretKeyRef
from felixpy.model.snapshot import Listed, Snapshot

SINGLE = ServiceCidr(cidr=ip_network("192.0.2.7/32"))
WAY = Way(cast("Any", SimpleNamespace(access=SimpleNamespace(target="test"))), Scope("n1"))


def data(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)


def pool(cidr: str, version: str = "1") -> bytes:
    return data({"metadata": {"name": "p", "resourceVersion": version}, "spec": {"cidr": cidr}})


def node(version: str, **annotations: str) -> bytes:
    return data({"metadata": {"name": "n1", "resourceVersion": version, "annotations": annotations}})


def pod(addresses: str, name: str = "web") -> bytes:
    annotations = {"cni.projectcalico.org/podIPs": addresses}
    metadata = {"name": name, "namespace": "a", "uid": "u", "annotations": annotations}
    return data({"metadata": metadata, "spec": {"nodeName": "n1"}})


def test_what_changes_is_told_and_what_does_not_is_not() -> None:
    copy = Copy()
    assert put(WAY, IPPool, copy, pool("10.1.0.0/16")) == "p"
    assert put(WAY, IPPool, copy, pool("10.1.0.0/16")) == ""
    assert put(WAY, IPPool, copy, pool("10.2.0.0/16", "2")) == "p"
    assert put(WAY, Node, copy, node("1")) == "n1"
    assert put(WAY, Node, copy, node("2", other="x")) == "", "others write Nodes all the time"
    assert put(WAY, Node, copy, node("3", **{"projectcalico.org/IPv4Address": "10.0.0.1/24"})) == "n1"


def test_what_turns_to_garbage_keeps_its_last_good_value_and_heals() -> None:
    copy = Copy()
    put(WAY, IPPool, copy, pool("10.1.0.0/16"))
    good = copy.objects["p"]
    assert put(WAY, IPPool, copy, pool("10.1.0.1/16", "2")) == "p"
    assert copy.objects["p"] == good and set(copy.broken) == {"p"}
    state = Snapshot().after(copy.of(IPPool))
    assert state.of(IPPool) == {"p": good} and set(state.problems) == {(IPPool, "p")}
    assert put(WAY, IPPool, copy, pool("10.1.0.0/16", "3")) == "p" and not copy.broken


def test_a_pod_is_an_endpoint_from_its_attachment_to_its_detachment() -> None:
    copy, name = Copy(), "a/n1-k8s-web-eth0"
    assert put(WAY, WorkloadEndpoint, copy, pod("")) == "" and copy.pods["a/web"].meta.uid == "u"
    assert put(WAY, WorkloadEndpoint, copy, pod("10.65.0.2/32")) == name
    assert put(WAY, WorkloadEndpoint, copy, pod("10.65.0.2/32")) == ""
    assert put(WAY, WorkloadEndpoint, copy, pod("")) == name and not copy.objects


def test_a_new_list_forgets_what_was_deleted_meanwhile_and_tells_only_then() -> None:
    reflector, follower = Reflector(WAY, IPPool), Follower()
    reflector.join(follower)
    one = Copy(listed=True)
    put(WAY, IPPool, one, pool("10.1.0.0/16"))
    reflector._replace(one)
    assert follower.dirty == {(IPPool, None): None}
    follower.dirty.clear()
    same = Copy(listed=True)
    put(WAY, IPPool, same, pool("10.1.0.0/16"))
    reflector._replace(same)
    assert not follower.dirty, "a list that brings nothing new is no news"
    reflector._replace(Copy(listed=True))
    assert follower.dirty == {(IPPool, None): None} and not reflector.copy.objects


def test_who_joins_while_the_server_is_away_gets_what_is_known_and_one_of_them_the_reason() -> None:
    known = Copy(listed=True)
    put(WAY, IPPool, known, pool("10.1.0.0/16"))
    reflector = Reflector(WAY, IPPool, known=known)
    first, second = Follower(), Follower()
    reflector.join(first)
    assert not first.dirty, "before the server was asked nothing is believed"
    reflector._lost(Unreachable("away"))
    reflector.join(second)
    assert (IPPool, None) in first.dirty and first.trouble is not None
    assert (IPPool, None) in second.dirty and second.trouble is None


def test_an_earlier_times_word_does_not_replace_what_was_listed() -> None:
    fresh = Snapshot().after(Listed(IPPool, {}))
    assert fresh.after(Listed(IPPool, {}, {}, stale=True)) is fresh
    old = Snapshot().after(Listed(IPPool, {}, {}, stale=True))
    assert old.in_sync([IPPool]) and not old.may_erase([IPPool])
    assert old.after(Listed(IPPool, {})).may_erase([IPPool])


@pytest.mark.parametrize(
    ("configuration", "peers", "wanted"),
    [
        (None, (), Needs()),
        (BGPConfiguration(), (BGPPeer(peer_ip="10.0.0.9"),), Needs()),
        (
            BGPConfiguration(node_mesh_password=Password(secret_key_ref=SecretKeyRef(name="mesh", key="k"))),
            (BGPPeer(peer_ip="10.0.0.9", password=Password(secret_key_ref=SecretKeyRef(name="tor", key="k"))),),
            Needs(frozenset({"ns/mesh", "ns/tor"})),
        ),
        (
            BGPConfiguration(service_external_ips=(ServiceCidr(cidr=ip_network("192.0.2.7/32")),)),
            (),
            Needs(services=True),
        ),
        (BGPConfiguration(service_cluster_ips=(ServiceCidr(),)), (), Needs()),
    ],
)
def test_a_node_watches_named_secrets_and_services_only_while_they_are_announced(
    configuration: BGPConfiguration | None, peers: tuple[BGPPeer, ...], wanted: Needs
) -> None:
    configurations = [Resource(Metadata("default"), configuration)] if configuration else []
    assert needs(configurations, [Resource(Metadata("p"), peer) for peer in peers], "ns") == wanted
