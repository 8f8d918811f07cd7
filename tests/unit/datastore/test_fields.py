"""Every field of every kind: its default, an extreme that is accepted, a value that is refused and why.

One row per field of Calico's API; the number of rows and that every field of every struct has one are asserted.
"""

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest

from felixpy.datastore.decode import decode
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import (
    KINDS,
    AllocationAttribute,
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    BlockAffinity,
    CalicoNodeStatus,
    FelixConfiguration,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    IPPool,
    IPReservation,
    Kind,
    Node,
    Spec,
    WorkloadEndpoint,
)
from felixpy.model.resources.bgp import BGPFilterRule, ServiceCidr
from felixpy.model.resources.node import NodeBGP
from felixpy.model.resources.scalars import encode_scalar

REQUIRED = object()
SECRET = {"secretKeyRef": {"name": "pw", "key": "k"}}
CIDR4 = [{"cidr": "10.96.0.0/12"}]
V4, V6 = ip_address("10.0.0.1"), ip_address("fd00::1")
RULE = {"action": "Accept"}
LONG = "a" * 254


class Row(NamedTuple):
    """`value` is what `accepted` decodes to; None: itself. `with_` are further fields that both need."""

    field: str
    default: Any
    accepted: Any
    refused: Any
    why: str
    value: Any = None
    with_: Mapping[str, Any] = MappingProxyType({})


