"""Whether a daemon is alive and whether it is of use, and if not, why not. Pure.

Alive is for who may restart it, ready for who waits for it. What others do is neither: a peer that is down, a
datastore that is away and an object that cannot be used are conditions, beside them.
"""

import math
from collections.abc import Mapping


def why_not_live(last_pass: float | None, now: float, resync_s: float) -> tuple[str, ...]:
    """Empty while the loop turns within three resync periods (at least three minutes); before its first pass it is
    young. Times in seconds on one clock.
    """
    limit_s = max(3 * resync_s, 180.0)
    if last_pass is None or now - last_pass <= limit_s or not math.isfinite(resync_s):
        return ()
    return (f"the last pass ended {now - last_pass:.0f} s ago; one is due every {resync_s:.0f} s",)


def why_not_ready(*, in_sync: bool, refused: Mapping[str, int], troubles: Mapping[str, str]) -> tuple[str, ...]:
    """Empty when the datastore was listed in full, nothing is `refused` (rows by table) and nothing of ours fails."""
    listed = () if in_sync else ("the datastore was not listed in full yet",)
    rows = (f"{count} of {table} refused" for table, count in refused.items() if count)
    return (*listed, *rows, *(f"{what}: {why}" for what, why in troubles.items() if why))
