"""Checks of the cluster: resources that contradict each other, nodes that do. Pure."""

from collections import defaultdict
from itertools import combinations

from felixpy.insight.doctor.check import ClusterCheck, Found3, Severity
from felixpy.insight.lookup import parsed
from felixpy.insight.view import NetworkView
from felixpy.ipam.collect import problems
from felixpy.ipam.usage import usages
from felixpy.model.resources import FelixConfiguration, IPPool, Node

SKEW_S = 5.0  # clocks that differ more make logs and ages of two nodes hard to compare
NEARLY_FULL = 0.8
GRACE_S = 60.0


def _router_ids(view: NetworkView, _: float) -> Found3:
    by_id: dict[str, list[str]] = defaultdict(list)
    for name, node in view.nodes.items():
        if node.peers is not None and node.peers.router_id:
            by_id[node.peers.router_id].append(name)
    for router_id, names in sorted(by_id.items()):
        if len(names) > 1:
            yield (
                "",
                f"{' and '.join(names)} have one router id, {router_id}: their routes are taken for one router's",
                "give each node its own address in spec.bgp",
            )


def _node_addresses(view: NetworkView, _: float) -> Found3:
    by_address: dict[str, list[str]] = defaultdict(list)
    for name in view.snapshot.of(Node):
        for address in view.address_of(name):
            by_address[str(address)].append(name)
    for held, names in sorted(by_address.items()):
        if len(names) > 1:
            yield (
                "",
                f"nodes {' and '.join(sorted(names))} have one address, {held}",
                "correct spec.bgp of the Nodes",
            )


def _pools(view: NetworkView, _: float) -> Found3:
    pools = sorted((name, pool.spec.cidr) for name, pool in view.snapshot.of(IPPool).items())
    for (one, cidr), (other, theirs) in combinations(pools, 2):
        if cidr.version == theirs.version and cidr.overlaps(theirs):
            yield "", f"IPPools {one} ({cidr}) and {other} ({theirs}) overlap", "delete or shrink one of them"


def _pools_and_links(view: NetworkView, _: float) -> Found3:
    """A pool that covers the nodes' own network would take their addresses for pods'."""
    for name, pool in sorted(view.snapshot.of(IPPool).items()):
        for node in view.nodes.values():
            for it in node.facts.addresses if node.facts else ():
                subnet = parsed(it.subnet)
                if (
                    node.name in view.snapshot.of(Node)
                    and subnet.version == pool.spec.cidr.version
                    and subnet.overlaps(pool.spec.cidr)
                ):
                    yield (
                        node.name,
                        f"IPPool {name} ({pool.spec.cidr}) overlaps {it.subnet} on {it.device}",
                        "give pods a range of their own",
                    )


def _no_pool(view: NetworkView, _: float) -> Found3:
    if view.snapshot.of(Node) and not any(not pool.spec.disabled for pool in view.snapshot.of(IPPool).values()):
        yield "", "there is no IPPool that is not disabled: no pod can get an address", "apply an IPPool"


def _full_pools(view: NetworkView, _: float) -> Found3:
    for usage in usages(view.snapshot):
        if usage.grouping == "IP Pool" and usage.total and usage.used > usage.total * NEARLY_FULL:
            yield (
                "",
                f"{usage.cidr}: {usage.used} of {usage.total} addresses are taken",
                "add a pool; felixpy ipam check finds leaked ones",
            )


def _books(view: NetworkView, now: float) -> Found3:
    for it in problems(view.snapshot, now, GRACE_S):
        yield "", f"{it.subject}: {it.kind}: {it.proof}", it.fix


def _nat(view: NetworkView, _: float) -> Found3:
    for name, pool in sorted(view.snapshot.of(IPPool).items()):
        if pool.spec.nat_outgoing:
            yield (
                "",
                f"IPPool {name}: natOutgoing is not done: pods leave with their own addresses",
                "let the fabric translate, or know the pool",
            )


def _tunnels(view: NetworkView, _: float) -> Found3:
    for name, pool in sorted(view.snapshot.of(IPPool).items()):
        if pool.spec.ipip_mode != "Never" or pool.spec.vxlan_mode != "Never":
            yield "", f"IPPool {name} asks for a tunnel and is not served", "set ipipMode and vxlanMode to Never"


def _clocks(view: NetworkView, now: float) -> Found3:
    for name, node in view.nodes.items():
        if node.system is None:
            continue
        asked, answered = node.asked or (now, now)  # a slow answer is no slow clock
        off = node.system.taken - min(max(node.system.taken, asked), answered)
        if abs(off) > SKEW_S:
            yield name, f"its clock is {off:+.0f} s from here", "synchronise the clocks (chrony, systemd-timesyncd)"


def _versions(view: NetworkView, _: float) -> Found3:
    found = {health.version for node in view.nodes.values() for health in node.health.values()}
    if len(found) > 1:
        yield "", f"daemons of several versions run: {', '.join(sorted(found))}", "finish the upgrade"


def _missing_nodes(view: NetworkView, _: float) -> Found3:
    known = view.snapshot.of(Node)
    for name, node in view.nodes.items():
        if name not in known and node.peers is not None:
            yield name, f"{name} runs birdpy and there is no Node resource of that name", "apply a Node with spec.bgp"


def _segment_mtus(view: NetworkView, _: float) -> Found3:
    """Two ends of one subnet with two MTUs: what the larger sends is lost without a word."""
    by_subnet: dict[str, dict[str, int]] = defaultdict(dict)
    for name, node in view.nodes.items():
        for it in node.facts.addresses if node.facts else ():
            link = node.links.get(it.device)
            if (
                link is not None
                and it.device != "lo"
                and it.device not in node.devices
                and not it.subnet.startswith("fe80")
            ):
                by_subnet[it.subnet][f"{name} {it.device}"] = link.mtu
    for subnet, ends in sorted(by_subnet.items()):
        if len(set(ends.values())) > 1:
            said = ", ".join(f"{end} {mtu}" for end, mtu in sorted(ends.items()))
            yield "", f"{subnet} has ends of several MTUs: {said}", "give all of them one MTU"


def _floating(view: NetworkView, _: float) -> Found3:
    for name, config in sorted(view.snapshot.of(FelixConfiguration).items()):
        if config.spec.route_sync_disabled:
            yield "", f"FelixConfiguration {name}: routeSyncDisabled: no pod's route is written", "set it to false"


E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
CHECKS = (
    ClusterCheck("router-ids", E, "every node has its own router id", _router_ids),
    ClusterCheck("node-addresses", E, "every node has its own address", _node_addresses),
    ClusterCheck("pools-overlap", E, "no two pools overlap", _pools),
    ClusterCheck("pools-and-links", E, "no pool overlaps the nodes' own networks", _pools_and_links),
    ClusterCheck("pools-missing", E, "there is a pool to take addresses from", _no_pool),
    ClusterCheck("pools-full", W, "pools have room", _full_pools),
    ClusterCheck("ipam-books", W, "the books of addresses agree", _books),
    ClusterCheck("nat-outgoing", N, "no pool asks for NAT", _nat),
    ClusterCheck("tunnels", E, "no pool asks for a tunnel", _tunnels),
    ClusterCheck("clocks", W, "the nodes' clocks agree", _clocks),
    ClusterCheck("versions", N, "all daemons are of one version", _versions),
    ClusterCheck("node-resources", E, "every node has its Node resource", _missing_nodes),
    ClusterCheck("segment-mtu", E, "all ends of a segment have one MTU", _segment_mtus),
    ClusterCheck("route-sync", E, "routes are written", _floating),
)
