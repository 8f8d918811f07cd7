"""Checks of our own daemons on a node, of what else runs there, and of its limits. Pure."""

from collections.abc import Iterator

from felixpy.insight.doctor.check import Found, NodeCheck, Patient, Severity
from felixpy.model.system import ProcessFact, SystemFacts

ENOUGH = 0.8  # of a limit: time to say so
DISK_FREE = 0.05  # of the state folder's disk
CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE = 12, 13, 10
NEEDED = {"felixpy": {"NET_ADMIN": CAP_NET_ADMIN, "NET_RAW": CAP_NET_RAW}, "birdpy": {"NET_ADMIN": CAP_NET_ADMIN}}
DAEMONS = ("felixpy", "birdpy")
MANAGED_NEIGHBOURS = (5, 16)  # NTF_EXT_MANAGED
OUR_CONFLIST = "felixpy"


def _running(it: Patient) -> Found:
    for daemon in DAEMONS:
        if daemon in it.node.why:
            yield (
                f"{daemon} does not answer: {it.node.why[daemon]}",
                f"start it: {daemon} run --node {it.node.name}; its log says why it stopped",
            )


def _in_sync(it: Patient) -> Found:
    for daemon, health in it.node.health.items():
        if not health.in_sync:
            yield (
                f"{daemon} has not read everything from {health.datastore} yet",
                "is the datastore reachable? see its log",
            )


def _datastore(it: Patient) -> Found:
    for daemon, health in it.node.health.items():
        if not health.datastore_reachable:
            yield (
                f"{daemon} cannot reach {health.datastore}; what it knew stays in force",
                "mend the datastore; nothing on this node changes until then",
            )


def _conditions(it: Patient) -> Found:
    said = {"DatastoreUnreachable", "NatOutgoingNotDone", "EncapsulationNotDone", "RouteSyncDisabled", "NodeMissing"}
    for daemon, health in it.node.health.items():
        for condition in health.conditions:
            if condition.name not in said | {"AddressConflict", "PeersDown", "datastore", "drain"}:
                yield (
                    f"{daemon}: {condition.name}: {condition.message}",
                    f"{daemon}'s log on {it.node.name} says since when",
                )


def _kernel(it: Patient) -> Found:
    release = it.node.system.kernel.split(".") if it.node.system else []
    if len(release) > 1 and release[0].isdecimal() and release[1].isdecimal():
        version = int(release[0]), int(release[1])
        if version < MANAGED_NEIGHBOURS:
            yield (
                f"kernel {it.node.system.kernel if it.node.system else ''} cannot keep neighbours probed (5.16 can)",
                "a dead node behind a shared segment is noticed by its hold time only",
            )


def _refused(it: Patient) -> Found:
    for daemon, health in it.node.health.items():
        for refused in health.refused:
            yield (
                f"{daemon}: {refused.table} {refused.key} is refused: {refused.reason}",
                "remove what holds it; it is tried again by itself",
            )


def _problems(it: Patient) -> Found:
    for daemon, health in it.node.health.items():
        for problem in health.problems:
            yield (
                f"{daemon} cannot use {problem.kind} {problem.name}: {problem.field}: {problem.reason}",
                f"felixpy get {problem.kind.lower()} {problem.name}; apply it mended",
            )


def _sessions(it: Patient) -> Found:
    for peer in it.node.peers.peers if it.node.peers else ():
        if peer.state != "established":
            why = peer.held_down or peer.last_error or "no reason is known yet"
            yield (
                f"session {peer.name} is {peer.state}: {why}",
                f"birdpy peers --node {it.node.name}; birdpy config --node {it.node.name}",
            )


def _graceful_restart(it: Patient) -> Found:
    for peer in it.node.peers.peers if it.node.peers else ():
        if peer.state == "established" and peer.graceful_restart_s is None:
            yield (
                f"{peer.name} did not offer graceful restart: it drops our routes whenever birdpy restarts",
                "switch it on at the peer (FRR: bgp graceful-restart)",
            )


def _drained(it: Patient) -> Found:
    if it.node.peers is not None and it.node.peers.stage != "serving":
        yield (
            f"the node is drained ({it.node.peers.stage})",
            f"birdpy drain --undo --node {it.node.name}, when it shall serve again",
        )


def _port_holder(it: Patient) -> Found:
    for listener in it.node.system.listeners if it.node.system else ():
        if listener.holder and not listener.holder.startswith(("exabgp", "birdpy", "felixpy", "python")):
            yield (
                f"{listener.holder} listens on {listener.address} port {listener.port}",
                "stop it, or give birdpy another listenPort",
            )


def _managers(it: Patient) -> Found:
    for process in _others(it, ("NetworkManager", "dhcpcd", "connmand")):
        yield (
            f"{process.name} (pid {process.pid}) manages interfaces of this node",
            "tell it to leave cali* interfaces and protocols 12 and 80 alone",
        )


def _networkd(it: Patient) -> Found:
    settings = it.node.system.networkd if it.node.system else {}
    for process in _others(it, ("systemd-networkd",)):
        if settings.get("ManageForeignRoutes") not in ("no", "false", "0", "off"):
            yield (
                f"systemd-networkd (pid {process.pid}) removes routes that it did not make",
                "felixpy install --systemd writes ManageForeignRoutes=no; restart networkd",
            )


def _other_networks(it: Patient) -> Found:
    for process in _others(it, ("calico-node", "flanneld", "cilium-agent", "kube-router")):
        yield (
            f"{process.name} (pid {process.pid}) networks pods here too",
            "finish moving this node: stop it, or stop felixpy",
        )


