"""The one process that is a lab node: its namespaces live as long as it does. Edge; standard library only.

Started as `python -I -S -c ... SPEC`: it leaves the host's namespaces, forks, and the child is process 1 of the node,
which starts the node's programs, starts them again when they die, and reaps what nobody else reaps.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from felixpy.lab import namespaces as ns
from felixpy.lab import rootfs
from felixpy.lab.supervise import Supervisor

ALL = ns.CLONE_NEWNS | ns.CLONE_NEWNET | ns.CLONE_NEWUTS | ns.CLONE_NEWIPC | ns.CLONE_NEWPID
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def main(spec_file: str) -> None:
    """Become the node that the spec describes. Answers `ready` or a reason on stdout, once."""
    spec = json.loads(Path(spec_file).read_text())
    try:
        ns.unshare(ALL)
    except OSError as error:
        _answer(str(error))
        sys.exit(1)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        _register(Path(spec["folder"]), pid, write_end)
        os._exit(0)
    os.close(write_end)
    if os.read(read_end, 1) != b"g":  # whoever started us was killed before the registry knew our id
        os._exit(1)
    os.close(read_end)
    try:
        supervisor = _furnish(spec)
    except OSError as error:
        _answer(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        os._exit(1)
    _answer("ready")
    _let_go_of_the_terminal()
    supervisor.run()


def _register(folder: Path, pid: int, write_end: int) -> None:
    """Write down who holds the node, before it makes anything that could outlive a killed deployment."""
    fresh = folder / "holder.new"
    try:
        fresh.write_text(f"{pid} {ns.start_time(pid)}\n")
        fresh.rename(folder / "holder")
        known = (folder.parent.parent / "lab.json").exists()
    except OSError:  # the lab was destroyed meanwhile
        known = False
    if known:
        os.write(write_end, b"g")


def _furnish(spec: dict[str, Any]) -> Supervisor:
    """File system, host name, loopback, sysctls; and the programs, not started yet."""
    folder = Path(spec["folder"])
    logs = os.open(folder / "log", os.O_RDONLY | os.O_DIRECTORY)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.chdir(folder)  # a relative name: the path of a socket may not exceed 107 bytes
    Path("init.sock").unlink(missing_ok=True)
    control.bind("init.sock")
    Path("init.sock").chmod(0o600)
    control.listen(8)
    ns.set_hostname(spec["hostname"])
    if spec["rootless"]:
        ns.pretend_setgroups()
    rootfs.enter(spec)
    _loopback_up()
    for key, value in spec["sysctls"].items():
        Path("/proc/sys", *key.split(".")).write_text(value)
    return Supervisor(spec["programs"], spec["env"], control, logs)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _answer(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def _let_go_of_the_terminal() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
