"""The shapes of a benchmark's answer, and how they are printed."""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Bench:
    """What a row is given: how much to do, and a folder that is thrown away afterwards."""

    quick: bool
    scratch: Path

    @property
    def rounds(self) -> int:
        """How often to measure."""
        return 2 if self.quick else 5


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


def markdown(rows: dict[str, Row], facts: dict[str, str]) -> str:
    """The table for people."""
    lines = ["| row | measured | median | least to most | n | ratio | remark |", "|---|---|---|---|---|---|---|"]
    for row in rows.values():
        base: Series | None = None  # the last one so marked, so a row may hold several groups
        title = f"{row.title} **void: {row.void}**" if row.void else row.title
        if not row.series:
            lines.append(f"| {title} | | | | | | |")
        for series in row.series:
            base = series if series.base else base
            times = f"{ratio(series, base):.2f}" if base is not None and base.unit == series.unit else ""
            median, count = f"{series.median:.3g} {series.unit}", str(len(series.samples))
            cells = [
                title,
                series.name,
                median,
                f"{min(series.samples):.3g} to {max(series.samples):.3g}",
                count,
                times,
            ]
            lines.append("| " + " | ".join([*cells, series.remark]) + " |")
            title = ""
    lines += ["", "| goal | reached | wanted | |", "|---|---|---|---|"]
    for row in rows.values():
        for goal in row.goals:
            sign, verdict = ("≥" if goal.at_least else "≤"), ("void" if row.void else "met" if goal.met else "MISSED")
            lines.append(f"| {row.title}: {goal.name} | {goal.value:.3g} | {sign} {goal.limit:g} | {verdict} |")
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items())]
    for row in rows.values():
        for name, text in row.notes.items():
            lines += ["", f"{row.title}, {name}:", "", "```", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def document(rows: dict[str, Row], facts: dict[str, str]) -> dict[str, Any]:
    """The table for programs."""
    found: dict[str, Any] = {"machine": facts, "rows": {}}
    for name, row in rows.items():
        entry = asdict(row)
        entry["series"] = [{**asdict(series), "median": series.median} for series in row.series]
        entry["goals"] = [{**asdict(goal), "met": goal.met} for goal in row.goals]
        found["rows"][name] = entry
    return found


def save(folder: Path, rows: dict[str, Row], facts: dict[str, str]) -> None:
    """Write table.md and table.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(markdown(rows, facts))
    (folder / "table.json").write_text(json.dumps(document(rows, facts), indent=1) + "\n")
