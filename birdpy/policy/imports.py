"""What we take from a peer: RFC 7606 and loops first, then filters, then the guard of what kills a node. Pure.

Import accepts by default, as Calico does; each refusal has one of the names below, which do not change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from birdpy.policy.communities import GRACEFUL_SHUTDOWN
from birdpy.policy.filters import Decision, evaluate
from birdpy.policy.guard import REASONS as GUARD_REASONS
from birdpy.policy.guard import Guard, Here, Own
from birdpy.policy.session import Session, Speaker
from birdpy.rib.path import Attributes, Path
from birdpy.rib.verdict import Accepted, Rejected, Verdict
from felixpy.model.addresses import Address, family
from felixpy.model.resources import BGPFilter

MALFORMED = "malformed attributes"  # RFC 7606: treat as withdrawn
WRONG_FAMILY = "family not agreed"
OWN_AS = "own AS in the path"
WRONG_FIRST_AS = "first AS is not the peer's"
OWN_ORIGINATOR = "ORIGINATOR_ID is this router"
OWN_CLUSTER = "own cluster in CLUSTER_LIST"
NO_NEXT_HOP = "no next hop"
OWN_NEXT_HOP = "next hop is this node"
BAD_NEXT_HOP = "next hop is no unicast address"
LINK_LOCAL_NEXT_HOP = "next hop is link-local"
FAR_NEXT_HOP = "next hop outside the session's subnet"
FILTERED = "refused by a filter"
REASONS = (
    MALFORMED, WRONG_FAMILY, OWN_AS, WRONG_FIRST_AS, OWN_ORIGINATOR, OWN_CLUSTER, NO_NEXT_HOP, OWN_NEXT_HOP,
    BAD_NEXT_HOP, LINK_LOCAL_NEXT_HOP, FAR_NEXT_HOP, FILTERED, *GUARD_REASONS,
)  # fmt: skip
EMPTY_PATH = "no as path"  # a fault over eBGP, the rule over iBGP
EXCUSED = (NO_NEXT_HOP,)  # said of the whole UPDATE; each path shows its own next hop
BY_DEFAULT = "accepted by default"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What import needs to know besides the session and the path."""

    speaker: Speaker
    guard: Guard
    filters: Mapping[str, BGPFilter] = field(default_factory=dict)


def surroundings(speaker: Speaker, filters: Mapping[str, BGPFilter], here: Here, own: Own) -> Surroundings:
    """Everything that import policy of this node stands on; made anew when one of the four changes."""
    return Surroundings(speaker, Guard(speaker, here, own), filters)


def judge(path: Path, session: Session, around: Surroundings, interface: str = "") -> Verdict:
    """Whether `path`, just received over `session`, may be chosen, and the rule or the reason."""
    return judgement(session, around, interface)(path)


def judgement(session: Session, around: Surroundings, interface: str = "") -> Callable[[Path], Verdict]:
    """`judge` for many paths of one session: what many prefixes share is looked at once.

    `interface` is what a rule's glob is compared with; a path just received has none yet.
    """
    last: Path | None = None  # whose attributes and next hop `reason` and `detail` are about
    reason = detail = ""

    def decide(path: Path) -> Verdict:
        nonlocal last, reason, detail
        if family(path.prefix) not in session.families:
            return Rejected(path, WRONG_FAMILY)
        if last is None or path.attributes is not last.attributes or path.next_hop is not last.next_hop:
            reason, detail = _shared_fault(path, session, around)
            last = path
        return Rejected(path, reason, detail) if reason else _filtered(path, session, around, interface)

    return decide


def _shared_fault(path: Path, session: Session, around: Surroundings) -> tuple[str, str]:
    """What is wrong with everything in this UPDATE, and the case; ("", "") when nothing is."""
    attributes = path.attributes
    for fault in (_fault_of_attributes, _fault_of_next_hop):
        reason, detail = fault(attributes, path.next_hop, session, around)
        if reason:
            return reason, detail
    return "", ""


def _fault_of_attributes(
    attributes: Attributes, _next_hop: Address | None, session: Session, around: Surroundings
) -> tuple[str, str]:
    faults = [
        fault for fault in attributes.faults if fault not in EXCUSED and (session.external or fault != EMPTY_PATH)
    ]
    if faults:
        return MALFORMED, "; ".join(faults)
    as_path = attributes.as_path
    own = as_path.count(session.local_as) + sum(session.local_as in members for members in attributes.as_sets)
    if own > session.allowed_local_as:
        return OWN_AS, f"AS {session.local_as} {own} times, {session.allowed_local_as} allowed"
    if session.external and as_path[:1] != (session.peer_as,):
        return WRONG_FIRST_AS, f"{as_path[0] if as_path else 'none'}, not {session.peer_as}"
    if not session.external and attributes.originator_id == around.speaker.router_id:
        return OWN_ORIGINATOR, str(attributes.originator_id)
    cluster_id = around.speaker.cluster_id
    if not session.external and cluster_id is not None and cluster_id in attributes.cluster_list:
        return OWN_CLUSTER, str(cluster_id)
    return "", ""


def _fault_of_next_hop(
    _attributes: Attributes, next_hop: Address | None, session: Session, around: Surroundings
) -> tuple[str, str]:
    if next_hop is None:
        return NO_NEXT_HOP, ""
    if around.guard.is_own(next_hop):
        return OWN_NEXT_HOP, str(next_hop)
    if next_hop.is_unspecified or next_hop.is_multicast or next_hop.is_loopback or int(next_hop) == 0xFFFFFFFF:
        return BAD_NEXT_HOP, str(next_hop)
    if next_hop.is_link_local:
        return LINK_LOCAL_NEXT_HOP, str(next_hop)
    if session.external and not session.multihop and next_hop != session.address:
        subnet = around.guard.subnet_of(session.address)
        if subnet is not None and next_hop not in subnet:
            return FAR_NEXT_HOP, f"{next_hop} is not in {subnet}"
    return "", ""


def _filtered(path: Path, session: Session, around: Surroundings, interface: str) -> Verdict:
    said = evaluate(around.filters, "import", path, session, interface) if session.filters else None
    if said is not None and not said.accepted:
        return Rejected(path, FILTERED, said.rule)
    named = said is not None and said.exact  # an Equal rule says: this prefix, on purpose
    reason, detail = ("", "") if named else around.guard.fault(path, session)
    if reason:
        return Rejected(path, reason, detail)
    return Accepted(_noted(said, path, session), said.rule if said else BY_DEFAULT, path)


def _noted(said: Decision | None, path: Path, session: Session) -> Path:
    """The path as it goes into the table: external LOCAL_PREF ignored, 65535:0 least wanted (RFC 8326)."""
    after = said.path if said else path
    attributes = after.attributes
    received = path.attributes.local_pref
    if session.external and received is not None and attributes.local_pref == received:
        attributes = replace(attributes, local_pref=None)  # RFC 4271 §5.1.5: not from outside the AS
    if GRACEFUL_SHUTDOWN in attributes.communities:
        attributes = replace(attributes, local_pref=0)
    if said is not None and said.discards:
        return replace(after, attributes=attributes, discard=True)
    return after if attributes is after.attributes else replace(after, attributes=attributes)


__all__ = ["Surroundings", "judge", "judgement", "surroundings"]
