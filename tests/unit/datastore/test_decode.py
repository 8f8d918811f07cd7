"""A document to a resource: the envelope, rules between fields, unknown fields, and errors that name the fix."""

from typing import Any

import pytest

from felixpy.datastore.decode import decode
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPPeer, IPPool, Secret, Service

META = {"name": "default"}
CALICO = {"apiVersion": "projectcalico.org/v3", "metadata": META}


def of(kind: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    return {**CALICO, "kind": kind, "spec": spec or {}, **more}


def refusal(document: object, *, strict: bool = True) -> tuple[str, str]:
    with pytest.raises(InvalidResource) as caught:
        decode(document, "f.yaml", strict)
    return caught.value.field, caught.value.reason


ENVELOPE: list[tuple[Any, str, str]] = [
    ([], "", "holds a list, not an object"),
    ("text", "", "holds a text"),
    (None, "", "holds a nothing"),
    ({}, "kind", "is missing"),
    ({"kind": "IPPol"}, "kind", "nearest: IPPool"),
    ({"kind": "Deployment", "apiVersion": "apps/v1"}, "kind", "is not known"),
    ({"kind": "IPPool"}, "apiVersion", "must be projectcalico.org/v3 or crd.projectcalico.org/v1"),
    ({"kind": "Secret", "apiVersion": "projectcalico.org/v3"}, "apiVersion", "must be v1 for Secret"),
    ({"kind": "IPPool", "apiVersion": "projectcalico.org/v3"}, "metadata", "is missing"),
    (of("IPPool", metadata={}), "metadata.name", "is missing"),
    (of("IPPool", metadata={"name": "Upper"}), "metadata.name", "not a DNS-1123 name"),
    (of("IPPool", metadata={"name": "../../etc/passwd"}), "metadata.name", "not a DNS-1123 name"),
    (of("IPPool", metadata={"name": "a" * 254}), "metadata.name", "254 characters"),
    (of("IPPool", metadata={"name": 7}), "metadata.name", "in quotes, '7'"),
    (of("IPPool", metadata={"name": "p", "labels": {"a": True}}), "metadata.labels.a", "in quotes, 'true'"),
    (of("IPPool", metadata={"name": "p", "labels": ["a"]}), "metadata.labels", "mapping of text"),
    (
        of("WorkloadEndpoint", {"node": "n"}, metadata={"name": "w", "namespace": "A.b"}),
        "metadata.namespace",
        "label",
    ),
    (of("IPPool", ["cidr"]), "spec", "must be a mapping of fields, not a list"),
    (of("IPPool"), "spec.cidr", "is required"),
]


@pytest.mark.parametrize(("document", "field", "reason"), ENVELOPE, ids=range(len(ENVELOPE)))
def test_what_is_around_the_spec_is_checked(document: Any, field: str, reason: str) -> None:
    found = refusal(document)
    assert found[0] == field and reason in found[1]


BETWEEN: list[tuple[dict[str, Any], str, str]] = [
    (of("BGPPeer", {"node": "n1", "nodeSelector": "all()"}), "spec.node", "excludes nodeSelector"),
    (of("BGPPeer", {"peerIP": "10.0.0.1", "peerSelector": "all()"}), "spec.peerIP", "excludes peerSelector"),
    (of("BGPPeer", {"peerIP": "10.0.0.1", "localWorkloadSelector": "all()", "asNumber": 1}), "spec.peerIP", "excl"),
    (of("BGPPeer", {"peerSelector": "all()", "localWorkloadSelector": "all()"}), "spec.peerSelector", "excludes"),
    (of("BGPPeer", {"peerSelector": "all()", "asNumber": 1}), "spec.asNumber", "must be left out"),
    (of("BGPPeer", {"localWorkloadSelector": "all()"}), "spec.asNumber", "is required"),
    (of("BGPPeer", {"keepOriginalNextHop": True, "nextHopMode": "Auto"}), "spec.keepOriginalNextHop", "deprecated"),
    (of("BGPPeer", {"reachableBy": "10.0.0.1"}), "spec.reachableBy", "needs peerIP"),
    (of("BGPPeer", {"asNumber": 0}), "spec.asNumber", "AS 0 is reserved"),
    (of("BGPPeer", {"peerIP": "fe80::1%eth0"}), "spec.peerIP", "zone"),
    (of("BGPPeer", {"peerIP": "[10.0.0.1]:179"}), "spec.peerIP", "brackets"),
    (of("BGPPeer", {"peerIP": "tor.example"}), "spec.peerIP", "does not appear to be"),
    (of("BGPConfiguration", {"asNumber": "0"}), "spec.asNumber", "AS 0 is reserved"),
    (of("BGPConfiguration", {"communities": [{"name": "n", "value": "1:1"}]}), "spec.communities", "never used"),
    (of("BGPConfiguration", {"nodeToNodeMeshEnabled": False, "nodeMeshMaxRestartTime": "9s"}),
     "spec.nodeMeshMaxRestartTime", "while nodeToNodeMeshEnabled is false"),
    (of("BGPConfiguration", {"ignoredInterfaces": ["a", "a"]}), "spec.ignoredInterfaces[1]", "there twice"),
    (of("BGPConfiguration", {"nodeToNodeMeshEnabled": True}, metadata={"name": "node.n1"}),
     "spec.nodeToNodeMeshEnabled", "object named default only"),
    (of("BGPConfiguration", {"serviceClusterIPs": []}, metadata={"name": "node.n1"}),
     "spec.serviceClusterIPs", "object named default only"),
    (of("BGPFilter", {"exportV4": [{"action": "Accept", "cidr": "10.0.0.0/8"}]}),
     "spec.exportV4[0].matchOperator", "belong together"),
    (of("BGPFilter", {"exportV4": [{"action": "Accept", "matchOperator": "In"}]}), "spec.exportV4[0].cidr", "belong"),
    (of("BGPFilter", {"importV6": [{"action": "Accept", "prefixLength": {"min": 1}}]}),
     "spec.importV6[0].prefixLength", "needs cidr"),
    (of("BGPFilter", {"importV4": [{"action": "Reject", "operations": [{"setPriority": {"value": 1}}]}]}),
     "spec.importV4[0].operations", "need action Accept"),
    (of("BGPFilter", {"importV4": [{"action": "Accept", "operations": [{"setPriority": {"value": 1}}] * 11}]}),
     "spec.importV4[0].operations", "11 entries must be 0..10"),
    (of("BGPFilter", {"importV4": [{"action": "Accept", "operations": [{}]}]}),
     "spec.importV4[0].operations[0]", "exactly one of"),
    (of("BGPFilter", {"importV4": [{"action": "Accept", "operations": [{"prependASPath": {"prefix": []}}]}]}),
     "spec.importV4[0].operations[0].prependASPath.prefix", "must be 1..10"),
    (of("IPPool", {"cidr": "10.65.0.0/27"}), "spec.blockSize", "does not fit into 10.65.0.0/27"),
    (of("IPPool", {"cidr": "10.65.0.1/16"}), "spec.cidr", "write 10.65.0.0/16"),
    (of("IPPool", {"cidr": "10.65.0.0/255.255.0.0"}), "spec.cidr", "length in bits"),
    (of("IPPool", {"cidr": "fe80::/64"}), "spec.cidr", "link-local"),
    (of("IPPool", {"cidr": "0.0.0.0/0"}), "spec.cidr", "link-local"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "ipipMode": "Always", "vxlanMode": "Always"}), "spec.vxlanMode", "excl"),
    (of("IPPool", {"cidr": "fd00::/48", "ipipMode": "Always"}), "spec.ipipMode", "must be Never for an IPv6"),
    (of("IPPool", {"cidr": "fd00::/48", "blockSize": 115}), "spec.blockSize", "must be 116..128"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "namespaceSelector": "all()", "allowedUses": ["Tunnel"]}),
     "spec.namespaceSelector", "Tunnel"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "allowedUses": ["LoadBalancer"], "disableBGPExport": True}),
     "spec.disableBGPExport", "LoadBalancer"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "allowedUses": ["LoadBalancer"], "nodeSelector": "has(a)"}),
     "spec.nodeSelector", "must be all()"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "allowedUses": ["LoadBalancer"], "vxlanMode": "Always"}),
     "spec.allowedUses", "excludes ipipMode and vxlanMode"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "allowedUses": ["Tunnel", "Tunnel"]}), "spec.allowedUses[1]", "twice"),
    (of("BGPPeer", {"peerIP": "[fd00::1"}), "spec.peerIP", "is not [address]:port"),
    (of("BGPConfiguration", {"ignoredInterfaces": ["a b"]}), "spec.ignoredInterfaces[0]", "not an interface pattern"),
    (of("BGPConfiguration", {"communities": [{"value": "1:1"}]}), "spec.communities[0].name", "is missing"),
    (of("BGPFilter", {"importV4": [{"action": "Accept", "communities": {"values": ["1"]}}]}),
     "spec.importV4[0].communities.values[0]", "not a community"),
    (of("BGPFilter", {"importV4": [{"action": "Accept", "operations": [{"addCommunity": {"value": "1:1:1:1"}}]}]}),
     "spec.importV4[0].operations[0].addCommunity.value", "not a community"),
    (of("IPPool", {"cidr": "10.65.0.0/16", "allowedUses": ["Pods"]}), "spec.allowedUses[0]", "one of Workload"),
    (of("IPReservation", {"reservedCIDRs": ["10.0.0.1", "10.0.0.1"]}), "spec.reservedCIDRs[1]", "twice"),
    (of("Node", {"addresses": [{"address": "10.0.0.1", "type": "Mine"}]}), "spec.addresses[0].type", "one of Calico"),
    (of("CalicoNodeStatus", {"node": "n", "classes": ["Rib"]}), "spec.classes[0]", "one of Agent, BGP, Routes"),
    ({"apiVersion": "v1", "kind": "Secret", "metadata": META, "data": "x"}, "data", "mapping of keys"),
    (of("IPAMConfig", {"maxBlocksPerHost": 1}), "spec.maxBlocksPerHost", "needs strictAffinity"),
    (of("IPAMConfig", {}, metadata={"name": "other"}), "metadata.name", "named default"),
    (of("IPAMBlock", {"cidr": "10.0.0.0/31", "allocations": [0, None]}), "spec.allocations", "outside the 0"),
    (of("IPAMBlock", {"cidr": "10.0.0.0/31", "unallocated": [1, 1]}), "spec.unallocated", "twice"),
    (of("Node", {"bgp": {"asNumber": 0}}), "spec.bgp.asNumber", "AS 0"),
    (of("Node", {"bgp": {"ipv4Address": "10.0.0.256/24"}}), "spec.bgp.ipv4Address", "is not an address"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "field", "reason"), BETWEEN, ids=range(len(BETWEEN)))
