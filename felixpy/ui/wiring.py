"""How cables run inside a rack of several rows: down the gaps between the columns, never behind a box. Pure.

The cables of one switch share a trunk: from under the switch along a line of its own, down beside the column, then
aside into the box. So a rack of forty nodes is a tree that can be read, and one broken branch is seen in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from felixpy.ui.places import Places, Unit

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Run:
    """The corners from the switch to the member, and on which side of the member the cable ends: -1 left, 1 right."""

    corners: tuple[Point, ...]
    side: int


def runs(where: Places) -> Mapping[tuple[str, str], Run]:
    """By switch and member, for every rack of more than one row."""
    found: dict[tuple[str, str], Run] = {}
    for unit in where.units:
        if len(unit.rows) > 1:
            found |= _of(unit, where)
    return found


def _of(unit: Unit, where: Places) -> Mapping[tuple[str, str], Run]:
    size, found = where.size, dict[tuple[str, str], Run]()
    between = size.head / (len(unit.heads) + 1)
    apart = size.across / (len(unit.heads) // 2 + 2)
    for place, head in enumerate(unit.heads):
        x, y = where.spots[head]
        rail = y + size.height / 2 + between * (place + 1)
        side = 1 if place % 2 else -1
        for member in (it for row in unit.rows for it in row):
            at_x, at_y = where.spots[member]
            gap = at_x + side * (size.width / 2 + apart * (place // 2 + 1))
            found[head, member] = Run(((x, rail), (gap, rail), (gap, at_y)), side)
    return found
