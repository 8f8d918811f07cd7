"""The table at the end, and whether the run failed. Pure."""

import os
from collections.abc import Sequence

from tests.chaos.run import Outcome


def line(outcome: Outcome) -> str:
    """One fault, as it is told while the run goes on."""
    told = f"{outcome.what}: {outcome.lost_ms:.0f} ms lost, converged in {outcome.converged_s:.1f} s"
    return "\n    ".join(
        [told, *(f"TROUBLE {text}" for text in outcome.troubles), *(f"late: {t}" for t in outcome.late)]
    )


def table(outcomes: Sequence[Outcome], seed: str, looks: int) -> str:
    """Fault, times injected, worst loss, worst convergence; and the machine's load, which they depend on."""
    rows = [("FAULT", "TIMES", "WORST LOSS MS", "WORST CONVERGENCE MS", "TROUBLES", "OVER A LIMIT", "LOAD")]
    for name in dict.fromkeys(sorted(one.fault for one in outcomes)):
        some = [one for one in outcomes if one.fault == name]
        rows.append((
            name, str(len(some)), f"{max(one.lost_ms for one in some):.0f}",
            f"{max(one.converged_s for one in some) * 1000:.0f}", str(sum(len(one.troubles) for one in some)),
            str(sum(bool(one.late) for one in some)), f"{max(one.load for one in some):.1f}",
        ))  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    told = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    bad = [f"  {one.what}: {text}" for one in outcomes for text in (*one.troubles, *one.late)]
    told.append(f"seed {seed}, {len(outcomes)} faults, {looks} looks at all kernels, {os.cpu_count()} processors")
    return "\n".join(told + (["", *bad] if bad else []))