def test_rules_between_fields(document: dict[str, Any], field: str, reason: str) -> None:
    found = refusal(document)
    assert found[0] == field and reason in found[1]


@pytest.mark.parametrize(
    ("document", "field", "hint"),
    [
        (of("IPPool", {"cidr": "10.65.0.0/16", "natOutgoin": True}), "spec.natOutgoin", "did you mean natOutgoing?"),
        (of("BGPPeer", {"asnumber": 1}), "spec.asnumber", "did you mean asNumber?"),
        (
            of("BGPFilter", {"importV4": [{"action": "Accept", "prefix": "x"}]}),
            "spec.importV4[0].prefix",
            "prefixLength?",
        ),
        (
            of("Node", {"bgp": {"asNumber": 1, "ipv4Adress": "10.0.0.1/24"}}),
            "spec.bgp.ipv4Adress",
            "did you mean ipv4Address?",
        ),
        (of("IPPool", {"cidr": "10.65.0.0/16"}, cidr="10.65.0.0/16"), "cidr", "indent it under spec"),
        (
            of("FelixConfiguration", {"routeRefreshIntervall": "90s"}),
            "spec.routeRefreshIntervall",
            "routeRefreshInterval?",
        ),
    ],
)
def test_strictly_an_unknown_field_is_refused_with_the_nearest_spelling(document: Any, field: str, hint: str) -> None:
    found = refusal(document)
    assert found[0] == field and hint in found[1]
    assert decode(document, "f.yaml").unknown == (field,)


