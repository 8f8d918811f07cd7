"""Control groups of a node: made outside for its kubelet, mounted inside, removed when all in them has ended."""

import contextlib
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
V1 = "tmpfs"


def hierarchies() -> dict[str, str]:
    """Folder below /sys/fs/cgroup -> the mount options that give the same hierarchy; '' for a lone cgroup2."""
    if (ROOT / "cgroup.controllers").exists():
        return {"": ""}
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, _ = line.split(":", 2)
        if not names:
            continue
        folder = names.removeprefix("name=")
        if (ROOT / folder).is_dir():
            found[folder] = f"none,{names}" if names.startswith("name=") else names
    return found


def make(path: str) -> None:
    """The group `path` in every hierarchy. A new cpuset is empty: nothing could join it."""
    for folder in hierarchies():
        place = ROOT / folder / path.strip("/")
        place.mkdir(parents=True, exist_ok=True)
        if folder == "cpuset":
            for depth in reversed([place, *place.parents]):
                if depth.is_relative_to(ROOT / folder) and depth != ROOT / folder:
                    for name in ("cpuset.cpus", "cpuset.mems"):
                        (depth / name).write_text((depth.parent / name).read_text())


def mount_script() -> str:
    """Shell lines that mount the hierarchies in a node, whose own /sys hides the machine's."""
    if hierarchies() == {"": ""}:
        return f"mount -t cgroup2 none {ROOT}\n"
    lines = [f"mount -t tmpfs -o mode=755 none {ROOT}"]
    for folder, options in hierarchies().items():
        lines.append(f"mkdir {ROOT}/{folder}; mount -t cgroup -o {options} none {ROOT}/{folder}")
    return "\n".join(lines) + "\n"


def remove(path: str, patience: float = 10.0) -> None:
    """Remove the group `path` and all below it, in every hierarchy."""
    give_up = time.monotonic() + patience
    for folder in hierarchies():
        place = ROOT / folder / path.strip("/")
        while place.is_dir():
            for group in sorted((p for p in place.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                place.rmdir()
            assert time.monotonic() < give_up or not place.is_dir(), f"{place} cannot be removed: it is in use"
            if place.is_dir():
                time.sleep(0.05)
