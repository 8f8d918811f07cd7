"""Chosen paths and sessions -> what each peer should hear. Pure.

Sessions that policy cannot tell apart are one group: what they hear is worked out once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from birdpy.policy.exports import Announced, ExportRules, Made, Withheld, judge
from birdpy.policy.session import Session
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.best_path import Choice
from birdpy.rib.path import Path
from felixpy.model.addresses import Prefix
from felixpy.model.routes import Origin

UNPROGRAMMED = "its blackhole is not in the kernel yet"

Advertisements = dict[AdvertisementKey, Advertisement]
Ranked = Callable[[Prefix, int], Sequence[Path]]


def nothing(_prefix: Prefix, _most: int) -> Sequence[Path]:
    """The `Ranked` of a router that tells nobody more than the best path."""
    return ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """What there is to tell: the best path of each prefix and, where sessions are told several, the best few."""

    best: Mapping[Prefix, Choice]
    ranked: Ranked = nothing


def advertisements(
    prefixes: Iterable[Prefix],
    chosen: Chosen,
    sessions: Collection[Session],
    rules: ExportRules,
    programmed: Collection[Prefix],
) -> Advertisements:
    """What `sessions` (those that are up) should hear about `prefixes`; what is absent has to be withdrawn.

    All prefixes give the whole; the prefixes that changed give what takes the place of their former entries.
    `programmed` holds the own blocks whose blackhole was read back from the kernel: the others wait. Of
    several paths to one prefix the ids are their ranks, from 1 (RFC 7911 leaves them to the sender): a restarted
    router gives the same ones.
    """
    grouped: list[tuple[tuple[Session, ...], Made]] = [(members, {}) for members in groups(sessions)]
    wanted: Advertisements = {}
    for prefix in prefixes:
        choice = chosen.best.get(prefix)
        if choice is None:
            continue
        for members, made in grouped:
            several = members[0].add_path_send
            paths = enumerate(chosen.ranked(prefix, several), 1) if several else [(0, choice.best)]
            for path_id, path in paths:
                if not waits(path, programmed):
                    wanted.update(_told((path, path_id), members, rules, made))
    return wanted


def _told(
    what: tuple[Path, int], members: tuple[Session, ...], rules: ExportRules, made: Made
) -> Iterator[tuple[AdvertisementKey, Advertisement]]:
    """What one group hears of a path under this id. Its sender, if it is one of them, hears nothing."""
    path, path_id = what
    others = [session for session in members if path.source != "bgp" or session.name != path.session]
    if not others:
        return
    verdict = judge(path, others[0], rules, made=made)
    if isinstance(verdict, Announced):
        origin = origin_of(path, verdict)
        for session in others:
            key = AdvertisementKey(session.address, path.prefix, path_id)
            yield key, Advertisement(key, verdict.next_hop, verdict.attributes, origin)


def waits(path: Path, programmed: Collection[Prefix]) -> bool:
    """Whether an own block must not be announced yet: a packet for a free address in it would loop."""
    prefix = path.prefix
    return path.source == "local" and prefix.prefixlen < prefix.max_prefixlen and prefix not in programmed


def verdict_of(
    path: Path, session: Session, rules: ExportRules, programmed: Collection[Prefix]
) -> Announced | Withheld:
    """Why one peer hears, or does not hear, of one path: for people."""
    return Withheld(UNPROGRAMMED) if waits(path, programmed) else judge(path, session, rules)


def groups(sessions: Iterable[Session]) -> list[tuple[Session, ...]]:
    """Sessions that export cannot tell apart, together."""
    found: dict[object, list[Session]] = {}
    for session in sessions:
        found.setdefault(_likeness(session), []).append(session)
    return [tuple(members) for members in found.values()]


def _likeness(session: Session) -> object:
    return (
        session.local_as,
        session.external,
        session.families,
        session.source_address,
        session.next_hop_mode,
        session.filters,
        session.route_reflector_client,
        session.cluster_id,
        session.add_path_send,
        session.extended_next_hop,
    )


def origin_of(path: Path, verdict: Announced) -> Origin:
    """The provenance of an announcement."""
    kind = "peer" if path.source == "bgp" else "block"
    return Origin(
        kind, path.session or str(path.prefix), path.peer, path.attributes.as_path, verdict.rule, path.since
    )