def test_felix_has_many_more_fields_that_are_no_mistakes() -> None:
    document = of("FelixConfiguration", {"bpfEnabled": False, "wireguardEnabled": True, "logSeverityScreen": "Info"})
    assert decode(document, "f", strict=True).unknown == ()


def test_a_daemon_takes_as_number_zero_for_unset_as_calico_does() -> None:
    assert decode(of("BGPPeer", {"asNumber": 0, "localASNumber": "0"}), "f").spec == BGPPeer()
    assert decode(of("Node", {"bgp": {"asNumber": 0, "ipv4Address": "10.0.0.1/24"}}), "f").spec.bgp.as_number is None


@pytest.mark.parametrize("spec", [None, {}], ids=["absent", "empty"])
@pytest.mark.parametrize(
    "kind", ["BGPConfiguration", "BGPPeer", "BGPFilter", "IPAMConfig", "FelixConfiguration", "Node"]
)
def test_an_empty_spec_means_the_defaults(kind: str, spec: Any) -> None:
    document = {**CALICO, "kind": kind, "spec": spec}
    assert decode(document, "f", strict=True) == decode({**CALICO, "kind": kind}, "f", strict=True)


def test_an_empty_text_is_an_absent_address() -> None:
    assert decode(of("BGPPeer", {"reachableBy": "", "nextHopMode": "", "asNumber": ""}), "f").spec == BGPPeer()


