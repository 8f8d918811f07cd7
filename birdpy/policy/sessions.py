"""Resources -> this node as a BGP speaker with all its sessions. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from birdpy.policy.cluster import BGP_PORT, Cluster, ClusterNode, cluster
from birdpy.policy.options import Options, options
from birdpy.policy.passwords import password_of
from birdpy.policy.peerings import Peering, forward, mesh, reverse, workloads
from birdpy.policy.session import Session, Speaker
from felixpy.model.addresses import Address, Asn, IPv4Address, IPv6Address, family, parse_address
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPConfiguration, BGPFilter, BGPPeer, Resource, Secret
from felixpy.model.snapshot import Snapshot

WILDCARD: Mapping[int, Address] = {4: IPv4Address(0), 6: IPv6Address("::")}
MANY_SESSIONS = 150  # ExaBGP keeps every route once per peer: beyond this a reflector is the answer


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """What the daemon's own settings add to the resources."""

    router_id: str = ""  # "": the node's IPv4 address; "hash": made from its name; else a literal IPv4 address
    namespace: str = "kube-system"  # where the Secrets with passwords are
    hold_time_s: int = 90
    graceful_restart_s: int = 120


@dataclass(frozen=True, slots=True)
class Desk:
    """What making one session needs: read once per speaker."""

    cluster: Cluster
    here: ClusterNode
    settings: SpeakerSettings
    secrets: Mapping[str, Resource[Secret]]
    filters: Mapping[str, Resource[BGPFilter]]
    unread: frozenset[str]  # BGPFilters that exist and could never be read


def speaker(snapshot: Snapshot, node: str, settings: SpeakerSettings | None = None) -> Speaker:
    """Everything about `node` as a BGP speaker. Never raises: what cannot be used is in `problems`."""
    settings = settings or SpeakerSettings()
    everyone = cluster(snapshot)
    here = everyone.nodes.get(node)
    problems = list(everyone.problems)
    if here is None:
        problems.append(InvalidResource(f"Node {node}", "", "there is no such Node resource; create it"))
        here = ClusterNode(node)
    known = snapshot.of(BGPFilter)
    unread = frozenset(name for kind, name in snapshot.problems if kind is BGPFilter and name not in known)
    desk = Desk(everyone, here, settings, snapshot.of(Secret), known, unread)
    sessions = _sessions(desk, snapshot, problems)
    if len(sessions) > MANY_SESSIONS:
        reason = (
            f"has {len(sessions)} sessions, more than {MANY_SESSIONS}: turn the mesh off and use route reflectors"
        )
        problems.append(InvalidResource(f"Node {node}", "", reason))
    ignored = everyone.configuration.ignored_interfaces
    return Speaker(
        node=node,
        router_id=_router_id(here, settings.router_id, problems),
        local_as=everyone.asn(here),
        listen_port=_listen_port(snapshot, node),
        listen_addresses=_listen_addresses(desk),
        sessions=tuple(sorted(sessions, key=lambda session: session.name)),
        cluster_id=here.cluster_id,
        addresses=tuple(here.addresses.values()),
        owners=everyone.owners,
        ignored_interfaces=ignored,
        problems=tuple({str(problem): problem for problem in problems}.values()),
    )


def _sessions(desk: Desk, snapshot: Snapshot, problems: list[InvalidResource]) -> list[Session]:
    """One session per peer address: what a resource says goes before what follows from another, and the mesh last."""
    peers = snapshot.of(BGPPeer)
    found = (
        *forward(desk.cluster, desk.here, peers, "Global"),
        *forward(desk.cluster, desk.here, peers, "Node"),
        *reverse(desk.cluster, desk.here, peers),
        *mesh(desk.cluster, desk.here),
        *workloads(desk.here, snapshot),
    )
    problems.extend(item for item in found if isinstance(item, InvalidResource))
    taken: dict[Address, Session] = {}
    for wish in _peerings(found):
        if wish.address in desk.here.addresses.values() or family(wish.address) not in desk.here.addresses:
            continue
        first = taken.get(wish.address)
        if first is None:
            session = _session(wish, desk, problems)
            if session is not None:
                taken[wish.address] = session
        elif wish.peer is not None and not wish.reverse and wish.peer.name != first.defined_by:
            reason = f"{wish.address} has the session {first.name} of BGPPeer {first.defined_by}; delete one"
            problems.append(InvalidResource(f"BGPPeer {wish.peer.name}", "spec", reason))
    return list(taken.values())


def _peerings(found: Iterable[Peering | InvalidResource]) -> list[Peering]:
    return [item for item in found if isinstance(item, Peering)]


