"""Edge: whether what is written to a folder stays in memory. ExaBGP's configuration holds the sessions' passwords."""

from pathlib import Path

IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def in_memory(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether `folder` (which exists) lies on a file system without a disk; proc_pid_mountinfo(5)."""
    found = {"/": ""}
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        found[before.split()[4].replace("\\040", " ")] = after.split()[0]
    real = folder.resolve()
    return next(found[str(each)] for each in (real, *real.parents) if str(each) in found) in IN_MEMORY
