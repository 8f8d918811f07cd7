"""Calico's rules for BGPConfiguration, BGPPeer and BGPFilter, beyond the types of their fields. Pure.

Sources: api/pkg/apis/projectcalico/v3/bgp*.go, libcalico-go/lib/clientv3/bgpconfig.go and validator/v3. Two limits
are BGP's own, where Calico would only fail later in BIRD: a restart time has 12 bits (RFC 4724 section 3), and a
keepalive of zero never ends a dead session (RFC 4271 section 4.4).
"""

from collections.abc import Collection, Iterator

from felixpy.model.addresses import family
from felixpy.model.resources.base import Duration
from felixpy.model.resources.bgp import (
    BGPConfiguration,
    BGPFilter,
    BGPFilterRule,
    BGPPeer,
    Operation,
    PrefixLength,
)
from felixpy.model.resources.formats import bad_community, bad_interface, bad_selector, parse_peer_ip
from felixpy.model.resources.problem import Problem, outside

PRIORITY = (1, 2147483646)
CLUSTER_ONLY = (
    "nodeToNodeMeshEnabled", "asNumber", "serviceClusterIPs", "serviceExternalIPs", "serviceLoadBalancerIPs",
    "nodeMeshPassword", "nodeMeshMaxRestartTime",
)  # fmt: skip


