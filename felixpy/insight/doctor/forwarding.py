"""Checks of what a node's kernel does to packets. Pure."""

from felixpy.insight.doctor.check import Found, NodeCheck, Patient, Severity
from felixpy.insight.lookup import parsed, parsed_address
from felixpy.model.addresses import contains

ENOUGH = 0.8  # of a limit: time to say so
PUBLIC_TABLES = ("felixpy_guard",)


def _ipv4_forwarding(it: Patient) -> Found:
    if it.serves(4) and it.sysctl("net/ipv4/ip_forward") == "0":
        yield (
            "net.ipv4.ip_forward is 0: the node passes no packet on",
            "sysctl -w net.ipv4.ip_forward=1; is felixpy running?",
        )


def _ipv6_forwarding(it: Patient) -> Found:
    if it.serves(6) and it.sysctl("net/ipv6/conf/all/forwarding") == "0":
        fix = "sysctl -w net.ipv6.conf.all.forwarding=1; is felixpy running?"
        yield "net.ipv6.conf.all.forwarding is 0: the node passes no packet on", fix


def _ipv6_disabled(it: Patient) -> Found:
    if it.serves(6) and it.sysctl("net/ipv6/conf/all/disable_ipv6") == "1":
        yield (
            "there is an IPv6 pool and IPv6 is switched off",
            "sysctl -w net.ipv6.conf.all.disable_ipv6=0, or disable the pool",
        )


def _strict_uplinks(it: Patient) -> Found:
    """One uplink is symmetric by itself; with several, packets come by one that the way back does not take."""
    if len(it.uplinks) < 2:
        return
    strict = sorted(name for name in it.uplinks if _rp_filter(it, name) == "1")
    if strict:
        fix = "sysctl -w net.ipv4.conf.NAME.rp_filter=2 for each of them"
        yield f"strict rp_filter on {', '.join(strict)}, and there are several ways out", fix


def _rp_filter(it: Patient, device: str) -> str:
    """IN_DEV_MAXCONF: the greater of `all` and the interface's own."""
    return max(it.sysctl(f"net/ipv4/conf/{name}/rp_filter") or "0" for name in ("all", device))


def _spoofing(it: Patient) -> Found:
    for device in it.pod_devices:
        if _rp_filter(it, device) == "0":
            fix = f"is felixpy running? it sets net.ipv4.conf.{device}.rp_filter=1"
            yield f"the pod behind {device} may send from addresses that it does not hold (rp_filter 0)", fix


def _linkdown(it: Patient) -> Found:
    facts = it.node.facts
    if facts is None or not any(len(route.ways) > 1 for route in facts.routes):
        return
    if it.sysctl("net/ipv4/conf/all/ignore_routes_with_linkdown") == "0":
        fix = "sysctl -w net.ipv4.conf.all.ignore_routes_with_linkdown=1; felixpy sets it while it runs"
        yield "half the flows of a multipath route stay on a link without carrier", fix


def _forward_policy(it: Patient) -> Found:
    for chain in (it.node.system.chains or ()) if it.node.system else ():
        if chain.hook == "forward" and chain.policy == "drop" and chain.table not in PUBLIC_TABLES:
            fix = (
                f"nft insert rule {chain.family} {chain.table} {chain.name} ip saddr POOL accept, and daddr likewise"
            )
            yield f"nftables {chain.family} {chain.table} {chain.name} drops what it does not name", fix


def _nft_missing(it: Patient) -> Found:
    if it.node.system and it.node.system.chains is None and it.serves(6):
        yield "nft does not answer: IPv6 sources of pods are not checked", "install nftables"


def _uplink_down(it: Patient) -> Found:
    for name in sorted(it.uplinks):
        link = it.node.links.get(name)
        if link is not None and not (link.up and link.carrier):
            state = "has no carrier" if link.up else "is down"
            yield (
                f"uplink {name} {state}",
                f"ip link set {name} up; is its cable, its switch port, the other end all right?",
            )


def _pod_link_down(it: Patient) -> Found:
    for device, endpoint in sorted(it.node.devices.items()):
        if endpoint.state == "down":
            yield (
                f"pod {endpoint.pod} on {device}: {endpoint.reason or 'down'}",
                "felixpy routes shows what is missing; felixpy trace to it",
            )


def _pod_mtu(it: Patient) -> Found:
    sizes = [it.node.links[name].mtu for name in it.uplinks if name in it.node.links]
    if not sizes:
        return
    for device, endpoint in sorted(it.node.devices.items()):
        link = it.node.links.get(device)
        if link is not None and link.mtu > min(sizes):
            fix = "attach the pod anew, or set mtu in FelixConfiguration"
            yield (
                f"pod {endpoint.pod} has MTU {link.mtu}, the smallest uplink {min(sizes)}: large packets are lost",
                fix,
            )


def _duplicate_address(it: Patient) -> Found:
    for each in it.node.facts.addresses if it.node.facts else ():
        if each.tentative and each.device in it.uplinks and not each.address.startswith("fe80:"):
            fix = "another machine has it: ip -6 address show tentative; give each its own"
            yield (
                f"{each.address} on {each.device} is tentative: duplicate address detection has not let it pass",
                fix,
            )