def test_an_empty_choice_is_the_default() -> None:
    pool = {"cidr": "10.65.0.0/16"}
    assert decode(of("IPPool", {**pool, "nodeSelector": "", "allowedUses": [], "blockSize": 0}), "f") == decode(
        of("IPPool", pool), "f"
    )
    affinity = {"cidr": "10.65.0.0/26", "node": "n"}
    assert decode(of("BlockAffinity", {**affinity, "type": "", "deleted": ""}), "f") == decode(
        of("BlockAffinity", affinity), "f"
    )


def test_no_duration_is_written_without_a_unit_but_zero() -> None:
    assert decode(of("FelixConfiguration", {"routeRefreshInterval": "0"}), "f").spec.route_refresh_interval == 0


def test_the_older_api_group_and_the_newer_name_are_known() -> None:
    crd = {"apiVersion": "crd.projectcalico.org/v1", "metadata": META}
    assert isinstance(decode({**crd, "kind": "IPPool", "spec": {"cidr": "10.0.0.0/8"}}, "f").spec, IPPool)
    assert decode(of("IPAMConfiguration"), "f").spec == decode({**crd, "kind": "IPAMConfig"}, "f").spec


def test_a_namespace_is_default_when_absent_and_dropped_where_there_are_none() -> None:
    assert decode(of("WorkloadEndpoint", {"node": "n"}), "f").name == "default/default"
    assert decode(of("Node", metadata={"name": "n1", "namespace": "x"}), "f").name == "n1"


def test_metadata_is_read_whole() -> None:
    meta = decode(
        of("Node", metadata={
            "name": "n1", "labels": {"a": "b"}, "annotations": {"c": "d"}, "uid": "u", "resourceVersion": 7,
            "creationTimestamp": "2026-11-20T12:00:00Z", "deletionTimestamp": "2026-11-20T12:00:00Z",
        }),
        "f",
    ).meta  # fmt: skip
    assert (meta.labels, meta.annotations, meta.uid, meta.version) == ({"a": "b"}, {"c": "d"}, "u", "7")
    assert meta.created == 1795176000.0 and meta.deleting


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pw"}, "type": "Opaque"}


def test_the_plain_text_of_a_secret_wins_over_its_data() -> None:
    secret = decode({**SECRET, "data": {"k": "b2xk"}, "stringData": {"k": "new"}}, "f", strict=True).spec
    assert secret == Secret(data={"k": "bmV3"})
    assert "new" not in repr(secret) and "bmV3" not in repr(secret)


@pytest.mark.parametrize("more", [{"data": {"k": "hunter2!"}}, {"data": {"k": 12345}}, {"stringData": {"k": 12345}}])
def test_no_error_shows_the_value_of_a_secret(more: dict[str, Any]) -> None:
    field, reason = refusal({**SECRET, **more})
    assert field.endswith(".k")
    assert "hunter2" not in reason and "12345" not in reason


def test_a_service_has_its_status_beside_its_spec_and_fields_that_are_not_ours() -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80}], "selector": {"app": "web"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "172.16.0.1"}]}},
    }
    resource = decode(document, "f", strict=True)
    assert isinstance(resource.spec, Service)
    assert [i.ip for i in resource.spec.load_balancer.ingress] == ["172.16.0.1"]
    assert resource.unknown == ()


def test_no_message_is_as_long_as_what_it_refuses() -> None:
    long = "x" * 100_000
    documents = [
        of("IPPool", {"cidr": long}),
        of("IPPool", {"cidr": "10.0.0.0/8", long: 1}),
        of("BGPPeer", {"asNumber": long}),
        of("BGPPeer", {"peerIP": long}),
        of("BGPPeer", {"sourceAddress": long}),
        of("BGPPeer", {"nodeSelector": long}),
        of("BGPPeer", {"maxRestartTime": long}),
        of("Node", {"bgp": {"ipv4Address": long}}),
        of("IPReservation", {"reservedCIDRs": [long]}),
        of("IPAMBlock", {"cidr": "10.0.0.0/31", "affinity": long}),
        of("IPAMHandle", {"handleID": "h", "block": {long: 1}}),
        of("Node", metadata={"name": long}),
        of("Node", metadata={"name": "n", "labels": {long: 1}}),
        of(long),
        {**CALICO, "kind": "Node", "apiVersion": long},
        {**of("Node"), long: 1},
    ]
    for document in documents:
        with pytest.raises(InvalidResource) as caught:
            decode(document, "f", strict=True)
        assert len(str(caught.value)) < 600, str(caught.value)[:200]