def configuration(spec: BGPConfiguration, name: str, given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a BGPConfiguration."""
    if name != "default":
        for field in CLUSTER_ONLY:
            if field in given:
                yield Problem(field, "may be set in the object named default only")
    yield from _communities(spec)
    if spec.listen_port is not None:
        yield from outside("listenPort", spec.listen_port, 1, 65535)
    if not spec.node_to_node_mesh_enabled:
        for field in ("nodeMeshPassword", "nodeMeshMaxRestartTime"):
            if field in given:
                yield Problem(field, "has no meaning while nodeToNodeMeshEnabled is false")
    yield from _restart_time("nodeMeshMaxRestartTime", spec.node_mesh_max_restart_time)
    for i, pattern in enumerate(spec.ignored_interfaces):
        if reason := bad_interface(pattern):
            yield Problem(f"ignoredInterfaces[{i}]", reason)
        if pattern == "*":
            yield Problem(f"ignoredInterfaces[{i}]", "* would ignore every interface")
        if pattern in spec.ignored_interfaces[:i]:
            yield Problem(f"ignoredInterfaces[{i}]", f"{pattern} is there twice")
    for field, address, wanted in (
        ("localWorkloadPeeringIPV4", spec.local_workload_peering_ipv4, 4),
        ("localWorkloadPeeringIPV6", spec.local_workload_peering_ipv6, 6),
    ):
        if address is not None and family(address) != wanted:
            yield Problem(field, f"{address} is not an IPv{wanted} address")
    yield from outside("ipv4NormalRoutePriority", spec.ipv4_normal_route_priority, *PRIORITY)
    yield from outside("ipv6NormalRoutePriority", spec.ipv6_normal_route_priority, *PRIORITY)


def _communities(spec: BGPConfiguration) -> Iterator[Problem]:
    yield from outside("communities", len(spec.communities), 0, 500, "entries")
    yield from outside("prefixAdvertisements", len(spec.prefix_advertisements), 0, 500, "entries")
    names = set()
    for i, community in enumerate(spec.communities):
        if not community.name:
            yield Problem(f"communities[{i}].name", "is missing")
        yield from outside(f"communities[{i}].name", len(community.name), 0, 253, "characters")
        if reason := bad_community(community.value):
            yield Problem(f"communities[{i}].value", reason)
        names.add(community.name)
    if spec.communities and not spec.prefix_advertisements:
        yield Problem("communities", "are never used: name them in prefixAdvertisements, or leave them out")
    for i, advertisement in enumerate(spec.prefix_advertisements):
        field = f"prefixAdvertisements[{i}].communities"
        yield from outside(field, len(advertisement.communities), 0, 50, "entries")
        for j, value in enumerate(advertisement.communities):
            if value not in names and bad_community(value):
                yield Problem(f"{field}[{j}]", f"{value[:64]!r} is neither aa:nn nor a name declared in communities")


def peer(spec: BGPPeer, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a BGPPeer."""
    yield from outside("node", len(spec.node), 0, 253, "characters")
    if spec.node and spec.node_selector:
        yield Problem("node", "excludes nodeSelector: give one of them")
    for field, selector in (
        ("nodeSelector", spec.node_selector),
        ("peerSelector", spec.peer_selector),
        ("localWorkloadSelector", spec.local_workload_selector),
    ):
        if selector and (reason := bad_selector(selector)):
            yield Problem(field, reason)
    yield from _whom(spec)
    if spec.keep_original_next_hop and spec.next_hop_mode:
        yield Problem("keepOriginalNextHop", "is deprecated and excludes nextHopMode: use nextHopMode: Keep")
    yield from _restart_time("maxRestartTime", spec.max_restart_time)
    if spec.keepalive_time is not None:
        yield from outside("keepaliveTime", spec.keepalive_time, 1, 21845, "s")  # a third of the longest hold time
    yield from outside("numAllowedLocalASNumbers", spec.num_allowed_local_as_numbers, 0, 2147483647)
    if spec.ttl_security is not None:
        yield from outside("ttlSecurity", spec.ttl_security, 0, 255)


def _whom(spec: BGPPeer) -> Iterator[Problem]:
    address = None
    if spec.peer_ip:
        yield from outside("peerIP", len(spec.peer_ip), 0, 64, "characters")
        try:
            address, _ = parse_peer_ip(spec.peer_ip)
        except ValueError as error:
            yield Problem("peerIP", str(error))
        if spec.peer_selector:
            yield Problem("peerIP", "excludes peerSelector: give one of them")
        if spec.local_workload_selector:
            yield Problem("peerIP", "excludes localWorkloadSelector: give one of them")
    if spec.peer_selector and spec.local_workload_selector:
        yield Problem("peerSelector", "excludes localWorkloadSelector: give one of them")
    if spec.peer_selector and spec.as_number is not None:
        yield Problem("asNumber", "must be left out with peerSelector: each node's own AS number is used")
    if spec.local_workload_selector and spec.as_number is None:
        yield Problem("asNumber", "is required with localWorkloadSelector")
    if spec.reachable_by is not None:
        if address is None:
            yield Problem("reachableBy", "needs peerIP: it is the gateway towards that address")
        elif family(address) != family(spec.reachable_by):
            yield Problem("reachableBy", f"{spec.reachable_by} is not of the family of peerIP {spec.peer_ip}")


def bgp_filter(spec: BGPFilter, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a BGPFilter."""
    for field, rules, wanted in (
        ("exportV4", spec.export_v4, 4),
        ("importV4", spec.import_v4, 4),
        ("exportV6", spec.export_v6, 6),
        ("importV6", spec.import_v6, 6),
    ):
        for i, rule in enumerate(rules):
            yield from _rule(rule, f"{field}[{i}]", wanted)


def _rule(rule: BGPFilterRule, at: str, wanted: int) -> Iterator[Problem]:
    yield from _one_of(f"{at}.action", rule.action, ("Accept", "Reject"))
    yield from _one_of(f"{at}.matchOperator", rule.match_operator, ("", "Equal", "NotEqual", "In", "NotIn"))
    yield from _one_of(f"{at}.source", rule.source, ("", "RemotePeers"))
    yield from _one_of(f"{at}.peerType", rule.peer_type, ("", "eBGP", "iBGP"))
    if rule.cidr is not None and family(rule.cidr) != wanted:
        yield Problem(f"{at}.cidr", f"{rule.cidr} is not IPv{wanted}")
    if (rule.cidr is None) != (not rule.match_operator):
        missing = "cidr" if rule.cidr is None else "matchOperator"
        yield Problem(f"{at}.{missing}", "is required: cidr and matchOperator belong together")
    if rule.prefix_length is not None:
        if rule.cidr is None:
            yield Problem(f"{at}.prefixLength", "needs cidr and matchOperator")
        yield from _lengths(rule.prefix_length, f"{at}.prefixLength", 32 if wanted == 4 else 128)
    if rule.interface and rule.interface != "*" and (reason := bad_interface(rule.interface)):
        yield Problem(f"{at}.interface", reason)
    if rule.communities is not None:
        yield from outside(f"{at}.communities.values", len(rule.communities.values), 1, 1, "entries")
        if reason := bad_community(rule.communities.values[0]):
            yield Problem(f"{at}.communities.values[0]", reason)
    if rule.priority is not None:
        yield from outside(f"{at}.priority", rule.priority, *PRIORITY)
    if rule.operations and rule.action != "Accept":
        yield Problem(f"{at}.operations", "change an accepted route: they need action Accept")
    yield from outside(f"{at}.operations", len(rule.operations), 0, 10, "entries")
    for i, operation in enumerate(rule.operations):
        yield from _operation(operation, f"{at}.operations[{i}]")


def _lengths(lengths: PrefixLength, at: str, longest: int) -> Iterator[Problem]:
    for end, value in (("min", lengths.min), ("max", lengths.max)):
        if value is not None:
            yield from outside(f"{at}.{end}", value, 0, longest)
    if lengths.min is not None and lengths.max is not None and lengths.min > lengths.max:
        yield Problem(at, f"min {lengths.min} is above max {lengths.max}: nothing can match")


def _operation(operation: Operation, at: str) -> Iterator[Problem]:
    add, prepend, priority = operation.add_community, operation.prepend_as_path, operation.set_priority
    if [add, prepend, priority].count(None) != 2:
        yield Problem(at, "must have exactly one of addCommunity, prependASPath, setPriority")
    if add is not None and (reason := bad_community(add.value)):
        yield Problem(f"{at}.addCommunity.value", reason)
    if prepend is not None:
        yield from outside(f"{at}.prependASPath.prefix", len(prepend.prefix), 1, 10, "entries")
    if priority is not None:
        yield from outside(f"{at}.setPriority.value", priority.value, *PRIORITY)


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> Iterator[Problem]:
    if value not in choices:
        yield Problem(field, f"must be one of {', '.join(filter(None, choices))}, not {value[:64]!r}")


def _restart_time(field: str, seconds: Duration | None) -> Iterator[Problem]:
    if seconds is not None:
        yield from outside(field, seconds, 0, 4095, "s")
