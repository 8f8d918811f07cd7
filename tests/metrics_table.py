"""The table of metrics in felixpy/METRICS.md, from the code: `python -m tests.metrics_table > felixpy/METRICS.md`."""

import sys
from pathlib import Path

from birdpy import metered as router
from felixpy import metered as agent
from felixpy.daemon import metrics as both
from felixpy.model.metrics import BOUNDS, table

PATH = Path(__file__).parents[1] / "felixpy" / "METRICS.md"
HEAD = """\
# Metrics

`--metrics-port PORT` of either daemon serves `/metrics` (Prometheus' text format) and the probes `/live` and
`/ready`, on 127.0.0.1 unless `--metrics-address` says otherwise. Written by `make metrics` from the code.
The buckets of histograms end at these seconds:
"""


def document() -> str:
    """The whole file."""
    catalogue = {"birdpy": (*both.METRICS, *router.METRICS), "felixpy": (*both.METRICS, *agent.METRICS)}
    return f"{HEAD}{', '.join(map(str, BOUNDS))}.\n\n{table(catalogue)}"


if __name__ == "__main__":
    sys.stdout.write(document())
