"""A lab without root: one user namespace for the whole lab, in which the user is root. Edge.

Only making a lab needs it. Its nodes keep the namespace alive, the way in joins it (enter.py), and destroying is
killing one's own processes and removing one's own files. There are no names in /run/netns: that folder is root's.
"""

import os
from pathlib import Path

from felixpy.daemon import paths
from felixpy.lab import namespaces as ns
from felixpy.model.errors import Trouble

NEW = ns.CLONE_NEWUSER | ns.CLONE_NEWNS | ns.CLONE_NEWNET  # links are made from a network namespace that we own


def become_root_of_our_own() -> None:
    """Enter a new user namespace as its root; nothing happens for real root. Trouble when the kernel forbids it.

    Must be called before the process has threads.
    """
    if os.geteuid() == 0:
        return
    labs, uid, gid = paths.labs_dir(), os.geteuid(), os.getegid()
    try:
        labs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(
            f"{labs}: {error.strerror}; without root a lab is kept in $XDG_RUNTIME_DIR or $FELIXPY_LABS_DIR"
        ) from error
    os.environ["FELIXPY_LABS_DIR"] = str(labs)  # where it is depends on who we are, and that changes now
    try:
        ns.unshare(NEW)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    except OSError as error:
        raise Trouble(
            f"this kernel lets only root make a lab ({error.strerror}); "
            "sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0 may allow it"
        ) from error


def is_root_of_its_own() -> bool:
    """Whether this process is root only in a user namespace: user_namespaces(7), uid_map."""
    return Path("/proc/self/uid_map").read_text().split()[1:] != ["0", "4294967295"]


def join_options(pid: int) -> list[str]:
    """What `nsenter` needs besides to reach a process in another user namespace."""
    try:
        other = Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
    except OSError:  # gone, or another user's: nsenter will say so
        other = False
    return ["--user", "--preserve-credentials"] if other else []