def _other_routers(it: Patient) -> Found:
    for process in _others(it, ("bird", "bird6", "bgpd", "gobgpd")):
        yield (
            f"{process.name} (pid {process.pid}) is a BGP speaker beside birdpy",
            "stop it, or see that they share no peer, port and protocol number",
        )


def _others(it: Patient, names: tuple[str, ...]) -> Iterator[ProcessFact]:
    return (process for process in it.node.system.processes if process.name in names) if it.node.system else iter(())


def _cni_leftovers(it: Patient) -> Found:
    files = it.node.system.cni_files if it.node.system else ()
    ours = [name for name in files if OUR_CONFLIST in name]
    first = files[0] if files else ""
    if ours and first not in ours:
        yield (
            f"{first} in /etc/cni/net.d comes before {ours[0]}: pods are attached by another plugin",
            f"remove {first}",
        )


def _capabilities(it: Patient) -> Found:
    for process in it.node.system.processes if it.node.system else ():
        missing = [name for name, bit in NEEDED.get(process.name, {}).items() if not process.capabilities >> bit & 1]
        if missing:
            yield (
                f"{process.name} (pid {process.pid}) lacks CAP_{', CAP_'.join(missing)}",
                "add them to its unit or its securityContext",
            )


def _md5(it: Patient) -> Found:
    counters = it.node.system.counters if it.node.system else {}
    down = any(peer.state != "established" for peer in it.node.peers.peers) if it.node.peers else False
    told = {
        "TCPMD5NotFound": "unsigned packets where a password is set",
        "TCPMD5Unexpected": "signed packets where none is",
        "TCPMD5Failure": "packets signed with another password",
    }
    for name, meaning in told.items():
        if counters.get(name) and down:
            yield (
                f"{counters[name]} {meaning} ({name})",
                "compare the passwords of both ends of each session that is down",
            )


def _conntrack(it: Patient) -> Found:
    yield from _limit(it, "conntrack", "connections", "raise net.netfilter.nf_conntrack_max: new ones are dropped")


def _inotify(it: Patient) -> Found:
    yield from _limit(it, "inotify_instances", "inotify instances", "raise fs.inotify.max_user_instances")


def _limit(it: Patient, name: str, what: str, fix: str) -> Found:
    """Say so when most of what there may be is used."""
    limits = it.node.system.limits if it.node.system else {}
    used, most = limits.get(f"{name}_used"), limits.get(f"{name}_most")
    if used is not None and most and used > most * ENOUGH:
        yield f"{used} of {most} {what} are used", fix


def _neighbour_table(it: Patient) -> Found:
    facts, system = it.node.facts, it.node.system
    if facts is None or system is None:
        return
    for version in (4, 6):
        used = sum(
            (":" in entry.address) == (version == 6) for entry in facts.neighbours if entry.state != "permanent"
        )
        most = system.limits.get(f"neighbours{version}_most", 0)
        if most and used > most * ENOUGH:
            yield (
                f"{used} of {most} IPv{version} neighbour entries are used: the next ones are refused",
                f"raise net.ipv{version}.neigh.default.gc_thresh3",
            )


def _files(it: Patient) -> Found:
    for process in it.node.system.processes if it.node.system else ():
        used, most = process.open_files, process.open_files_limit
        if process.name in DAEMONS and used and most and used > most * ENOUGH:
            yield (
                f"{process.name} (pid {process.pid}) has {used} of {most} files open",
                "raise LimitNOFILE; report it: the number should be constant",
            )


def _disk(it: Patient) -> Found:
    system: SystemFacts | None = it.node.system
    if system and system.state_size_bytes and (system.state_free_bytes or 0) < system.state_size_bytes * DISK_FREE:
        yield "the disk of the state folder is nearly full: no pod can be attached when it is", "make room on it"


E, W, N = Severity.ERROR, Severity.WARNING, Severity.NOTE
CHECKS = (
    NodeCheck("daemons-running", E, "felixpy and birdpy run and answer", _running),
    NodeCheck("in-sync", E, "both have read the whole datastore", _in_sync),
    NodeCheck("datastore", W, "the datastore can be reached", _datastore),
    NodeCheck("conditions", W, "the daemons have nothing to complain of", _conditions),
    NodeCheck("kernel", N, "the kernel can all that is used", _kernel),
    NodeCheck("refused-keys", E, "the kernel and ExaBGP take all that is wanted", _refused),
    NodeCheck("broken-objects", W, "every object can be used", _problems),
    NodeCheck("sessions", E, "every BGP session is up", _sessions),
    NodeCheck("graceful-restart", W, "every peer keeps our routes over a restart", _graceful_restart),
    NodeCheck("drained", W, "the node serves", _drained),
    NodeCheck("bgp-port", E, "the BGP port is ours", _port_holder),
    NodeCheck("route-managers", W, "no other manager of interfaces and routes runs", _managers),
    NodeCheck("networkd", W, "systemd-networkd leaves our routes alone", _networkd),
    NodeCheck("other-networks", W, "no other pod network runs here", _other_networks),
    NodeCheck("other-routers", W, "no other BGP speaker runs here", _other_routers),
    NodeCheck("cni-files", E, "the runtime calls our plugin", _cni_leftovers),
    NodeCheck("capabilities", E, "the daemons have the rights that they need", _capabilities),
    NodeCheck("md5", W, "no packet with a wrong MD5 signature has come", _md5),
    NodeCheck("conntrack", W, "the connection table has room", _conntrack),
    NodeCheck("inotify", W, "there are inotify instances left", _inotify),
    NodeCheck("neighbour-table", W, "the neighbour table has room", _neighbour_table),
    NodeCheck("open-files", W, "the daemons may open more files", _files),
    NodeCheck("disk", W, "the state folder's disk has room", _disk),
)
