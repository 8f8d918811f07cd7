"""What a peer is told: refused unless a rule lets it out (Calico: bird templates, RFC 4271 §9.2, RFC 4456). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from birdpy.policy.communities import (
    GRACEFUL_SHUTDOWN,
    NO_ADVERTISE,
    NO_EXPORT,
    NO_EXPORT_SUBCONFED,
    Community,
    with_community,
)
from birdpy.policy.filters import evaluate, prepended
from birdpy.policy.session import Session, Speaker
from birdpy.rib.path import NORMAL_LOCAL_PREF, Attributes, LargeCommunity, Path
from birdpy.rib.prefixes import PrefixMap, cover_of
from felixpy.model.addresses import Address, IPv4Address, family
from felixpy.model.resources import BGPFilter

OWN_PEER = "came from this peer"
OTHER_FAMILY = "family not agreed"
ASKED_NOT_TO = "a community forbids it"
INTERNAL_ONLY = "learned over iBGP, and neither side is a client"
FILTERED = "refused by a filter"
NOT_EXPORTED = "inside a pool with disableBGPExport"
COVERED = "inside an own block, which is announced instead"
NO_RULE = "outside every pool and service range"
NO_ADDRESS = "no address of that family to be the next hop"
REASONS = (
    OWN_PEER, OTHER_FAMILY, ASKED_NOT_TO, INTERNAL_ONLY, FILTERED, NOT_EXPORTED, COVERED, NO_RULE, NO_ADDRESS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Announced:
    """How a path leaves, and the rule that lets it."""

    next_hop: Address
    attributes: Attributes
    rule: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a path does not leave: one of REASONS, and the case."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ExportRules:
    """What export needs to know besides the path and the session."""

    speaker: Speaker
    blocks: PrefixMap[str] = field(default_factory=PrefixMap)  # own confirmed blocks: announced as aggregates
    pools: PrefixMap[str] = field(default_factory=PrefixMap)  # prefix -> IPPool
    silent_pools: PrefixMap[str] = field(default_factory=PrefixMap)  # disableBGPExport
    services: PrefixMap[str] = field(default_factory=PrefixMap)  # this node's service routes
    reflected_services: PrefixMap[str] = field(default_factory=PrefixMap)  # ranges that a reflector passes on
    communities: PrefixMap[tuple[Community | LargeCommunity, ...]] = field(default_factory=PrefixMap)
    normal_local_pref: Mapping[int, int] = field(default_factory=lambda: {4: NORMAL_LOCAL_PREF, 6: NORMAL_LOCAL_PREF})
    filters: Mapping[str, BGPFilter] = field(default_factory=dict)
    draining: bool = False  # announce everything as a last resort (RFC 8326)


Made = dict[object, tuple[Path, Announced | Withheld]]


def judge(
    path: Path, session: Session, rules: ExportRules, interface: str = "", made: Made | None = None
) -> Announced | Withheld:
    """Whether and how the peer of `session` hears of `path`, the chosen one of its prefix.

    `made` belongs to one session (or to several that export cannot tell apart) and one set of rules: with it,
    prefixes that share attributes and rule are worked out once and share what leaves.
    """
    forbidden = _forbidden(path, session, rules)
    if forbidden is not None:
        return forbidden
    said = evaluate(rules.filters, "export", path, session, interface) if session.filters else None
    if said is not None:
        if not said.accepted:
            return Withheld(FILTERED, said.rule)
        return _leaving(said.path, session, rules, said.rule)
    rule = _built_in(path, rules)
    if isinstance(rule, Withheld):
        return rule
    values = [value for _, found in rules.communities.covering(path.prefix) for value in found]
    key = (id(path.attributes), path.next_hop, path.session, path.peer_id, family(path.prefix), rule, *values)
    known = made.get(key) if made is not None else None
    if known is not None:
        return known[1]
    attributes = path.attributes
    for value in values:
        attributes = with_community(attributes, value)
    verdict = _leaving(replace(path, attributes=attributes), session, rules, rule)
    if made is not None:
        made[key] = path, verdict  # the path keeps its attributes alive, so that their id stays theirs
    return verdict


def _forbidden(path: Path, session: Session, rules: ExportRules) -> Withheld | None:
    """What BGP itself does not allow, whatever a filter says."""
    communities = path.attributes.communities
    if path.source == "bgp" and path.session == session.name:
        return Withheld(OWN_PEER)
    if family(path.prefix) not in session.families:
        return Withheld(OTHER_FAMILY)
    if NO_ADVERTISE in communities:
        return Withheld(ASKED_NOT_TO, "no-advertise")
    if session.external and (NO_EXPORT in communities or NO_EXPORT_SUBCONFED in communities):
        return Withheld(ASKED_NOT_TO, "no-export")
    if _is_internal(path) and not session.external and not _reflects(path, session, rules):
        return Withheld(INTERNAL_ONLY)
    return None


def _is_internal(path: Path) -> bool:
    return path.source == "bgp" and not path.external


def _reflects(path: Path, session: Session, rules: ExportRules) -> bool:
    """From a client to everybody, from everybody else to clients (RFC 4456 §6)."""
    if rules.speaker.cluster_id is None:
        return False
    sender = rules.speaker.session(path.session)
    return session.route_reflector_client or (sender is not None and sender.route_reflector_client)


def _built_in(path: Path, rules: ExportRules) -> str | Withheld:
    """Calico's own order: silent pools, own blocks as aggregates, services, pools; else nothing leaves."""
    prefix, cover = path.prefix, cover_of(path.prefix)
    silent = rules.silent_pools.above(cover)
    if silent is not None:
        return Withheld(NOT_EXPORTED, silent[1])
    block = rules.blocks.above(cover)
    if block is not None:
        if block[0] == prefix:
            return f"own block {prefix}"
        if path.preference > rules.normal_local_pref[family(prefix)]:  # elevated: a pod that is moving here
            return f"elevated inside own block {block[0]}"
        return Withheld(COVERED, str(block[0]))
    service = rules.services.above(cover)
    if service is not None:
        return f"service {service[0]}"
    if rules.speaker.cluster_id is not None:
        service = rules.reflected_services.above(cover)
        if service is not None:
            return f"reflected service range {service[0]}"
    pool = rules.pools.above(cover)
    return f"pool {pool[1]}" if pool is not None else Withheld(NO_RULE)


