"""Everything that a node's BGP configuration comes to, as `birdpy config` prints it: a contract for scripts. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from birdpy.desired.originate import normal_priority, own_blocks
from birdpy.desired.rules import export_rules, filters
from birdpy.desired.services import service_routes
from birdpy.policy.communities import text_of
from birdpy.policy.exports import ExportRules
from birdpy.policy.filters import Direction, rules_of
from birdpy.policy.session import Session, Speaker
from birdpy.policy.sessions import SpeakerSettings, speaker
from birdpy.rib.prefixes import by_number
from felixpy.model.addresses import Prefix, family
from felixpy.model.errors import InvalidResource
from felixpy.model.resources import BGPFilter
from felixpy.model.snapshot import Snapshot


class SessionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One session; every field is always there."""

    name: str
    address: str
    port: int
    family: int  # 4 | 6, of the transport
    local_as: int
    peer_as: int
    passive: bool
    source_address: str | None
    ttl_security: int | None
    multihop: bool
    password: bool  # whether there is one
    graceful_restart_seconds: int
    keepalive_seconds: int
    next_hop_mode: str
    allowed_local_as: int
    route_reflector_client: bool
    cluster_id: str | None
    import_filters: list[str]
    export_filters: list[str]
    held_down: str | None


class ConfigDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `birdpy config`."""

    node: str
    router_id: str
    local_as: int
    listen_port: int
    listen_addresses: list[str]
    sessions: list[SessionDocument]
    aggregates: list[str]
    service_routes: list[str]
    static_routes: list[dict[str, str]]
    communities: dict[str, list[str]]
    export_accept: list[str]
    export_reject: list[str]
    ignored_interfaces: list[str]
    normal_priority: dict[str, int]


def document(
    snapshot: Snapshot, node: str, settings: SpeakerSettings | None = None
) -> tuple[ConfigDocument, tuple[InvalidResource, ...]]:
    """What `node` should do, from the resources alone, and everything that could not be used."""
    here = speaker(snapshot, node, settings)
    blocks = own_blocks(snapshot, node)
    services = service_routes(snapshot, node)
    rules = export_rules(snapshot, here, blocks.announced, services)
    priority = normal_priority(snapshot)
    known = filters(snapshot)
    made = ConfigDocument(
        node=node,
        router_id=str(here.router_id),
        local_as=int(here.local_as),
        listen_port=here.listen_port,
        listen_addresses=[str(address) for address in here.listen_addresses],
        sessions=[_session(session, known) for session in here.sessions],
        aggregates=_texts(blocks.announced),
        service_routes=_texts(services),
        static_routes=_static(here),
        communities=_communities(rules),
        export_accept=_texts({*rules.pools, *_service_ranges(rules)}),
        export_reject=_texts(rules.silent_pools),
        ignored_interfaces=list(here.ignored_interfaces),
        normal_priority={"ipv4": priority[4], "ipv6": priority[6]},
    )
    return made, (*here.problems, *blocks.problems)


def _session(session: Session, known: Mapping[str, BGPFilter]) -> SessionDocument:
    return SessionDocument(
        name=session.name,
        address=str(session.address),
        port=session.port,
        family=family(session.address),
        local_as=int(session.local_as),
        peer_as=int(session.peer_as),
        passive=session.passive,
        source_address=None if session.source_address is None else str(session.source_address),
        ttl_security=session.ttl_security,
        multihop=session.multihop,
        password=session.password is not None,
        graceful_restart_seconds=session.graceful_restart_s,
        keepalive_seconds=session.keepalive_s,
        next_hop_mode=session.next_hop_mode,
        allowed_local_as=session.allowed_local_as,
        route_reflector_client=session.route_reflector_client,
        cluster_id=None if session.cluster_id is None else str(session.cluster_id),
        import_filters=_with_rules(session, known, "import"),
        export_filters=_with_rules(session, known, "export"),
        held_down=session.held_down,
    )


def _with_rules(session: Session, known: Mapping[str, BGPFilter], direction: Direction) -> list[str]:
    """The session's filters that have something to say in that direction and one of its families."""
    return [
        name for name in session.filters if any(rules_of(known[name], direction, kind) for kind in session.families)
    ]


def _communities(rules: ExportRules) -> dict[str, list[str]]:
    found = rules.communities.items
    return {str(prefix): [text_of(value) for value in found[prefix]] for prefix in sorted(found, key=by_number)}


def _static(here: Speaker) -> list[dict[str, str]]:
    return [
        {"prefix": f"{session.address}/{session.address.max_prefixlen}", "via": str(session.reachable_by)}
        for session in here.sessions
        if session.reachable_by is not None
    ]


def _service_ranges(rules: ExportRules) -> set[Prefix]:
    """What leaves as a service: this node's routes, and for a reflector the ranges that it passes on."""
    reflected = rules.reflected_services if rules.speaker.cluster_id is not None else ()
    return {*rules.services, *reflected}


def _texts(prefixes: Iterable[Prefix]) -> list[str]:
    return [str(prefix) for prefix in sorted(prefixes, key=by_number)]
