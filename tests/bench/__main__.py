"""`python -m tests.bench [--quick] [--out FOLDER] [ROW...]`: measure, print, save. Exit 1 when a row broke."""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.bench.rows import ROWS, measured_by
from tests.bench.table import Bench, Row, load, machine, markdown, save


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure; rows: " + ", ".join(ROWS))
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all when none is given")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller tables: a smoke test")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="where table.md and table.json go")
    given = parser.parse_args()
    unknown = [name for name in given.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is named {', '.join(unknown)}; there are {', '.join(ROWS)}")
    facts, rows, broken = machine(), dict[str, Row](), 0
    for name in given.rows or ROWS:
        began = time.monotonic()
        print(f"measuring {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
            try:
                rows[name] = measured_by(name)(Bench(given.quick, Path(scratch)))
            except Exception as error:
                traceback.print_exc()
                rows[name] = Row(name, [], void=f"{type(error).__name__}: {error}")
                broken += 1
        print(f"measured {name} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        save(given.out, rows, {**facts, "load after": load()})
    print(markdown(rows, {**facts, "load after": load()}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