def _leaving(path: Path, session: Session, rules: ExportRules, rule: str) -> Announced | Withheld:
    next_hop = _next_hop(path, session, rules.speaker)
    if next_hop is None:
        return Withheld(NO_ADDRESS)
    attributes = _outward(path, session) if session.external else _inward(path, session, rules)
    if rules.draining:
        attributes = with_community(attributes, GRACEFUL_SHUTDOWN)
        attributes = attributes if session.external else replace(attributes, local_pref=0)
    return Announced(next_hop, attributes, rule)


def _next_hop(path: Path, session: Session, speaker: Speaker) -> Address | None:
    """Our own address for what is ours and towards eBGP; unchanged within the AS and with Keep; Self on request."""
    changed = session.next_hop_mode == "Self" or (session.external and session.next_hop_mode != "Keep")
    kept = path.next_hop
    if kept is not None and not changed and (session.extended_next_hop or family(kept) == family(path.prefix)):
        return kept
    source = session.source_address
    if source is not None and (session.extended_next_hop or family(source) == family(path.prefix)):
        return source
    return speaker.address(family(path.prefix))


def _outward(path: Path, session: Session) -> Attributes:
    """Towards eBGP: our AS in front, and nothing that belongs inside the AS (RFC 4271 §5.1, RFC 4456 §8)."""
    attributes = replace(
        path.attributes,
        local_pref=None,
        originator_id=None,
        cluster_list=(),
        med=None if path.source == "bgp" else path.attributes.med,
        faults=(),
    )
    return prepended(attributes, (session.local_as,))


def _inward(path: Path, session: Session, rules: ExportRules) -> Attributes:
    """Towards iBGP: LOCAL_PREF always, and the marks of reflection on what another internal peer told us."""
    attributes = replace(path.attributes, local_pref=path.preference, faults=())
    if not _is_internal(path):
        return replace(attributes, originator_id=None, cluster_list=())
    cluster_id = session.cluster_id or rules.speaker.cluster_id
    assert cluster_id is not None  # only a reflector passes internal paths on
    return replace(
        attributes,
        originator_id=attributes.originator_id or IPv4Address(path.peer_id),
        cluster_list=(cluster_id, *attributes.cluster_list),
    )


__all__ = ["Announced", "ExportRules", "Withheld", "judge"]