ROWS: dict[type[Spec], list[Row]] = {
    BGPConfiguration: [
        Row("logSeverityScreen", "Info", "debug", "Loud", "one of Trace, Debug", "Debug"),
        Row("nodeToNodeMeshEnabled", True, False, "no", "bool, not str"),
        Row("asNumber", 64512, 4294967295, 4294967296, "outside 1..4294967295"),
        Row("serviceClusterIPs", (), [{"cidr": "10.96.0.0/12"}, {}], [{"cidr": "10.96.0.1/12"}], "write 10.96.0.0/12",
            (ServiceCidr(cidr=ip_network("10.96.0.0/12")), ServiceCidr())),
        Row("serviceExternalIPs", (), CIDR4, [{"cidr": "x"}], "x", (ServiceCidr(cidr=ip_network("10.96.0.0/12")),)),
        Row("serviceLoadBalancerIPs", (), [{}], "10.0.0.0/8", "array, not str", (ServiceCidr(),)),
        Row("serviceLoadBalancerAggregation", "Enabled", "Disabled", "enabled", "one of Enabled, Disabled"),
        Row("communities", (), [{"name": "n", "value": "65535:4294967295:0"}], [{"name": "n", "value": "65536:1"}],
            "not a community", ..., {"prefixAdvertisements": [{"cidr": "10.0.0.0/8"}]}),
        Row("prefixAdvertisements", (), [{"cidr": "10.0.0.0/8", "communities": ["65000:10"] * 50}],
            [{"cidr": "10.0.0.0/8", "communities": ["unknown"]}], "neither aa:nn nor a name", ...),
        Row("listenPort", None, 65535, 0, "must be 1..65535"),
        Row("nodeMeshPassword", None, SECRET, {"secretKeyRef": {"name": "pw"}}, "key: is required", ...),
        Row("nodeMeshMaxRestartTime", None, "4095s", "120", "not a duration", 4095.0),
        Row("bindMode", "None", "NodeIP", "All", "one of None, NodeIP"),
        Row("ignoredInterfaces", (), ["eth*.100-_a15xx"], ["*"], "every interface", ("eth*.100-_a15xx",)),
        Row("localWorkloadPeeringIPV4", None, "169.254.1.9", "fe80::1", "not an IPv4", ip_address("169.254.1.9")),
        Row("localWorkloadPeeringIPV6", None, "fd00::1", "10.0.0.1", "not an IPv6", V6),
        Row("programClusterRoutes", "EnabledNoEncapOnly", "EnabledIPIPOnly", "Yes", "one of Enabled"),
        Row("ipv4NormalRoutePriority", 1024, 2147483646, 2147483647, "must be 1..2147483646"),
        Row("ipv6NormalRoutePriority", 1024, 1, 0, "must be 1..2147483646"),
    ],
    BGPPeer: [
        Row("node", "", "a" * 253, LONG, "254 characters must be 0..253"),
        Row("nodeSelector", "", "rack in {'r1'}", "rack = 'r1'", "not a selector: column 6"),
        Row("peerIP", "", "[fd00::1]:65535", "10.0.0.1:65536", "port '65536' is not 1..65535"),
        Row("asNumber", None, "65535.65535", 1.1, "quote it", 4294967295),
        Row("localASNumber", None, 1, -1, "outside 1..4294967295"),
        Row("peerSelector", "", "all()", "has(", "not a selector"),
        Row("keepOriginalNextHop", False, True, 1, "bool, not int"),
        Row("nextHopMode", "", "Keep", "keep", "one of Auto, Self, Keep"),
        Row("password", None, SECRET, {"secretKeyRef": "pw"}, "object, not str", ...),
        Row("sourceAddress", "UseNodeIP", "None", "10.0.0.1", "one of UseNodeIP, None"),
        Row("maxRestartTime", None, "1h8m15s", "4096s", "4096 s must be 0..4095", 4095.0),
        Row("keepaliveTime", None, "1s", "0s", "0 s must be 1..21845", 1.0),
        Row("numAllowedLocalASNumbers", 0, 2147483647, -1, "must be 0..2147483647"),
        Row("ttlSecurity", None, 255, 256, "must be 0..255"),
        Row("reachableBy", None, "10.0.0.1", "fd00::1", "not of the family", V4, {"peerIP": "10.9.9.9"}),
        Row("filters", (), ["a", "b"], "a", "array, not str", ("a", "b")),
        Row("localWorkloadSelector", "", "app == 'vm'", "app", "not a selector", with_={"asNumber": 65001}),
        Row("reversePeering", "Auto", "Manual", "Off", "one of Auto, Manual"),
    ],
    BGPFilter: [
        Row("exportV4", (), [RULE], [{}], "action: is required", (BGPFilterRule(action="Accept"),)),
        Row("importV4", (), [RULE] * 50, {"action": "Accept"}, "array, not object",
            (BGPFilterRule(action="Accept"),) * 50),
        Row("exportV6", (), [{**RULE, "cidr": "::/0", "matchOperator": "Equal"}],
            [{**RULE, "cidr": "0.0.0.0/0", "matchOperator": "Equal"}], "is not IPv6", ...),
        Row("importV6", (), [{**RULE, "cidr": "fd00::/8", "matchOperator": "In", "prefixLength": {"max": 128}}],
            [{**RULE, "cidr": "fd00::/8", "matchOperator": "In", "prefixLength": {"max": 129}}],
            "must be 0..128", ...),
    ],
    IPPool: [
        Row("cidr", REQUIRED, "10.65.0.0/26", "169.254.0.0/17", "link-local", ip_network("10.65.0.0/26")),
        Row("vxlanMode", "Never", "CrossSubnet", "never", "one of Never, Always, CrossSubnet"),
        Row("ipipMode", "Never", "Always", "On", "one of Never, Always, CrossSubnet"),
        Row("natOutgoing", False, True, "true", "without quotes"),
        Row("disabled", False, True, 0, "bool, not int"),
        Row("disableBGPExport", False, True, [], "bool, not array"),
        Row("blockSize", 26, 32, 33, "must be 20..32"),
        Row("nodeSelector", "all()", "rack == 'r1'", "global()", "use all"),
        Row("namespaceSelector", "", "has(team)", "global()", "use all"),
        Row("allowedUses", ("Workload", "Tunnel"), ["LoadBalancer"], ["LoadBalancer", "Workload"], "pool of its own",
            ("LoadBalancer",)),
        Row("assignmentMode", "Automatic", "Manual", "manual", "one of Automatic, Manual"),
    ],
    IPReservation: [
        Row("reservedCIDRs", (), ["10.65.0.0/30", "10.65.0.9"], ["10.65.0.1/30"], "host bits",
            ("10.65.0.0/30", "10.65.0.9")),
    ],
    IPAMBlock: [
        Row("cidr", REQUIRED, "10.65.0.0/16", "10.0.0.0/8", "is no block", ip_network("10.65.0.0/16")),
        Row("affinity", None, "virtual:load-balancer", "n1", "host:NODE"),
        Row("affinityClaimTime", None, "2026-11-20T12:00:00Z", 5, "in quotes"),
        Row("allocations", (), [None, None], [None], "1 entries, the block has 2", (None, None)),
        Row("unallocated", (), [1, 0], [2], "outside 0..1", (1, 0)),
        Row("attributes", (), [{"handle_id": "h", "secondary": {"pod": "a"}}], [{"handle_id": 5}], "in quotes",
            (AllocationAttribute(handle_id="h", secondary={"pod": "a"}),)),
        Row("sequenceNumber", 0, 2**63 - 1, -1, "negative"),
        Row("sequenceNumberForAllocation", {}, {"0": 1}, {"0": "1"}, "without quotes"),
        Row("deleted", False, True, "true", "without quotes"),
        Row("strictAffinity", False, True, "yes", "bool, not str"),
    ],
    BlockAffinity: [
        Row("state", "", "pendingDeletion", "Confirmed", "one of confirmed"),
        Row("node", REQUIRED, "n2", "", "is required"),
        Row("type", "host", "virtual", "guest", "host or virtual"),
        Row("cidr", REQUIRED, "fd00::/122", "fd00::1/122", "write fd00::/122", ip_network("fd00::/122")),
        Row("deleted", False, "true", "yes", "true or false", True),
    ],
    IPAMHandle: [
        Row("handleID", REQUIRED, "k8s-pod-network.0123", "", "is required"),
        Row("block", {}, {"10.65.0.0/26": 3}, {"10.65.0.0/26": -1}, "negative"),
        Row("deleted", False, True, "true", "without quotes"),
    ],
    IPAMConfig: [
        Row("strictAffinity", False, True, "true", "without quotes"),
        Row("autoAllocateBlocks", True, True, False, "needs strictAffinity"),
        Row("maxBlocksPerHost", 0, 2147483647, -1, "must be 0", with_={"strictAffinity": True}),
        Row("kubeVirtVMAddressPersistence", "Enabled", "Disabled", "off", "one of Enabled, Disabled"),
        Row("ipCooldownSeconds", 0, 1200, 1201, "must be 0..1200"),
    ],
    Node: [
        Row("bgp", None, {"ipv4Address": "10.0.0.1/24"}, {}, "is empty", NodeBGP(ipv4_address="10.0.0.1/24")),
        Row("ipv4VXLANTunnelAddr", None, "10.0.0.1", "fd00::1", "not an IPv4", V4),
        Row("ipv6VXLANTunnelAddr", None, "fd00::1", "10.0.0.1", "not an IPv6", V6),
        Row("vxlanTunnelMACAddr", "", "66:00:00:00:00:01", "66-00-00-00-00-01", "not a MAC"),
        Row("vxlanTunnelMACAddrV6", "", "66:00:00:00:00:01", "66:00", "not a MAC"),
        Row("orchRefs", (), [{"nodeName": "n1", "orchestrator": "k8s"}], [{"nodeName": 1}], "in quotes", ...),
        Row("wireguard", None, {"interfaceIPv4Address": "10.0.0.1"}, {"interfaceIPv4Address": "fd00::1"},
            "not an IPv4", ...),
        Row("addresses", (), [{"address": "10.0.0.1/24", "type": "InternalIP"}], [{"address": "host"}],
            "not an address", ...),
        Row("interfaces", (), [{"name": "eth0", "addresses": ["10.0.0.1"]}], [{"addresses": ["10.0.0.1/33"]}],
            "not an address", ...),
    ],
    WorkloadEndpoint: [
        Row("orchestrator", "k8s", "cni", 5, "in quotes"),
        Row("workload", "", "team.web", True, "in quotes"),
        Row("node", REQUIRED, "n2", "", "is required"),
        Row("containerID", "", "0123", 123, "in quotes"),
        Row("pod", "", "web-0", ["web"], "str, not array"),
        Row("endpoint", "eth0", "net1", 1, "in quotes"),
        Row("serviceAccountName", "", "default", {}, "str, not object"),
        Row("ipNetworks", (), ["10.65.0.2/32", "fd00::2/128", "10.65.0.3"], ["10.65.0.0/31"], "/32 only",
            (ip_network("10.65.0.2"), ip_network("fd00::2"), ip_network("10.65.0.3"))),
        Row("ipNATs", (), [{"internalIP": "10.65.0.2", "externalIP": "172.16.0.1"}],
            [{"internalIP": "10.65.0.2", "externalIP": "fd00::1"}], "not of the family", ...),
        Row("ipv4Gateway", None, "169.254.1.1", "fe80::1", "not an IPv4", ip_address("169.254.1.1")),
        Row("ipv6Gateway", None, "fe80::1", "169.254.1.1", "not an IPv6", ip_address("fe80::1")),
        Row("profiles", (), ["kns.default"], "kns.default", "array, not str", ("kns.default",)),
        Row("interfaceName", "", "cali0123456789a", "cali0123456789ab", "at most 15"),
        Row("mac", "", "EE:ee:ee:ee:ee:ee", "ee:ee:ee:ee:ee", "not a MAC"),
        Row("ports", (), [{"name": "http", "port": 80}], ["http"], "object, not str",
            ({"name": "http", "port": 80},)),
        Row("allowSpoofedSourcePrefixes", (), ["0.0.0.0/0"], ["10.0.0.1/8"], "write 10.0.0.0/8",
            (ip_network("0.0.0.0/0"),)),
        Row("qosControls", None, {"ingressBandwidth": 1}, 5, "object"),
    ],
    CalicoNodeStatus: [
        Row("node", REQUIRED, "n2", "", "is required"),
        Row("classes", REQUIRED, ["Agent", "BGP", "Routes"], ["BGP", "BGP"], "there twice",
            ("Agent", "BGP", "Routes")),
        Row("updatePeriodSeconds", None, 86400, 86401, "must be 0..86400"),
    ],
    FelixConfiguration: [
        Row("interfacePrefix", "cali", "cali,tap", "", "must be prefixes"),
        Row("interfaceExclude", "kube-ipvs0", "/^kube/,veth1", 5, "in quotes"),
        Row("deviceRouteProtocol", None, 255, 256, "must be 0..255"),
        Row("deviceRouteSourceAddress", None, "10.0.0.1", "fd00::1", "not an IPv4", V4),
        Row("deviceRouteSourceAddressIPv6", None, "fd00::1", "10.0.0.1", "not an IPv6", V6),
        Row("removeExternalRoutes", True, False, "no", "bool, not str"),
        Row("routeSyncDisabled", False, True, "no", "bool, not str"),
        Row("routeRefreshInterval", 90, "0s", "-1s", "negative", 0.0),
        Row("interfaceRefreshInterval", 90, "1m30s", 90, "a unit such as 90s", 90.0),
        Row("netlinkTimeout", 10, "500ms", "500", "not a duration", 0.5),
        Row("ipForwarding", "Enabled", "Disabled", "off", "one of Enabled, Disabled"),
        Row("ipv6Support", True, False, "off", "bool, not str"),
        Row("floatingIPs", "Disabled", "Enabled", "on", "one of Enabled, Disabled"),
        Row("programClusterRoutes", "EnabledIPIPOnly", "Disabled", "on", "one of Enabled"),
        Row("ipv4NormalRoutePriority", 1024, 1, 0, "must be 1..2147483646"),
        Row("ipv4ElevatedRoutePriority", 512, 2147483646, 2147483647, "must be 1..2147483646"),
        Row("ipv6NormalRoutePriority", 1024, 1, -1, "must be 1..2147483646"),
        Row("ipv6ElevatedRoutePriority", 512, 1, 0, "must be 1..2147483646"),
        Row("liveMigrationRouteConvergenceTime", 30, "1h", "1 hour", "not a duration", 3600.0),
        Row("localSubnetL2Reachability", "Disabled", "PodsAndLoadBalancers", "Enabled", "one of Disabled, PodsAnd"),
        Row("localSubnetL2ReachabilityRefreshInterval", 120, "1s", "-1s", "negative", 1.0),
        Row("workloadSourceSpoofing", "Disabled", "any", "All", "one of Disabled, Any", "Any"),
        Row("endpointStatusPathPrefix", "/var/run/calico", "", 5, "in quotes"),
        Row("endpointReportingEnabled", False, True, 1, "bool, not int"),
        Row("endpointReportingDelay", 1, "2s", "-2s", "negative", 2.0),
        Row("reportingInterval", 30, "0s", "s", "not a duration", 0.0),
        Row("reportingTTL", 90, "2m", "2", "not a duration", 120.0),
        Row("healthEnabled", False, True, "yes", "bool, not str"),
        Row("healthHost", "localhost", "127.0.0.1", 127, "in quotes"),
        Row("healthPort", 9099, 65535, 65536, "must be 1..65535"),
        Row("prometheusMetricsEnabled", False, True, "yes", "bool, not str"),
        Row("prometheusMetricsHost", "", "10.0.0.1", 10, "in quotes"),
        Row("prometheusMetricsPort", 9091, 1, 0, "must be 1..65535"),
        Row("mtuIfacePattern", "^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)", "^eth", "(", "regular expression"),
        Row("requireMTUFile", False, True, "yes", "bool, not str"),
        Row("routeSource", "CalicoIPAM", "workloadips", "Other", "one of CalicoIPAM, WorkloadIPs", "WorkloadIPs"),
        Row("routeTableRanges", (), [{"min": 1, "max": 4294967295}], [{"min": 2, "max": 1}], "lower one first", ...),
        Row("routeTableRange", None, {"min": 1, "max": 250}, {"min": 1}, "max: is required", ...),
        Row("serviceLoopPrevention", "Drop", "reject", "Loop", "one of Drop, Reject", "Reject"),
        Row("useInternalDataplaneDriver", True, False, 0, "bool, not int"),
    ],
}  # fmt: skip

