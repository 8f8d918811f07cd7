"""Choosing among paths to one prefix: RFC 4271 §9.1, RFC 4456 §9. Pure.

Rounds of elimination, not a sort key: MED compares only paths from one neighbouring AS, so there is no single order
to sort by (§9.1.2.2 c).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from birdpy.rib.next_hops import Resolution, Resolved
from birdpy.rib.path import Path

ONLY = "only path"


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A path and what is known of its next hop; None for our own, which has none."""

    path: Path
    way: Resolved | None = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The best path, the round that decided, and every path that shares the load with it (the best among them)."""

    best: Path
    because: str
    multipath: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What differs between routers of the field."""

    relaxed_as_path: bool = True  # BIRD's merge paths: equal length is equal enough; else the same AS numbers
    prefer_oldest: bool = False  # BIRD's and FRR's oldest-external-path round before the router id
    max_paths: int = 16  # BIRD's limit


Keep = Callable[[Sequence[Candidate]], Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Round:
    """One step of elimination."""

    because: str
    source: str
    keep: Keep


def lowest(measure: Callable[[Candidate], int | float | bool]) -> Keep:
    """Keep those with the least `measure`."""

    def keep(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        least = min(measure(candidate) for candidate in candidates)
        return [candidate for candidate in candidates if measure(candidate) == least]

    return keep


def hops_in(path: Path) -> int:
    """AS_PATH length; an AS_SET counts as one however many it holds (RFC 4271 §9.1.2.2 a)."""
    return len(path.attributes.as_path) + len(path.attributes.as_sets)


def lowest_med_per_neighbour(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Keep, for each neighbouring AS, the paths with its least MED; absent counts as 0."""
    least: dict[object, int] = {}
    for candidate in candidates:
        med, neighbour = candidate.path.attributes.med or 0, candidate.path.attributes.as_path[:1]
        least[neighbour] = min(med, least.get(neighbour, med))
    return [c for c in candidates if (c.path.attributes.med or 0) == least[c.path.attributes.as_path[:1]]]


def identifier(path: Path) -> int:
    """The BGP identifier that counts: ORIGINATOR_ID where there is one (RFC 4456 §9)."""
    originator = path.attributes.originator_id
    return int(originator) if originator is not None else path.peer_id


def oldest(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The longest known, among external paths only: keeps what works from flapping."""
    if not all(candidate.path.external for candidate in candidates):
        return candidates
    return lowest(lambda c: c.path.since)(candidates)


EQUAL_COST: tuple[Round, ...] = (
    Round("next hop in order", "RFC 4271 §9.1.2.1", lowest(lambda c: c.way is not None and bool(c.way.failing))),
    Round("highest local preference", "RFC 4271 §9.1.1", lowest(lambda c: -c.path.preference)),
    Round("locally originated", "RFC 4271 §9.1.1", lowest(lambda c: c.path.source == "bgp")),
    Round("shortest AS path", "RFC 4271 §9.1.2.2 a", lowest(lambda c: hops_in(c.path))),
    Round("lowest origin", "RFC 4271 §9.1.2.2 b", lowest(lambda c: c.path.attributes.origin)),
    Round("lowest MED", "RFC 4271 §9.1.2.2 c", lowest_med_per_neighbour),
    Round("external over internal", "RFC 4271 §9.1.2.2 d", lowest(lambda c: not c.path.external)),
    Round("nearest next hop", "RFC 4271 §9.1.2.2 e", lowest(lambda c: c.way.distance if c.way else 0)),
)
OLDEST = Round("oldest external path", "draft-ietf-idr-avoid-transition", oldest)
TIE_BREAK: tuple[Round, ...] = (
    Round("lowest BGP identifier", "RFC 4271 §9.1.2.2 f, RFC 4456 §9", lowest(lambda c: identifier(c.path))),
    Round("shortest cluster list", "RFC 4456 §9", lowest(lambda c: len(c.path.attributes.cluster_list))),
    Round(
        "lowest peer address",
        "RFC 4271 §9.1.2.2 g",
        lowest(lambda c: int(c.path.peer) if c.path.peer is not None else 0),
    ),
    Round("lowest session name and path id", "RFC 7911 leaves it open", lambda candidates: [
        min(candidates, key=lambda c: c.path.key)
    ]),
)  # fmt: skip


def best_path(candidates: Sequence[Candidate], wanted: Preferences | None = None) -> Choice | None:
    """The best of `candidates`, the round that decided, and who shares the load; None when there is none."""
    if not candidates:
        return None
    if len(candidates) == 1:
        return Choice(candidates[0].path, ONLY, (candidates[0].path,))
    wanted = wanted or Preferences()
    left, because = _eliminated(candidates, EQUAL_COST, ONLY)
    equals = left
    breaking = (OLDEST, *TIE_BREAK) if wanted.prefer_oldest else TIE_BREAK
    left, because = _eliminated(left, breaking, because)
    best = left[0].path
    return Choice(best, because, _sharing(best, equals, wanted))


def _eliminated(left: Sequence[Candidate], rounds: Sequence[Round], because: str) -> tuple[Sequence[Candidate], str]:
    for step in rounds:
        if len(left) == 1:
            break
        kept = step.keep(left)
        if len(kept) < len(left):
            left, because = kept, step.because
    return left, because


def _sharing(best: Path, equals: Sequence[Candidate], wanted: Preferences) -> tuple[Path, ...]:
    """The paths that were equal up to the tie-break, the best first; a local path shares with none."""
    if best.source != "bgp":
        return (best,)
    others = [
        c.path
        for c in equals
        if c.path is not best and (wanted.relaxed_as_path or c.path.attributes.as_path == best.attributes.as_path)
    ]
    others.sort(key=lambda path: (identifier(path), path.key))
    return (best, *others)[: wanted.max_paths]


def reachable(paths: Sequence[Path], way: Callable[[Path], Resolution | None]) -> list[Candidate]:
    """The paths that may be chosen: those whose next hop leads somewhere (RFC 4271 §9.1.2.1), and our own."""
    found: list[Candidate] = []
    for path in paths:
        answer = way(path) if path.next_hop is not None else None
        if answer is None or isinstance(answer, Resolved):
            found.append(Candidate(path, answer))
    return found


__all__ = ["Candidate", "Choice", "Preferences", "best_path", "reachable"]
