"""Where every box of the picture stands: racks as frames, their switches at the head, all others above. Pure.

The drawing is laid out for a window that is wider than high; up to a few dozen boxes are large and say two
lines, more are small and say their name. No two boxes overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from felixpy.ui.cast import Actor, Cast
from felixpy.ui.picture import Rack

WINDOW = 1.2  # width of the picture's window by its height
MANY = 36  # boxes that can be large
HUNG = 0.5  # what a further row of racks costs when cables from above have to pass the rows before it
WIDEST = 24  # boxes, or racks, side by side that are tried


@dataclass(frozen=True, slots=True)
class Size:
    """Of a box, the gaps between boxes, the gap under a rack's head, and the margin of its frame."""

    width: float
    height: float
    across: float
    down: float
    head: float
    margin: float
    letters: int  # that fit into a box
    in_row: int  # members of a rack that stand side by side before a second row begins
    arcs: float  # room under a single row for the arcs of its sessions


LARGE = Size(164, 52, 36, 36, 80, 26, 19, 4, 28)
SMALL = Size(62, 26, 16, 10, 32, 13, 7, 1, 0)
TITLE = 22  # a frame's name


@dataclass(frozen=True, slots=True)
class Unit:
    """One rack: its head row, its members in rows, the size of its frame."""

    name: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Places:
    """The middle of every box, and every frame."""

    size: Size
    spots: Mapping[str, tuple[float, float]]
    racks: tuple[Rack, ...]
    units: tuple[Unit, ...]


def places(cast: Cast) -> Places:
    """The whole layout."""
    size = LARGE if len(cast.actors) <= MANY else SMALL
    units, rows = _arranged(cast, size)
    inside = {name for unit in units for name in (*unit.heads, *(it for row in unit.rows for it in row))}
    above = [[it.id for it in tier if it.id not in inside] for tier in _tiers(cast.actors)]
    width = max([sum(it.width for it in row) + size.across * (len(row) - 1) for row in rows] or [0.0])
    broad = _broken([tier for tier in above if tier], width, size)
    width = max([width, *(_span(len(tier), size) for tier in broad)])
    spots: dict[str, tuple[float, float]] = {}
    top = 0.0
    for tier in broad:
        spots |= _row(tier, (width - _span(len(tier), size)) / 2, top, size)
        top += size.height + size.head
    racks = []
    for row in rows:
        left = (width - sum(it.width for it in row) - size.across * (len(row) - 1)) / 2
        for unit in row:
            spots |= _inside(unit, left, top, size)
            racks.append(
                Rack(
                    id=f"rack:{unit.name}",
                    name=_title(unit, cast),
                    x=left,
                    y=top,
                    width=unit.width,
                    height=unit.height,
                )
            )
            left += unit.width + size.across
        top += max(it.height for it in row) + size.down
    return Places(size, spots, tuple(racks), tuple(units))


def _title(unit: Unit, cast: Cast) -> str:
    """Nothing where it would only repeat the names of the switches at its head."""
    heads = {it.name for it in cast.actors if it.id in unit.heads}
    return "" if set(unit.name.split(", ")) == heads else unit.name


def _tiers(actors: Sequence[Actor]) -> list[list[Actor]]:
    return [[it for it in actors if it.tier == tier] for tier in sorted({it.tier for it in actors})]


def _arranged(cast: Cast, size: Size) -> tuple[list[Unit], list[list[Unit]]]:
    """The racks, as wide and in as many rows as fill the window best."""
    lowest = max((it.tier for it in cast.actors), default=0)
    members: dict[str, list[str]] = {}
    for actor in cast.actors:
        if actor.tier == lowest:
            members.setdefault(actor.rack, []).append(actor.id)
    heads = _heads(cast, lowest, {name: rack for rack, names in members.items() for name in names})
    below = {name for names in members.values() for name in names} | {it for names in heads.values() for it in names}
    hung = any(cable.lower in below and cable.upper not in below for cable in cast.cables)
    best: tuple[float, list[Unit], list[list[Unit]]] | None = None
    for columns in range(1, min(WIDEST, max(map(len, members.values()), default=0)) + 1):
        units = [_unit(rack, tuple(heads.get(rack, ())), names, (columns, size)) for rack, names in members.items()]
        for lines in range(1, min(len(units), WIDEST) + 1):
            across = ceil(len(units) / lines)
            rows = [units[at : at + across] for at in range(0, len(units), across)]
            needed = _needed(rows, size) * (1 + HUNG * (lines - 1) * hung)
            if best is None or needed < best[0]:
                best = needed, units, rows
    return best[1:] if best else ([], [])


def _heads(cast: Cast, lowest: int, racks: Mapping[str, str]) -> Mapping[str, list[str]]:
    """Who stands right above one rack only."""
    below: dict[str, set[str]] = {}
    for cable in cast.cables:
        if cable.lower in racks:
            below.setdefault(cable.upper, set()).add(racks[cable.lower])
    heads: dict[str, list[str]] = {}
    for actor in cast.actors:
        mine = below.get(actor.id, set())
        if actor.tier == lowest - 1 and len(mine) == 1:
            heads.setdefault(mine.pop(), []).append(actor.id)
    return heads


def _unit(name: str, heads: tuple[str, ...], members: Sequence[str], at_most: tuple[int, Size]) -> Unit:
    columns, size = at_most
    columns = len(members) if len(members) <= size.in_row else max(len(heads), min(columns, len(members)))
    rows = tuple(tuple(members[at : at + columns]) for at in range(0, len(members), columns))
    width = _span(max(columns, len(heads)), size) + 2 * size.margin
    height = TITLE + 2 * size.margin + len(rows) * (size.height + size.down) - size.down
    height += size.arcs if len(rows) == 1 and columns > 1 else 0
    return Unit(name, heads, rows, width, height + (size.height + size.head if heads else 0))


def _needed(rows: Sequence[Sequence[Unit]], size: Size) -> float:
    """The height of the smallest window that takes them."""
    width = max(sum(it.width + size.across for it in row) for row in rows)
    return max(width / WINDOW, sum(max(it.height for it in row) + size.down for row in rows))


def _broken(tiers: Iterable[Sequence[str]], width: float, size: Size) -> list[Sequence[str]]:
    """Tiers that are wider than everything else, in several rows."""
    at_most = max(8, int((width + size.across) / (size.width + size.across)))
    return [tier[at : at + at_most] for tier in tiers for at in range(0, len(tier), at_most)]


def _span(count: int, size: Size) -> float:
    return count * (size.width + size.across) - size.across if count else 0.0


def _row(names: Sequence[str], left: float, top: float, size: Size) -> dict[str, tuple[float, float]]:
    wide = size.width + size.across
    return {name: (left + at * wide + size.width / 2, top + size.height / 2) for at, name in enumerate(names)}


def _inside(unit: Unit, left: float, top: float, size: Size) -> dict[str, tuple[float, float]]:
    spots: dict[str, tuple[float, float]] = {}
    top += TITLE + size.margin
    if unit.heads:
        spots |= _row(unit.heads, left + (unit.width - _span(len(unit.heads), size)) / 2, top, size)
        top += size.height + size.head
    for row in unit.rows:
        spots |= _row(row, left + (unit.width - _span(max(map(len, unit.rows)), size)) / 2, top, size)
        top += size.height + size.down
    return spots
