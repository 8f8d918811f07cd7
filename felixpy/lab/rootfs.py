"""A node's own file system: the host's programs, but private /run, /etc, /var and /tmp. Edge; standard library only.

The root is a tmpfs. /etc, /var and /tmp are overlays of the host's (writes stay in the node), /proc and /sys are the
node's own, everything else is the host's. Nothing is ever written to the host but through a bind.
"""

import contextlib
import os
import pwd
from pathlib import Path
from typing import Any

from felixpy.lab import namespaces as ns

OVERLAID = ("etc", "var", "tmp")
OWN = ("proc", "sys", "run", "lost+found")
KEPT = ".lab"  # holds what the overlays write


def enter(spec: dict[str, Any]) -> None:
    """Build the root that `spec` describes and make it ours; to be called inside fresh mount and PID namespaces."""
    ns.mount("none", "/", flags=ns.MS_REC | ns.MS_PRIVATE)
    root = f"{spec['folder']}/root"
    ns.mount("tmpfs", root, "tmpfs", ns.MS_NOSUID, "mode=755")
    _skeleton(Path(root))
    for name in OVERLAID:
        _overlay(root, f"/{name}", spec)
    _own_folders(root, spec)
    for source, target, read_only in spec["binds"]:
        _bind(root, source, target, read_only=read_only, spec=spec)
    _write_files(root, spec)
    ns.mount("proc", f"{root}/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    ns.mount("sysfs", f"{root}/sys", "sysfs", ns.MS_RDONLY | ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    _forget_other_namespaces()
    os.chdir(root)
    ns.pivot_root(".", ".")
    ns.unmount(".")
    os.chdir("/")


def _skeleton(root: Path) -> None:
    """The host's top level, each entry as it is, or an empty folder for what the node has of its own."""
    for entry in os.scandir("/"):
        target = root / entry.name
        if entry.is_symlink():
            target.symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            target.mkdir(mode=0o755)
            if entry.name not in (*OVERLAID, *OWN):
                ns.mount(entry.path, str(target), flags=ns.MS_BIND | ns.MS_REC)


def _overlay(root: str, folder: str, spec: dict[str, Any]) -> None:
    """Let the node write in a folder of the host without the host seeing it."""
    lower = f"{root}{folder}" if Path(f"{root}{folder}").is_mount() else folder
    layers = Path(f"{root}/{KEPT}{folder}")
    mode = Path(lower).stat().st_mode & 0o7777
    for layer in ("upper", "work"):
        (layers / layer).mkdir(parents=True)
    (layers / "upper").chmod(mode)
    if spec["rootless"]:
        _make_ours(Path(lower), layers / "upper", [path for path in _places(spec) if path.is_relative_to(folder)])
    options = f"lowerdir={lower},upperdir={layers}/upper,workdir={layers}/work"
    ns.mount("overlay", f"{root}{folder}", "overlay", 0, options + (",userxattr" if spec["rootless"] else ""))


def _places(spec: dict[str, Any]) -> list[Path]:
    """Where something of the node's own will be put."""
    return [Path(path) for path in (*spec["folders"], *spec["files"], *(target for _, target, _ in spec["binds"]))]


def _make_ours(lower: Path, upper: Path, places: list[Path]) -> None:
    """Let the folders above `places` be ours in the upper layer: the host's belong to users that we are not."""
    for place in places:
        done = Path()
        for part in place.relative_to(Path("/", *lower.parts[1:])).parent.parts:
            done /= part
            if (lower / done).is_symlink():  # a folder above would hide it
                break
            (upper / done).mkdir(exist_ok=True)
            if (lower / done).is_dir():
                (upper / done).chmod((lower / done).stat().st_mode & 0o7777)


def _own_folders(root: str, spec: dict[str, Any]) -> None:
    """Fresh folders that hide the host's: path -> owner, `root` for our own id."""
    for path, owner in spec["folders"].items():
        folder = Path(f"{root}{path}")
        if not path.startswith("/run"):
            folder.mkdir(parents=True, exist_ok=True)
            ns.mount("tmpfs", str(folder), "tmpfs", ns.MS_NOSUID, "mode=755")
        else:
            folder.mkdir(parents=True, exist_ok=True)
        if owner != "root":
            with contextlib.suppress(KeyError, OSError):  # without root there is one user only
                entry = pwd.getpwnam(owner)
                os.chown(folder, entry.pw_uid, entry.pw_gid)


def _bind(root: str, source: str, target: str, *, read_only: bool, spec: dict[str, Any]) -> None:
    place = Path(_inside(root, target))
    if not place.exists():
        _make_place(root, place, folder=Path(source).is_dir(), spec=spec)
    ns.mount(source, str(place), flags=ns.MS_BIND | ns.MS_REC)
    if read_only:
        ns.mount("none", str(place), flags=ns.MS_REMOUNT | ns.MS_BIND | ns.MS_RDONLY | _locked_flags(place))


def _locked_flags(place: Path) -> int:
    """The flags that a remount must repeat: in a user namespace it may not drop them."""
    held = os.statvfs(place).f_flag
    pairs = ((os.ST_NOSUID, ns.MS_NOSUID), (os.ST_NODEV, ns.MS_NODEV), (os.ST_NOEXEC, ns.MS_NOEXEC))
    return sum(flag for seen, flag in pairs if held & seen)


def _make_place(root: str, place: Path, *, folder: bool, spec: dict[str, Any]) -> None:
    """Create a bind's mount point; where that would write to the host, overlay the folder above it first."""
    above = place.parent
    while not above.exists():
        above = above.parent
    on_host = Path("/", str(above)[len(root) :].lstrip("/"))
    if str(above) != root and on_host.exists() and on_host.samefile(above):
        _overlay(root, str(on_host), spec)
    place.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        place.mkdir()
    else:
        place.touch()


def _write_files(root: str, spec: dict[str, Any]) -> None:
    """Files that the image of a container would have; one that a bind put there already is left alone."""
    bound = {target for _, target, _ in spec["binds"]}
    for path, text in spec["files"].items():
        place = Path(_inside(root, path))
        if path not in bound and str(Path(path).parent) not in bound:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.write_text(text)


def _inside(root: str, path: str) -> str:
    """`path` as seen from outside the new root: symbolic links such as /var/run are followed within it."""
    done = Path("/")
    for part in Path(os.path.normpath(path)).parts[1:]:
        step = Path(root + str(done / part))
        if step.is_symlink():
            link = str(step.readlink())
            done = Path(os.path.normpath(link if link.startswith("/") else str(done / link)))
        else:
            done /= part
    return root + str(done)


def _forget_other_namespaces() -> None:
    """Let go of the namespaces that have names on the host: a copy of such a mount would keep them alive."""
    for point, kind in reversed(ns.mounts()):
        if kind == "nsfs":
            with contextlib.suppress(OSError):  # hidden below another mount
                ns.unmount(point)
