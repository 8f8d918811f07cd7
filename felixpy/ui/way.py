"""A trace as it is drawn: which boxes and lines it takes, and where it ends. Pure."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from felixpy.insight.trace import Direction
from felixpy.model.status import Record
from felixpy.ui.picture import Line, Picture


class Way(Record, frozen=True):
    """One direction of a trace on the picture."""

    trace: Direction
    spots: tuple[str, ...]  # in order; those between two that route are switches
    lines: tuple[str, ...]  # in order
    failed_at: str = ""  # the box where it ends too early


class TraceStory(Record, frozen=True):
    """Both directions."""

    there: Way
    back: Way
    missing: Mapping[str, str]


def way(direction: Direction, drawn: Picture) -> Way:
    """Where on the picture a direction goes."""
    known = {spot.id for spot in drawn.spots}
    hops: list[str] = []
    for station in direction.stations:
        if station.node in known and hops[-1:] != [station.node]:
            hops.append(station.node)
    end = direction.destination.node
    if direction.arrives and end in known and hops[-1:] != [end]:
        hops.append(end)
    spots, lines = hops[:1], list[str]()
    for here, there in pairwise(hops):
        names, taken = _between(drawn, here, there)
        spots += names
        lines += taken
    failure = direction.failure
    return Way(
        trace=direction, spots=tuple(spots), lines=tuple(lines),
        failed_at=(failure.node or direction.source.node) if failure else "",
    )  # fmt: skip


def _between(drawn: Picture, here: str, there: str) -> tuple[list[str], list[str]]:
    """The fewest cables from one box to the next that routes (what lies between only switches); a session's line
    where no cable leads there.
    """
    ways = _cables(drawn.lines)
    behind: dict[str, tuple[str, str]] = {here: ("", "")}
    queue = [here]
    for name in queue:
        for other, line in ways.get(name, ()):
            if other not in behind:
                behind[other] = (name, line)
                queue.append(other)
    if there not in behind:
        direct = [line.id for line in drawn.lines if {line.source, line.target} == {here, there}]
        return [there], direct[:1]
    spots, lines = list[str](), list[str]()
    at = there
    while at != here:
        before, line = behind[at]
        spots.append(at)
        lines.append(line)
        at = before
    return spots[::-1], lines[::-1]


def _cables(lines: Sequence[Line]) -> Mapping[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        if line.cable:
            found.setdefault(line.source, []).append((line.target, line.id))
            found.setdefault(line.target, []).append((line.source, line.id))
    return found