def _session(wish: Peering, desk: Desk, problems: list[InvalidResource]) -> Session | None:
    """The session that `wish` becomes; None when its resource contradicts itself."""
    chosen = options(wish, desk.cluster, desk.settings.graceful_restart_s, desk.settings.hold_time_s)
    problems.extend(chosen.problems)
    if chosen.unusable:
        return None
    local_as, peer_as = _as_numbers(wish, chosen, desk)
    reflects = desk.here.cluster_id is not None and peer_as == local_as and not _same_cluster(wish, desk.here)
    families = chosen.families if wish.owner is None and peer_as != local_as else frozenset({family(wish.address)})
    password, held = _password(chosen, desk)
    return Session(
        name=name_of(wish),
        address=wish.address,
        port=wish.port or BGP_PORT,
        local_as=local_as,
        peer_as=peer_as,
        source_address=desk.here.addresses[family(wish.address)] if chosen.from_node_address else None,
        families=families,
        answers_at=_answers_at(wish, desk),
        passive=wish.kind == "Local_Workload" or _listens(wish, desk.here),
        ttl_security=chosen.ttl_security,
        multihop=chosen.ttl_security != 1,
        password=password,
        graceful_restart_s=chosen.graceful_restart_s,
        hold_time_s=chosen.hold_time_s,
        keepalive_s=chosen.keepalive_s,
        next_hop_mode=chosen.next_hop_mode(external=peer_as != local_as),
        allowed_local_as=chosen.allowed_local_as,
        route_reflector_client=reflects,
        cluster_id=desk.here.cluster_id if reflects else None,
        filters=_filters(wish, desk, problems),
        held_down=held or _unread(wish, desk),
        max_prefix=chosen.max_prefix,
        max_prefix_action=chosen.max_prefix_action,
        add_path_receive=chosen.add_path_receive,
        add_path_send=chosen.add_path_send,
        extended_next_hop=4 in families and family(wish.address) == 6,
        cluster_node=wish.owner.name if wish.owner else "",
        reachable_by=chosen.reachable_by,
        defined_by=wish.peer.name if wish.peer else "",
    )


def _as_numbers(wish: Peering, chosen: Options, desk: Desk) -> tuple[Asn, Asn]:
    """Ours and the peer's."""
    ours = chosen.local_as or desk.cluster.asn(desk.here)
    return ours, wish.asn or ours


def name_of(wish: Peering) -> str:
    """Calico's name for the session: `Mesh_10_0_0_2`, `Global_10_0_0_9_port_1790`."""
    name = f"{wish.kind}_{str(wish.address).replace('.', '_').replace(':', '_')}"
    return f"{name}_port_{wish.port}" if wish.port and wish.kind in ("Global", "Node") else name


def _listens(wish: Peering, here: ClusterNode) -> bool:
    """Towards a node of the cluster, one end dials: the one whose address is the greater as text.

    As Calico's BIRD has it: a numeric comparison would make both ends of 10.0.0.9 and 10.0.0.10 listen.
    """
    return wish.owner is not None and str(wish.address) > str(here.addresses[family(wish.address)])


def _answers_at(wish: Peering, desk: Desk) -> Address | None:
    """What a pod dials: localWorkloadPeeringIPV4 or IPV6, else the node's own address."""
    if wish.kind != "Local_Workload":
        return None
    kind, configured = family(wish.address), desk.cluster.configuration
    peering = configured.local_workload_peering_ipv4 if kind == 4 else configured.local_workload_peering_ipv6
    return peering or desk.here.addresses[kind]


def _same_cluster(wish: Peering, here: ClusterNode) -> bool:
    """A reflector of our own cluster is no client of ours (RFC 4456 §7)."""
    return wish.owner is not None and wish.owner.cluster_id == here.cluster_id


def _password(chosen: Options, desk: Desk) -> tuple[str | None, str | None]:
    if chosen.password is None:
        return None, None
    return password_of(desk.secrets, chosen.password, desk.settings.namespace)


def _unread(wish: Peering, desk: Desk) -> str | None:
    """A filter that exists and cannot be read may be there to refuse: without it the session stays down."""
    names = [name for name in wish.peer.spec.filters if name in desk.unread] if wish.peer else []
    return f"BGPFilter {names[0]} cannot be read; mend or delete it" if names else None


def _filters(wish: Peering, desk: Desk, problems: list[InvalidResource]) -> tuple[str, ...]:
    names = wish.peer.spec.filters if wish.peer else ()
    for name in names:
        if wish.peer and name not in desk.filters and name not in desk.unread:
            reason = f"there is no BGPFilter {name}: it is passed over, as in Calico"
            problems.append(InvalidResource(f"BGPPeer {wish.peer.name}", "spec.filters", reason))
    return tuple(name for name in names if name in desk.filters)


def _router_id(here: ClusterNode, wanted: str, problems: list[InvalidResource]) -> Address:
    if wanted and wanted != "hash":
        with suppress(ValueError):
            literal = parse_address(wanted)
            if isinstance(literal, IPv4Address) and int(literal):
                return literal
        reason = f"{wanted!r} is no usable IPv4 address; write one, or hash"
        problems.append(InvalidResource("setting router-id", "", reason))
    own = here.addresses.get(4)
    return own if own is not None and wanted != "hash" else hashed_router_id(here.name)


def hashed_router_id(node: str) -> IPv4Address:
    """Calico's `hash` router id: the first bytes of SHA-256 of the name, kept below the multicast range."""
    digest = bytearray(sha256(node.encode()).digest()[:4])
    if digest[0] > 223:
        digest[0] -= 32
    return IPv4Address(bytes(digest))


def _listen_port(snapshot: Snapshot, node: str) -> int:
    for name in (f"node.{node}", "default"):
        found = snapshot.of(BGPConfiguration).get(name)
        if found is not None and found.spec.listen_port:
            return found.spec.listen_port
    return BGP_PORT


def _listen_addresses(desk: Desk) -> tuple[Address, ...]:
    """Everywhere, or with bindMode NodeIP only on the node's own addresses."""
    if desk.cluster.configuration.bind_mode == "NodeIP":
        return tuple(desk.here.addresses.values())
    return tuple(WILDCARD[kind] for kind in desk.here.addresses)


__all__ = ["SpeakerSettings", "hashed_router_id", "name_of", "speaker"]
