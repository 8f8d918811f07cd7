"""The shapes of a benchmark's answer, and how they are printed."""

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.bench.curves import NEVER, Curve, drawn

PATIENCE_S = 60.0  # what has not happened by then is not waited for any longer: its sample is NEVER


@dataclass(frozen=True, slots=True)
class Series:
    """One thing measured several times. `base` marks the one that the following ones' ratio is taken against."""

    name: str
    unit: str
    samples: tuple[float, ...]
    base: bool = False
    remark: str = ""

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Goal:
    """What should hold of the medians; `value` is compared with `limit`."""

    name: str
    value: float
    limit: float
    at_least: bool = False  # else at most

    @property
    def met(self) -> bool:
        """Whether it does."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark. `void` says why its figures do not count; `notes` (configurations) are printed with it."""

    title: str
    series: Sequence[Series]
    goals: Sequence[Goal] = ()
    notes: dict[str, str] = field(default_factory=dict)
    void: str = ""
    curves: Sequence[Curve] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What a row is given: how much to do, and a folder that is thrown away afterwards."""

    quick: bool
    scratch: Path
    keep: Callable[[Row], None] = lambda _: None  # a row says what it has so far: that outlives its own end

    @property
    def rounds(self) -> int:
        """How often to measure."""
        return 2 if self.quick else 5


def ratio(first: Series, second: Series) -> float:
    """The median of the first by that of the second."""
    return first.median / second.median


def machine() -> dict[str, str]:
    """What the figures depend on."""
    cpu = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    facts = {
        "kernel": platform.release(),
        "cpu": f"{len(os.sched_getaffinity(0))} x {cpu[0] if cpu else platform.machine()}",
        "memory": Path("/proc/meminfo").read_text().splitlines()[0].split(":")[1].strip(),
        "python": platform.python_version(),
        "load before": load(),
    }
    for name, command in {
        "bird": ["bird", "--version"],
        "cc": ["cc", "--version"],
        "frr": ["/usr/lib/frr/zebra", "--version"],
    }.items():
        facts[name] = version(command)
    return {name: value for name, value in facts.items() if value}


def load() -> str:
    """How many processes wanted a processor: over the last 1, 5 and 15 minutes."""
    return " ".join(f"{average:.2f}" for average in os.getloadavg())


def version(command: list[str]) -> str:
    """The first line that a program says about itself; "" when it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).partition("\n")[0]


def said(value: float, unit: str) -> str:
    """A figure with its unit; what never came as what was waited for."""
    return f"> {PATIENCE_S:.0f} s" if value == NEVER else f"{value:.3g} {unit}".rstrip()


def markdown(rows: Mapping[str, Row], facts: Mapping[str, str], about: Mapping[str, str] | None = None) -> str:
    """The table for people. `about` says of each row what is measured and how to read it."""
    lines = ["| row | measured | median | least to most | n | ratio | remark |", "|---|---|---|---|---|---|---|"]
    for name, row in rows.items():
        lines += _lines(name, row)
    lines += ["", "| goal | reached | wanted | |", "|---|---|---|---|"]
    for row in rows.values():
        for goal in row.goals:
            sign, verdict = ("≥" if goal.at_least else "≤"), ("void" if row.void else "met" if goal.met else "MISSED")
            reached = said(goal.value, "")
            lines.append(f"| {row.title}: {goal.name} | {reached} | {sign} {goal.limit:g} | {verdict} |")
    grown = [(name, curve) for name, row in rows.items() for curve in row.curves]
    if grown:
        lines += ["", "| growth | of | from | to | exponent |", "|---|---|---|---|---|"]
    for name, curve in grown:
        ends = [f"{said(value, curve.unit)} at {size:,.0f} {curve.size}" for size, value in curve.points]
        lines.append(f"| {name} | {curve.name} | {ends[0]} | {ends[-1]} | {curve.exponent:.2f} |")
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items())]
    if about:
        lines += ["", "What each row measures, and how to read it:", ""]
        lines += [f"- `{name}`: {about[name]}" for name in rows if name in about]
    for row in rows.values():
        for title, text in row.notes.items():
            lines += ["", f"{row.title}, {title}:", "", "```", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _lines(name: str, row: Row) -> list[str]:
    base: Series | None = None  # the last one so marked, so a row may hold several groups
    title = f"`{name}` {row.title}" + (f" **void: {row.void}**" if row.void else "")
    if not row.series:
        return [f"| {title} | | | | | | |"]
    lines = []
    for series in row.series:
        base = series if series.base else base
        least, most = (said(end(series.samples), "") for end in (min, max))
        same = base is not None and base.unit == series.unit and NEVER not in (base.median, series.median)
        times = f"{ratio(series, base):.2f}" if base is not None and same and base.median else ""
        cells = [title, series.name, said(series.median, series.unit), f"{least} to {most}", str(len(series.samples))]
        lines.append("| " + " | ".join([*cells, times, series.remark]) + " |")
        title = ""
    return lines


def document(rows: Mapping[str, Row], facts: Mapping[str, str], about: Mapping[str, str]) -> dict[str, Any]:
    """The table for programs; what never came is null."""
    found: dict[str, Any] = {"machine": facts, "rows": {}}
    for name, row in rows.items():
        entry = {**asdict(row), "about": about.get(name, "")}
        entry["series"] = [{**asdict(series), "median": series.median} for series in row.series]
        entry["goals"] = [{**asdict(goal), "met": goal.met} for goal in row.goals]
        entry["curves"] = [{**asdict(curve), "exponent": curve.exponent} for curve in row.curves]
        found["rows"][name] = entry
    return cast("dict[str, Any]", _finite(found))


def _finite(value: Any) -> Any:
    """JSON knows neither infinity nor nan."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def save(
    folder: Path, rows: Mapping[str, Row], facts: Mapping[str, str], about: Mapping[str, str] | None = None
) -> None:
    """Write table.md, table.json, and a picture of each row that has curves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(markdown(rows, facts, about))
    (folder / "table.json").write_text(json.dumps(document(rows, facts, about or {}), indent=1) + "\n")
    for name, row in rows.items():
        if row.curves:
            (folder / f"{name}.svg").write_text(drawn(row.title, row.curves))
