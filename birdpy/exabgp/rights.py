"""Edge: which user ExaBGP can become here, and how a file is made that it may read.

Changing the user takes capabilities that a container may not have been given, and users that a namespace may not
know. Where anything is missing ExaBGP keeps our uid, and loses its capabilities all the same (see exabgp/launch).
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETGID, SETUID = 6, 7  # include/uapi/linux/capability.h


def usable_uid(wanted: int, proc: Path = Path("/proc/self")) -> int:
    """`wanted`, or our own effective uid when this process may not become `wanted` here."""
    ours = os.geteuid()
    if ours != 0 or wanted == 0:
        return ours
    status = (proc / "status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    able = all(effective >> capability & 1 for capability in (SETGID, SETUID))
    known = all(_maps((proc / name).read_text(), wanted) for name in ("uid_map", "gid_map"))
    groups = (proc / "setgroups").read_text().strip() != "deny"  # user_namespaces(7)
    return wanted if able and known and groups else ours


@contextmanager
def made_for(gid: int) -> Iterator[None]:
    """What this thread makes meanwhile belongs to group `gid`; to hand it over afterwards would take CAP_CHOWN.

    setfsgid(2) concerns one thread and file systems only, and takes CAP_SETGID for a group that is not ours.
    """
    libc = ctypes.CDLL(None)
    before = libc.setfsgid(gid)
    try:
        yield
    finally:
        libc.setfsgid(before)


def _maps(text: str, number: int) -> bool:
    """Whether a uid_map or gid_map knows `number`."""
    rows = (map(int, line.split()) for line in text.splitlines())
    return any(first <= number < first + count for first, _, count in rows)