def _dead_neighbours(it: Patient) -> Found:
    facts = it.node.facts
    if facts is None:
        return
    gateways = {(way.via, way.device) for route in facts.routes for way in route.ways if way.via}
    for entry in facts.neighbours:
        if entry.state == "failed" and (entry.address, entry.device) in gateways:
            fix = "is that node alive, its link up, its VLAN the same? felixpy trace to a pod behind it"
            yield f"next hop {entry.address} on {entry.device} does not answer", fix


def _accept_ra(it: Patient) -> Found:
    facts = it.node.facts
    if facts is None or it.sysctl("net/ipv6/conf/all/forwarding") != "1":
        return
    for route in facts.routes:
        if route.prefix == "::/0" and route.protocol == "ra":
            for way in route.ways:
                if it.sysctl(f"net/ipv6/conf/{way.device}/accept_ra") == "1":
                    fix = f"sysctl -w net.ipv6.conf.{way.device}.accept_ra=2"
                    yield f"the default route by {way.device} will time out: a router ignores advertisements", fix


def _strangers_routes(it: Patient) -> Found:
    """A route with birdpy's protocol that birdpy does not know is another speaker's."""
    facts, routes = it.node.facts, it.node.routes
    if routes is None or facts is None or it.node.peers is None:
        return
    known = {(parsed(row.prefix), row.metric) for row in routes.routes if row.wanted is not False}
    for route in facts.routes:
        if route.protocol == "bird" and (parsed(route.prefix), route.metric) not in known:
            fix = "another program writes protocol 12 (BIRD?): stop it, or give birdpy another number with --protocol"
            yield f"{route.prefix} has birdpy's protocol number and birdpy did not write it", fix


def _shadowed(it: Patient) -> Found:
    """A foreign route that wins over a pod's or a block's."""
    facts = it.node.facts
    pools = it.pools
    for route in facts.routes if facts else ():
        prefix = parsed(route.prefix)
        inside = any(contains(pool, prefix) for pool in pools)
        if inside and route.table == 254 and route.protocol not in ("felixpy", "bird", "kernel"):
            fix = f"ip route del {route.prefix} proto {route.protocol}; who added it?"
            yield (
                f"{route.prefix} proto {route.protocol} metric {route.metric} lies in a pool and is not ours",
                fix,
            )


def _rules(it: Patient) -> Found:
    facts = it.node.facts
    pools = it.pools
    for rule in facts.rules if facts else ():
        ends = [parsed(text) for text in (rule.destination, rule.source) if text]
        if any(pool.version == end.version and pool.overlaps(end) for pool in pools for end in ends):
            fix = f"ip rule del priority {rule.priority}, if it is not meant"
            yield f"policy rule {rule.priority} sends packets of pods to table {rule.table or rule.action}", fix


def _node_address(it: Patient) -> Found:
    """The address that peers dial must be on an interface."""
    peers, facts = it.node.peers, it.node.facts
    if peers is None or facts is None or not peers.peers:
        return
    wanted = it.view.address_of(it.node.name)
    held = {parsed_address(each.address) for each in facts.addresses}
    for address in wanted - held:
        fix = "correct spec.bgp of the Node, or give the interface its address"
        yield f"the Node resource says {address}, and no interface has it: no session can come up", fix


E, W = Severity.ERROR, Severity.WARNING
CHECKS = (
    NodeCheck("ipv4-forwarding", E, "IPv4 packets are forwarded", _ipv4_forwarding),
    NodeCheck("ipv6-forwarding", E, "IPv6 packets are forwarded where there is an IPv6 pool", _ipv6_forwarding),
    NodeCheck("ipv6-disabled", E, "IPv6 is on where there is an IPv6 pool", _ipv6_disabled),
    NodeCheck(
        "rp-filter-uplinks", E, "no strict reverse path filter where there are several uplinks", _strict_uplinks
    ),
    NodeCheck("rp-filter-pods", W, "pods send from their own addresses only", _spoofing),
    NodeCheck("linkdown-ways", W, "ways without carrier are not used", _linkdown),
    NodeCheck("forward-policy", E, "no firewall drops forwarded packets by default", _forward_policy),
    NodeCheck("nft", W, "nft is there where IPv6 sources must be checked", _nft_missing),
    NodeCheck("uplinks", E, "every uplink is up", _uplink_down),
    NodeCheck("pods-up", E, "every pod is attached as it must be", _pod_link_down),
    NodeCheck("pod-mtu", E, "no pod's MTU is larger than the uplinks'", _pod_mtu),
    NodeCheck(
        "duplicate-address-detection", E, "no address waits for duplicate address detection", _duplicate_address
    ),
    NodeCheck("next-hops", E, "every next hop in use answers", _dead_neighbours),
    NodeCheck("accept-ra", W, "a default route from advertisements stays", _accept_ra),
    NodeCheck("foreign-speaker", W, "nobody else writes birdpy's protocol number", _strangers_routes),
    NodeCheck("foreign-routes", E, "no foreign route lies in a pool", _shadowed),
    NodeCheck("policy-rules", W, "no policy rule takes pods' packets elsewhere", _rules),
    NodeCheck("node-address", E, "the node has the address that its peers dial", _node_address),
)
