"""BGPFilter: what the rules of a direction say about one path (projectcalico.org/v3). Pure.

Conditions of a rule are ANDed, the first rule that matches decides; its operations change the path only when it
accepts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from msgspec.structs import replace

from birdpy.policy.communities import BLACKHOLE, carries, parse_community, with_community
from birdpy.policy.session import Session
from birdpy.rib.path import HIGHEST_LOCAL_PREF, Attributes, Path
from felixpy.model.addresses import Asn, contains, family
from felixpy.model.resources import BGPFilter, BGPFilterRule

Direction = Literal["import", "export"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a filter said: the action, the path as its operations left it, and which rule it was."""

    accepted: bool
    path: Path
    rule: str  # `filter tor, import rule 2`; "" when no rule matched
    exact: bool = False  # the rule names the prefix itself: matchOperator Equal
    discards: bool = False  # it accepts and names the community BLACKHOLE


def rules_of(chosen: BGPFilter, direction: Direction, kind: int) -> tuple[BGPFilterRule, ...]:
    """The rules for a direction and a family (4 or 6)."""
    if direction == "import":
        return chosen.import_v4 if kind == 4 else chosen.import_v6
    return chosen.export_v4 if kind == 4 else chosen.export_v6


def evaluate(
    filters: Mapping[str, BGPFilter], direction: Direction, path: Path, session: Session, interface: str = ""
) -> Decision | None:
    """The word of the session's filters about `path`; None when no rule matches.

    `interface` is the device that the route leaves by, "" when not known. A filter that does not exist is passed
    over, as in Calico; policy/sessions has named it.
    """
    for name in session.filters:
        chosen = filters.get(name)
        rules = rules_of(chosen, direction, family(path.prefix)) if chosen else ()
        for number, rule in enumerate(rules, 1):
            if matches(rule, path, session, interface):
                accepted = rule.action == "Accept"
                changed = operated(rule, path) if accepted else path
                where = f"filter {name}, {direction} rule {number}"
                exact, discards = rule.match_operator == "Equal", accepted and _discards(rule)
                return Decision(accepted, changed, where, exact, discards)
    return None


def _discards(rule: BGPFilterRule) -> bool:
    """Whether a rule is about traffic to be dropped (RFC 7999 §3.3): on purpose, never because all is accepted."""
    named = rule.communities.values if rule.communities is not None else ()
    return any(parse_community(value) == BLACKHOLE for value in named)


def matches(rule: BGPFilterRule, path: Path, session: Session, interface: str) -> bool:
    """Whether every condition of `rule` holds; a rule without conditions matches everything."""
    return all(condition(rule, path, session, interface) for condition in CONDITIONS)


Condition = Callable[[BGPFilterRule, Path, Session, str], bool]


def _prefix(rule: BGPFilterRule, path: Path, _session: Session, _interface: str) -> bool:
    if rule.cidr is None:
        return True
    wanted = rule.match_operator
    same = rule.cidr == path.prefix if wanted in ("Equal", "NotEqual") else contains(rule.cidr, path.prefix)
    length = path.prefix.prefixlen
    if rule.prefix_length is not None:
        low, high = rule.prefix_length.min, rule.prefix_length.max
        same = same and (low is None or length >= low) and (high is None or length <= high)
    return same if wanted in ("Equal", "In") else not same


def _source(rule: BGPFilterRule, path: Path, _session: Session, _interface: str) -> bool:
    return rule.source != "RemotePeers" or path.source == "bgp"


def _interface(rule: BGPFilterRule, _path: Path, _session: Session, interface: str) -> bool:
    return not rule.interface or fnmatchcase(interface, rule.interface)


def _peer_type(rule: BGPFilterRule, _path: Path, session: Session, _interface: str) -> bool:
    return not rule.peer_type or rule.peer_type == ("eBGP" if session.external else "iBGP")


def _communities(rule: BGPFilterRule, path: Path, _session: Session, _interface: str) -> bool:
    if rule.communities is None:
        return True
    return all(carries(path.attributes, parse_community(value)) for value in rule.communities.values)


def _as_path(rule: BGPFilterRule, path: Path, _session: Session, _interface: str) -> bool:
    wanted = rule.as_path_prefix
    return path.attributes.as_path[: len(wanted)] == wanted


def _priority(rule: BGPFilterRule, path: Path, _session: Session, _interface: str) -> bool:
    return rule.priority is None or rule.priority == HIGHEST_LOCAL_PREF - path.preference


CONDITIONS: Sequence[Condition] = (_prefix, _source, _interface, _peer_type, _communities, _as_path, _priority)


def operated(rule: BGPFilterRule, path: Path) -> Path:
    """`path` after the operations of an accepting rule, in their order."""
    attributes = path.attributes
    for operation in rule.operations:
        if operation.add_community is not None:
            attributes = with_community(attributes, parse_community(operation.add_community.value))
        if operation.prepend_as_path is not None:
            attributes = prepended(attributes, operation.prepend_as_path.prefix)
        if operation.set_priority is not None:
            attributes = replace(attributes, local_pref=HIGHEST_LOCAL_PREF - operation.set_priority.value)
    return path if attributes is path.attributes else replace(path, attributes=attributes)


def prepended(attributes: Attributes, before: tuple[Asn, ...]) -> Attributes:
    """`attributes` with `before` put in front of the AS path, its first number nearest to the receiver."""
    return replace(attributes, as_path=(*before, *attributes.as_path))


__all__ = ["Decision", "evaluate", "matches", "operated", "rules_of"]
