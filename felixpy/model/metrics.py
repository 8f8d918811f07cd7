"""What a daemon counts and measures, by Prometheus' conventions: base units, `_total` for what only grows. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

# Upper bounds in seconds: from one kernel pass to a peer's restart.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: its name without the daemon's, and what each of its samples is labelled with."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    what: str
    labels: tuple[str, ...] = ()

    def exposed(self, daemon: str) -> str:
        """The name that Prometheus stores."""
        return f"{daemon}_{self.name}{'_total' if self.kind == 'counter' else ''}"


@dataclass(slots=True)
class Histogram:
    """How many observations, in seconds, fell below each of BOUNDS and above all of them; and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """One more; a clock that went backwards counts as zero."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += max(0.0, seconds)

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper bound with how many did not exceed it, as Prometheus has them."""
        bounds = [*map(str, BOUNDS), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(self.counts), strict=True)]


Labels = tuple[str, ...]
Measured = Mapping[Metric, Mapping[Labels, "float | Histogram"]]


def table(catalogue: Mapping[str, Iterable[Metric]]) -> str:
    """Every metric of each daemon as a table in Markdown."""
    rows = ["| Metric | Kind | Labels | What |", "|---|---|---|---|"]
    for daemon, metrics in catalogue.items():
        for metric in sorted(metrics, key=lambda it: it.name):
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            rows.append(f"| `{metric.exposed(daemon)}` | {metric.kind} | {labels} | {metric.what} |")
    return "\n".join(rows) + "\n"
