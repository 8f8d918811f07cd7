"""A topology drawn with box characters, for a terminal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from felixpy.lab import layout
from felixpy.lab.layout import Edge
from felixpy.lab.topology import Topology

GAP = 3  # columns between two boxes
BOX = {  # which of up, down, left, right meet -> the character
    "du": "│", "lr": "─", "dr": "┌", "dl": "┐", "ru": "└", "lu": "┘", "dru": "├", "dlu": "┤", "dlr": "┬",
    "lru": "┴", "dlru": "┼",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a box stands on the canvas."""

    left: int
    top: int
    width: int
    height: int


def draw(topology: Topology, more: Mapping[str, Sequence[str]] | None = None) -> str:
    """The picture; `more` adds lines to a node's box (its pods, its addresses)."""
    near, far = layout.edges(topology)
    texts = {name: [name, layout.runs(topology, name), *(more or {}).get(name, ())] for name in topology.nodes}
    places = _places(layout.layers(topology), texts, near)
    canvas = _Canvas()
    for name, place in places.items():
        canvas.box(place, texts[name])
    for layer in layout.layers(topology):
        _connect(canvas, [edge for edge in near if edge.upper.node in layer], places, layer)
    lines = canvas.lines()
    if far:
        lines += ["", *(f"and {edge.upper} to {edge.lower}" for edge in far)]
    return "\n".join(lines) + "\n"


def _places(layers: list[list[str]], texts: Mapping[str, list[str]], near: list[Edge]) -> dict[str, Place]:
    """Every layer centred under the widest one, with room for the lines between two layers."""
    ends = {name: sum(name in (edge.upper.node, edge.lower.node) for edge in near) for name in texts}
    widths = {name: max(max(map(len, lines)) + 4, 2 * ends[name] + 3) for name, lines in texts.items()}
    spans = [sum(widths[name] + GAP for name in layer) - GAP for layer in layers]
    places, top = {}, 0
    for layer, span in zip(layers, spans, strict=True):
        left = (max(spans) - span) // 2
        height = max(len(texts[name]) for name in layer) + 2
        for name in layer:
            places[name] = Place(left, top, widths[name], height)
            left += widths[name] + GAP
        tracks = len({edge.upper.node for edge in near if edge.upper.node in layer})
        top += height + (2 + tracks if tracks else 1)
    return places


def _connect(canvas: "_Canvas", edges: list[Edge], places: Mapping[str, Place], layer: list[str]) -> None:
    """From each upper node one line down to its own track, and from the track down to every lower node."""
    senders = [name for name in layer if any(edge.upper.node == name for edge in edges)]
    for track, name in enumerate(senders):
        place = places[name]
        start, row = place.left + place.width // 2, place.top + place.height + 1 + track
        own = [edge for edge in edges if edge.upper.node == name]
        goals = [_port(edge, edges, places) for edge in own]
        canvas.line_down(start, place.top + place.height - 1, row)
        canvas.line_across(row, min([start, *goals]), max([start, *goals]))
        for goal, edge in zip(goals, own, strict=True):
            canvas.line_down(goal, row, places[edge.lower.node].top)


def _port(edge: Edge, edges: list[Edge], places: Mapping[str, Place]) -> int:
    """The column at which a link meets the top of its lower node: they share the width."""
    place = places[edge.lower.node]
    mine = [other for other in edges if other.lower.node == edge.lower.node]
    return place.left + (mine.index(edge) + 1) * place.width // (len(mine) + 1)


class _Canvas:
    """Characters by place; lines that meet are joined, and those that only cross are crossed."""

    def __init__(self) -> None:
        self.letters: dict[tuple[int, int], str] = {}
        self.arms: dict[tuple[int, int], set[str]] = {}

    def box(self, place: Place, lines: Sequence[str]) -> None:
        right, bottom = place.left + place.width - 1, place.top + place.height - 1
        for row in (place.top, bottom):
            self.line_across(row, place.left, right)
        for column in (place.left, right):
            self.line_down(column, place.top, bottom)
        for row, line in enumerate(lines, place.top + 1):
            for column, character in enumerate(line, place.left + 2):
                self.letters[row, column] = character

    def line_down(self, column: int, top: int, bottom: int) -> None:
        for row in range(top, bottom + 1):
            self._join(row, column, ("u" if row > top else "") + ("d" if row < bottom else ""))

    def line_across(self, row: int, left: int, right: int) -> None:
        for column in range(left, right + 1):
            self._join(row, column, ("l" if column > left else "") + ("r" if column < right else ""))

    def _join(self, row: int, column: int, arms: str) -> None:
        self.arms.setdefault((row, column), set()).update(arms)

    def lines(self) -> list[str]:
        cells = {place: BOX.get("".join(sorted(arms)), "│") for place, arms in self.arms.items()} | self.letters
        rows = []
        for row in range(max(row for row, _ in cells) + 1):
            width = max((column for at, column in cells if at == row), default=-1) + 1
            rows.append("".join(cells.get((row, column), " ") for column in range(width)))
        return rows
