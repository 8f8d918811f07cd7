"""Edge: which user ExaBGP can become here, and how a file is made that it may read.

Changing the user takes capabilities that a container may not have been given, and users that a namespace may not
know. Where anything is missing ExaBGP keeps our uid, and loses its capabilities all the same (see exabgp/launch).
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# include/uapi/linux/capability.h. Without CAP_KILL we could become another user's parent, and never end it.
NEEDED = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}


def usable_uid(wanted: int, proc: Path = Path("/proc/self")) -> int:
    """`wanted`, or our own effective uid when this process may not become `wanted` here."""
    ours = os.geteuid()
    return ours if ours != 0 or wanted == 0 or obstacle(wanted, proc) else wanted


def obstacle(wanted: int, proc: Path = Path("/proc/self")) -> str:
    """Why root cannot become `wanted` here; empty when it can."""
    status = (proc / "status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    missing = [name for name, number in NEEDED.items() if not effective >> number & 1]
    if missing:
        return f"{', '.join(missing)} is missing"
    if not all(_maps((proc / name).read_text(), wanted) for name in ("uid_map", "gid_map")):
        return f"the user namespace does not know uid and gid {wanted}"
    if (proc / "setgroups").read_text().strip() == "deny":  # user_namespaces(7)
        return "the user namespace denies setgroups"
    return ""


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
