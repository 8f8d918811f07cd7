"""How a figure grows: measured at several sizes, fitted, and drawn on two logarithmic scales as SVG."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NEVER = math.inf  # what did not happen in the time that is waited for
WIDTH, HEIGHT, LEFT, TOP, PLOT_W, PLOT_H = 860, 460, 80, 40, 480, 360
COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#7c3aed", "#be123c", "#0e7490", "#a16207", "#475569")


@dataclass(frozen=True, slots=True)
class Curve:
    """One thing measured at several sizes; it is drawn, and its growth is size to the power of `exponent`."""

    name: str
    unit: str
    size: str  # what grows: `routes`, `pods`
    points: tuple[tuple[float, float], ...]  # (size, value)

    @property
    def exponent(self) -> float:
        """The slope of the straight line through the logarithms, by least squares; nan of fewer than two sizes."""
        logs = [(math.log(size), math.log(value)) for size, value in self.points if value > 0 and value != NEVER]
        if len({size for size, _ in logs}) < 2:
            return math.nan
        return statistics.linear_regression(*zip(*logs, strict=True)).slope


def decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which all of these lie, at least one apart."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def drawn(title: str, curves: Sequence[Curve]) -> str:
    """An SVG document: each curve in a colour, its exponent in the legend, a hair line for each power of ten."""
    kept = [[(size, value) for size, value in curve.points if 0 < value < NEVER] for curve in curves]
    points = [point for each in kept for point in each] or [(1.0, 1.0)]
    left, right = decades([size for size, _ in points])
    low, high = decades([value for _, value in points])

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - left) / (right - left) * PLOT_W

    def y(value: float) -> float:
        return TOP + PLOT_H - (math.log10(value) - low) / (high - low) * PLOT_H

    parts = [_text(LEFT, 22, title, "font-weight='bold'")]
    for power in range(left, right + 1):
        parts.append(_line([(x(10.0**power), TOP), (x(10.0**power), TOP + PLOT_H)], "#ddd", 1))
        parts.append(_text(x(10.0**power), TOP + PLOT_H + 18, f"{10.0**power:,.0f}", "text-anchor='middle'"))
    for power in range(low, high + 1):
        parts.append(_line([(LEFT, y(10.0**power)), (LEFT + PLOT_W, y(10.0**power))], "#ddd", 1))
        parts.append(_text(LEFT - 8, y(10.0**power) + 4, f"{10.0**power:g}", "text-anchor='end'"))
    for at, (curve, own) in enumerate(zip(curves, kept, strict=True)):
        colour = COLOURS[at % len(COLOURS)]
        places = [(x(size), y(value)) for size, value in own]
        parts += [_line([*pair], colour, 2) for pair in pairwise(places)]
        parts += [f"<circle cx='{across:.1f}' cy='{down:.1f}' r='3' fill='{colour}'/>" for across, down in places]
        legend = f"{curve.name}, {curve.unit}: {curve.size} ^ {curve.exponent:.2f}"
        parts.append(_text(LEFT + PLOT_W + 16, TOP + 14 + 20 * at, legend, f"fill='{colour}'"))
    parts.append(_text(LEFT + PLOT_W / 2, HEIGHT - 12, ", ".join(sorted({c.size for c in curves})), ""))
    size = f"width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif' font-size='12'>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>"]) + "\n"


def _text(across: float, down: float, words: str, more: str) -> str:
    safe = words.replace("&", "&amp;").replace("<", "&lt;")
    return f"<text x='{across:.1f}' y='{down:.1f}' {more}>{safe}</text>"


def _line(places: Sequence[tuple[float, float]], colour: str, width: int) -> str:
    (x1, y1), (x2, y2) = places
    ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}' stroke-width='{width}'/>"
