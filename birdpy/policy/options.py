"""The per-session options that a BGPPeer, or the mesh's part of BGPConfiguration, gives. Pure."""

from dataclasses import dataclass

from birdpy.policy.cluster import Cluster
from birdpy.policy.peerings import Peering
from felixpy.model.addresses import Address, Asn, Family, family
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPPeer, Resource, SecretKeyRef

MAX_PREFIX = "felixpy.io/max-prefix"
MAX_PREFIX_ACTION = "felixpy.io/max-prefix-action"
FAMILIES = "felixpy.io/families"
ADD_PATH = "felixpy.io/add-path"
ADD_PATHS = "felixpy.io/add-paths"
EVERY_PATH = 255  # told of one prefix when no number is given: all that there are
DEFAULT_MAX_PREFIX = 10000
LONGEST_RESTART_S = 4095  # RFC 4724 §3: twelve bits
FAMILY_NAMES: dict[str, Family] = {"ipv4": 4, "ipv6": 6}


@dataclass(frozen=True, slots=True)
class Options:
    """What a session takes from its resource, defaults filled in."""

    families: frozenset[Family]
    graceful_restart_s: int
    hold_time_s: int
    keepalive_s: int
    local_as: Asn | None = None
    allowed_local_as: int = 0
    from_node_address: bool = True
    ttl_security: int | None = None
    password: SecretKeyRef | None = None
    mode: str = ""  # nextHopMode as written
    keep_original: bool = False
    reachable_by: Address | None = None
    max_prefix: int = DEFAULT_MAX_PREFIX
    max_prefix_action: str = "restart"
    add_path_receive: bool = False
    add_path_send: int = 0
    problems: tuple[InvalidResource, ...] = ()
    unusable: bool = False

    def next_hop_mode(self, *, external: bool) -> str:
        """Auto, Self or Keep; keepOriginalNextHop does nothing within the AS, as in Calico."""
        return self.mode or ("Keep" if self.keep_original and external else "Auto")


def options(wish: Peering, cluster: Cluster, restart_s: int, hold_s: int) -> Options:
    """The options of one peering; with `unusable` set its resource contradicts itself and gives no session."""
    families = frozenset({family(wish.address)})
    if wish.peer is None:
        configured = cluster.configuration
        mesh = configured.node_mesh_password
        return Options(
            families,
            _seconds(configured.node_mesh_max_restart_time, restart_s),
            hold_s,
            max(1, hold_s // 3),
            password=mesh.secret_key_ref if mesh else None,
        )
    return _of_peer(wish, wish.peer, families, restart_s, hold_s)


def _of_peer(
    wish: Peering, peer: Resource[BGPPeer], families: frozenset[Family], restart_s: int, hold_s: int
) -> Options:
    spec, problems = peer.spec, list[InvalidResource]()
    keepalive = _seconds(spec.keepalive_time, 0)
    gateway = None if wish.reverse else spec.reachable_by
    unusable = gateway is not None and (not wish.by_address or family(gateway) != family(wish.address))
    if unusable:
        reason = f"{gateway} must be a gateway of the family of peerIP, and peerIP must be set"
        problems.append(InvalidResource(f"BGPPeer {peer.name}", "spec.reachableBy", reason))
    return Options(
        families=families | _asked_families(peer, problems),
        graceful_restart_s=min(_seconds(spec.max_restart_time, restart_s), LONGEST_RESTART_S),
        hold_time_s=3 * keepalive if keepalive else hold_s,
        keepalive_s=keepalive or max(1, hold_s // 3),
        local_as=spec.local_as_number if wish.by_address else None,
        allowed_local_as=spec.num_allowed_local_as_numbers if wish.by_address else 0,
        from_node_address=spec.source_address != "None" and not spec.local_workload_selector,
        ttl_security=spec.ttl_security or None,
        password=spec.password.secret_key_ref if spec.password else None,
        mode=spec.next_hop_mode,
        keep_original=spec.keep_original_next_hop,
        reachable_by=gateway,
        max_prefix=_max_prefix(peer, problems),
        max_prefix_action=_max_prefix_action(peer, problems),
        add_path_receive=_add_path(peer, problems) in ("receive", "both"),
        add_path_send=_paths(peer, problems) if _add_path(peer, []) in ("send", "both") else 0,
        problems=tuple(problems),
        unusable=unusable,
    )


def _seconds(duration: float | None, default: int) -> int:
    """Whole seconds, as Calico rounds them; at least one."""
    return default if duration is None else max(1, round(duration))


def _bad_annotation(peer: Resource[BGPPeer], name: str, reason: str) -> InvalidResource:
    return InvalidResource(f"BGPPeer {peer.name}", f"metadata.annotations[{name}]", reason)


def _add_path(peer: Resource[BGPPeer], problems: list[InvalidResource]) -> str:
    """RFC 7911, of which Calico's resources say nothing: `felixpy.io/add-path: receive|send|both`."""
    text = peer.meta.annotations.get(ADD_PATH, "off")
    if text in ("off", "receive", "send", "both"):
        return text
    problems.append(_bad_annotation(peer, ADD_PATH, f"{text!r} is none of receive, send, both, off; off holds"))
    return "off"


def _paths(peer: Resource[BGPPeer], problems: list[InvalidResource]) -> int:
    """How many paths of a prefix are told at most: `felixpy.io/add-paths: "2"`, the best ones; else all."""
    text = peer.meta.annotations.get(ADD_PATHS, str(EVERY_PATH))
    if text.isascii() and text.isdecimal() and 0 < int(text) <= EVERY_PATH:
        return int(text)
    problems.append(_bad_annotation(peer, ADD_PATHS, f"{text!r} is no number of 1..{EVERY_PATH}; all are told"))
    return EVERY_PATH


def _max_prefix(peer: Resource[BGPPeer], problems: list[InvalidResource]) -> int:
    text = peer.meta.annotations.get(MAX_PREFIX)
    if text is None:
        return DEFAULT_MAX_PREFIX
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return int(text)
    reason = f"{text!r} is no number above 0; {DEFAULT_MAX_PREFIX} holds"
    problems.append(_bad_annotation(peer, MAX_PREFIX, reason))
    return DEFAULT_MAX_PREFIX


def _max_prefix_action(peer: Resource[BGPPeer], problems: list[InvalidResource]) -> str:
    text = peer.meta.annotations.get(MAX_PREFIX_ACTION, "restart")
    if text in ("restart", "warn"):
        return text
    problems.append(_bad_annotation(peer, MAX_PREFIX_ACTION, f"{text!r} is neither restart nor warn; restart holds"))
    return "restart"


def _asked_families(peer: Resource[BGPPeer], problems: list[InvalidResource]) -> frozenset[Family]:
    """The families that `felixpy.io/families: ipv4,ipv6` asks for besides the transport's own."""
    names = [name.strip() for name in peer.meta.annotations.get(FAMILIES, "").split(",") if name.strip()]
    for name in names:
        if name not in FAMILY_NAMES:
            reason = f"{name!r} is neither ipv4 nor ipv6; it is passed over"
            problems.append(_bad_annotation(peer, FAMILIES, reason))
    return frozenset(FAMILY_NAMES[name] for name in names if name in FAMILY_NAMES)
