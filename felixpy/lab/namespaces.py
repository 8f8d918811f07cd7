"""Linux namespaces and mounts through libc: what Python 3.11 does not offer. Edge; standard library only.

Every call raises OSError with the kernel's reason. Flags: include/uapi/linux/sched.h and mount.h.
"""

import ctypes
import os
import struct
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SHARED = 0x100000
MNT_DETACH = 0x2

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000  # | 0: the call says "done" and does nothing
SECCOMP_RET_ALLOW = 0x7FFF0000
SETGROUPS = {"x86_64": 116, "aarch64": 159}  # by machine: its number of the call

LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(LIBC.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); an empty `kind` or `data` is NULL."""
    texts = [source.encode(), target.encode(), kind.encode() or None]
    _check(LIBC.mount(*texts, ctypes.c_ulong(flags), data.encode() or None), f"mount {source} on {target}")


def unmount(target: str) -> None:
    """umount2(2), lazily: it goes at once, and wholly when its last user does."""
    _check(LIBC.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _check(LIBC.pivot_root(new.encode(), old.encode()), f"pivot_root {new}")


def set_hostname(name: str) -> None:
    """sethostname(2)."""
    text = name.encode()[:64]
    _check(LIBC.sethostname(text, len(text)), "sethostname")


class _Filter(ctypes.Structure):  # struct sock_fprog
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def pretend_setgroups() -> None:
    """Let setgroups(2) succeed without effect, for this process and what it starts.

    A user namespace made without privilege forbids that call (user_namespaces(7)), and FRR ends when it fails.
    """
    number = SETGROUPS.get(os.uname().machine)
    if number is None:
        return
    steps = b"".join(  # struct sock_filter: load the call's number; is it setgroups? then "done", else allow
        struct.pack("=HBBI", *step)
        for step in (
            (0x20, 0, 0, 0),
            (0x15, 0, 1, number),
            (0x06, 0, 0, SECCOMP_RET_ERRNO),
            (0x06, 0, 0, SECCOMP_RET_ALLOW),
        )
    )
    held = ctypes.create_string_buffer(steps, len(steps))
    program = _Filter(len(steps) // 8, ctypes.addressof(held))
    _check(LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp")


def is_mount_point(path: Path) -> bool:
    """Whether something is mounted exactly at `path`, as this process sees it (bind mounts too)."""
    return str(path) in {point for point, _ in mounts()}


def mounts() -> list[tuple[str, str]]:
    """(mount point, file system) of every mount that this process sees (proc(5), mountinfo)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        found.append((point, fields[fields.index("-") + 1]))
    return found


def start_time(pid: int) -> int:
    """When a process began (clock ticks since boot): with its id the one name of a process. 0: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text[text.rindex(")") + 2 :].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
