"""The names under which root sees a lab's namespaces: `ip netns list`. Edge.

A name is a bind mount of the namespace on a file in /run/netns (ip-netns(8)). Without root there are none.
"""

import contextlib
from pathlib import Path

from felixpy.daemon import paths
from felixpy.lab import namespaces as ns

NETNS = Path("/run/netns")
GIVEN = "named"  # in a node's folder: its name in /run/netns is ours
MADE = ".netns-folder"  # in the labs folder: /run/netns was not there before us


def taken(name: str) -> bool:
    """Whether a namespace of that name exists already."""
    return (NETNS / name).exists()


def prepare() -> None:
    """Make /run/netns as `ip netns add` would: a shared mount, so that every mount namespace sees removals."""
    if not NETNS.exists():
        NETNS.mkdir(mode=0o755, parents=True)
        (paths.labs_dir() / MADE).touch()
    if not ns.is_mount_point(NETNS):
        ns.mount(str(NETNS), str(NETNS), flags=ns.MS_BIND | ns.MS_REC)
        ns.mount("none", str(NETNS), flags=ns.MS_SHARED | ns.MS_REC)


def give(name: str, pid: int, folder: Path) -> None:
    """Name the network namespace of a node, and note it in the node's folder first. OSError when it is taken."""
    (folder / GIVEN).touch()
    path = NETNS / name
    path.touch(exist_ok=False, mode=0o444)
    ns.mount(f"/proc/{pid}/ns/net", str(path), flags=ns.MS_BIND)


def take_back(name: str) -> None:
    """Remove a name that we gave; nothing happens when it is gone."""
    path = NETNS / name
    with contextlib.suppress(OSError):
        ns.unmount(str(path))
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def clean() -> None:
    """After the last lab: remove /run/netns again when we made it and nothing is in it."""
    made = paths.labs_dir() / MADE
    if not made.exists() or any((folder / "nodes").is_dir() for folder in paths.labs_dir().iterdir()):
        return
    made.unlink()
    if NETNS.exists() and not any(NETNS.iterdir()):
        with contextlib.suppress(OSError):
            ns.unmount(str(NETNS))
        with contextlib.suppress(OSError):
            NETNS.rmdir()
