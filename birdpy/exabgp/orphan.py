"""Edge: an ExaBGP that outlived its birdpy, and whoever else holds the BGP port.

ExaBGP dies with birdpy; should one survive all the same, it holds the port and speaks for this node. So its pid is
written down with its start time (a pid alone may belong to somebody else by now) and it is ended before the next one
starts.
"""

import contextlib
import os
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from felixpy.daemon import pidfile
from felixpy.model.addresses import Address

PID_FILE = "exabgp.pid"
LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h


def remember(folder: Path, pid: int) -> None:
    """Write down that `pid` is our ExaBGP."""
    (folder / PID_FILE).write_text(f"{pid} {pidfile.started_at(pid) or 0}\n")


def forget(folder: Path) -> None:
    """Our ExaBGP has ended."""
    (folder / PID_FILE).unlink(missing_ok=True)


def end(folder: Path) -> bool:
    """Kill the ExaBGP that is written down, if it still is that process; whether there was one."""
    found = pidfile.read(folder / PID_FILE)
    if found is None or not pidfile.alive(found):
        return False
    with contextlib.suppress(ProcessLookupError), os.fdopen(os.pidfd_open(found.pid)) as handle:
        if pidfile.alive(found):  # asked again: with the handle held the pid cannot pass to another process
            signal.pidfd_send_signal(handle.fileno(), signal.SIGKILL)
    return True


def holder(addresses: Sequence[Address], port: int) -> str | None:
    """Who listens on `port` at one of `addresses`: `name (pid N)`; None when nobody does."""
    for name in ("tcp", "tcp6"):
        try:
            table = Path(f"/proc/net/{name}").read_text()
        except OSError:
            continue
        for inode, address in listeners(table, port):
            if address.is_unspecified or address in addresses or any(a.is_unspecified for a in addresses):
                return _owner(inode) or "another program"
    return None


def listeners(table: str, port: int) -> Iterator[tuple[str, Address]]:
    """The inode and address of each socket in `table` (/proc/net/tcp or tcp6) that listens on `port`."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, _, number = fields[1].partition(":")
        if fields[3] == LISTEN and int(number, 16) == port:
            words = [address[i : i + 8] for i in range(0, len(address), 8)]  # host order, word by word
            packed = b"".join(struct.pack("=I", int(word, 16)) for word in words)
            family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
            yield fields[9], ip_address(socket.inet_ntop(family, packed))


def _owner(inode: str) -> str | None:
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if any(str(fd.readlink()) == f"socket:[{inode}]" for fd in (process / "fd").iterdir()):
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None
