"""`python -m tests.bench [--quick] [--out FOLDER] [ROW...]`: measure, print, save. Exit 1 when a row broke.

Without rows: those of the full mode, within an hour; with `--quick`, a selection, within three minutes. Each row runs
in a process of its own, is saved as soon as it ends, and says on standard error when it begins and ends. Ctrl-C ends
the row that is running, removes what it built, and prints what there is.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.apart import become_reaper, measured
from tests.bench.rows import ROWS, about
from tests.bench.table import Row, load, machine, markdown, save

FULL_S, QUICK_S = 3600.0, 170.0  # what the whole may take when no row is named
LEAST_S = 5.0  # with less than this left a row is not begun


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; rows: " + ", ".join(ROWS))
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all when none is given, with --quick a selection")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller tables: a smoke test")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="where tables and pictures go")
    given = parser.parse_args()
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is named {', '.join(unknown)}; there are {', '.join(ROWS)}")
    modes = ("quick",) if given.quick else ("quick", "full")
    names = given.rows or [name for name, entry in ROWS.items() if entry.mode in modes]
    whole = (QUICK_S if given.quick else FULL_S) if not given.rows else float("inf")
    become_reaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    facts, rows = {**machine(), "mode": "quick" if given.quick else "full"}, dict[str, Row]()
    texts = {name: about(name) for name in names}
    try:
        for name in names:
            rows[name] = one(name, quick=given.quick, end=end_of(whole))
            save(given.out, rows, {**facts, "load after": load()}, texts)
    except KeyboardInterrupt:
        print(f"stopped; {len(rows)} of {len(names)} rows were measured", file=sys.stderr)
    print(markdown(rows, {**facts, "load after": load()}, texts))
    return 1 if len(rows) < len(names) or any(not row.series for row in rows.values()) else 0


BEGAN = time.monotonic()


def end_of(whole: float) -> float:
    """When the time for all rows is over, on the monotonic clock."""
    return BEGAN + whole


def one(name: str, *, quick: bool, end: float) -> Row:
    """One row, or why there is none."""
    began = time.monotonic()
    limit_s = min(ROWS[name].limit_s, end - began)
    if limit_s < LEAST_S:
        return Row(name, [], void="not begun: the time for all rows was over")
    print(f"measuring {name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        row = measured(name, Path(scratch), quick=quick, limit_s=limit_s)
    print(f"measured {name} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