# The fields inside a Node's bgp and inside a filter rule have rows of their own.
NODE_BGP = [
    Row("asNumber", None, "1.0", 0, "AS 0", 65536),
    Row("ipv4Address", "", "10.0.0.1", "10.0.0.1/255.255.255.0", "in bits"),
    Row("ipv6Address", "", "fd00::1/128", "10.0.0.1/24", "not an IPv6"),
    Row("ipv4IPIPTunnelAddr", "", "10.65.0.1", "fd00::1", "not an IPv4"),
    Row("routeReflectorClusterID", None, "244.0.0.1", "fd00::1", "IPv4 address", ip_address("244.0.0.1")),
]
IN4 = {"matchOperator": "In"}
CIDR = {"cidr": "10.0.0.0/8", "matchOperator": "In"}
RULES = [
    Row("cidr", None, "0.0.0.0/0", "10.0.0.1/8", "write 10.0.0.0/8", ip_network("0.0.0.0/0"), IN4),
    Row("matchOperator", "", "NotIn", "Like", "one of Equal", with_={"cidr": "10.0.0.0/8"}),
    Row("prefixLength", None, {"min": 0, "max": 32}, {"min": 9, "max": 8}, "min 9 is above max 8", ..., CIDR),
    Row("source", "", "RemotePeers", "Local", "one of RemotePeers"),
    Row("interface", "", "*", "eth0 eth1", "not an interface pattern"),
    Row("peerType", "", "eBGP", "ebgp", "one of eBGP, iBGP"),
    Row("communities", None, {"values": ["65535:65535"]}, {"values": ["1:1", "1:2"]}, "must be exactly 1", ...),
    Row("asPathPrefix", (), [65001, "1.10"], [0], "outside 1..4294967295", (65001, 65546)),
    Row("priority", None, 2147483646, 0, "must be 1..2147483646"),
    Row("action", REQUIRED, "Reject", "Deny", "one of Accept, Reject"),
    Row(
        "operations",
        (),
        [
            {"addCommunity": {"value": "1:2:3"}},
            {"prependASPath": {"prefix": [1] * 10}},
            {"setPriority": {"value": 1}},
        ],
        [{"addCommunity": {"value": "1:2"}, "setPriority": {"value": 1}}],
        "exactly one of addCommunity",
        ...,
    ),
]

BASES: dict[type[Spec], dict[str, Any]] = {
    IPPool: {"cidr": "10.65.0.0/16"},
    IPAMBlock: {"cidr": "10.65.0.0/31"},
    BlockAffinity: {"cidr": "10.65.0.0/26", "node": "n1"},
    IPAMHandle: {"handleID": "h"},
    WorkloadEndpoint: {"node": "n1"},
    CalicoNodeStatus: {"node": "n1", "classes": ["BGP"]},
}


def spec_of(kind: Kind, spec: Mapping[str, Any]) -> Any:
    document = {"apiVersion": kind.api, "kind": kind.name, "metadata": {"name": "default"}, "spec": spec}
    return decode(document, "test.yaml", strict=True).spec


def attribute(struct: type[Any], wire: str) -> str:
    return next(f.name for f in msgspec.structs.fields(struct) if f.encode_name == wire)


CASES = [
    *((kind, "", row) for kind, rows in ROWS.items() for row in rows),
    *((Node, "bgp", row) for row in NODE_BGP),
    *((BGPFilter, "importV4", row) for row in RULES),
]


def build(kind: type[Spec], inside: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A whole spec around `fields`, which stand at its top, in `bgp`, or in the one rule of `importV4`."""
    if inside == "bgp":
        return {"bgp": {"ipv4IPIPTunnelAddr": "10.9.9.9", **fields}}
    if inside == "importV4":
        return {"importV4": [{**RULE, **fields}]}
    return {**BASES.get(kind, {}), **fields}


def value(kind: type[Spec], inside: str, spec: Any, wire: str) -> Any:
    if inside == "bgp":
        return getattr(spec.bgp, attribute(NodeBGP, wire))
    if inside == "importV4":
        return getattr(spec.import_v4[0], attribute(BGPFilterRule, wire))
    return getattr(spec, attribute(kind, wire))


each = pytest.mark.parametrize(
    ("kind", "inside", "row"), CASES, ids=[f"{k.__name__}.{f'{i}.' if i else ''}{r.field}" for k, i, r in CASES]
)


@each
def test_a_field_has_its_default(kind: type[Spec], inside: str, row: Row) -> None:
    if row.default is REQUIRED:
        whole = build(kind, inside, {})
        (whole["importV4"][0] if inside else whole).pop(row.field, None)
        with pytest.raises(InvalidResource, match="is required"):
            spec_of(KINDS[kind], whole)
        return
    if inside and row.field == "ipv4IPIPTunnelAddr":
        assert NodeBGP().ipv4_ipip_tunnel_addr == row.default
        return
    assert value(kind, inside, spec_of(KINDS[kind], build(kind, inside, {})), row.field) == row.default
    assert value(kind, inside, spec_of(KINDS[kind], build(kind, inside, {row.field: None})), row.field) == row.default


@each
def test_a_field_takes_its_extreme(kind: type[Spec], inside: str, row: Row) -> None:
    spec = spec_of(KINDS[kind], build(kind, inside, {**row.with_, row.field: row.accepted}))
    found = value(kind, inside, spec, row.field)
    if row.value is ...:
        assert json.loads(msgspec.json.encode(found, enc_hook=encode_scalar)) == row.accepted
    else:
        assert found == (row.accepted if row.value is None else row.value)


@each
def test_a_field_refuses_with_its_path_and_the_reason(kind: type[Spec], inside: str, row: Row) -> None:
    with pytest.raises(InvalidResource) as caught:
        spec_of(KINDS[kind], build(kind, inside, {**row.with_, row.field: row.refused}))
    assert row.why in caught.value.reason or row.why in str(caught.value)
    assert f"{row.field}" in caught.value.field
    assert caught.value.where == f"test.yaml: {KINDS[kind].name}/default"


def test_every_field_of_every_struct_has_a_row() -> None:
    for kind, rows in ROWS.items():
        assert sorted(row.field for row in rows) == sorted(f.encode_name for f in msgspec.structs.fields(kind))
    assert sorted(r.field for r in NODE_BGP) == sorted(f.encode_name for f in msgspec.structs.fields(NodeBGP))
    assert sorted(r.field for r in RULES) == sorted(f.encode_name for f in msgspec.structs.fields(BGPFilterRule))


def test_the_rows_are_all_there() -> None:
    assert {kind.__name__: len(rows) for kind, rows in ROWS.items()} == {
        "BGPConfiguration": 19, "BGPPeer": 18, "BGPFilter": 4, "IPPool": 11, "IPReservation": 1, "IPAMBlock": 10,
        "BlockAffinity": 5, "IPAMHandle": 3, "IPAMConfig": 5, "Node": 9, "WorkloadEndpoint": 17,
        "CalicoNodeStatus": 3, "FelixConfiguration": 40,
    }  # fmt: skip
    assert len(CASES) == 161
