"""Edge: one life of ExaBGP: started, told to go, listened to, ended.

It is started with nothing of our environment and two descriptors: its end of the socket, and the pipe that tells it
to go. It dies when birdpy dies (see exabgp/launch), and is only ever ended by SIGKILL: a peer then sees the
connection close without a NOTIFICATION and keeps our routes (RFC 4724), and a write that blocks cannot delay it.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from birdpy.due import Pace
from birdpy.exabgp import bridge
from birdpy.exabgp.commands import Commands
from birdpy.exabgp.rights import made_for, obstacle, usable_uid
from felixpy.daemon.logs import Log
from felixpy.model.addresses import Address
from felixpy.model.errors import Trouble

READ_BYTES = 1 << 18
READ_EVERY_S = 0.005  # while a stream of lines comes: one at a time, each would cost a round of everything
SAID_BYTES = 300  # of one line of ExaBGP's log
FILE_NAME = "exabgp.conf"  # in the folder; exabgp/patches reads it under the same name
LAUNCHER = Path(__file__).with_name("launch.py").resolve()


@dataclass(frozen=True, slots=True)
class Place:
    """Where ExaBGP lives: its folder, and the uid (and group) it becomes when we are root and may.

    The folder is ours and its group may only read it: ExaBGP cannot change its own configuration.
    """

    folder: Path
    uid: int = 65534

    @property
    def owner(self) -> int:
        """The uid that it really has here."""
        return usable_uid(self.uid)

    @property
    def obstacle(self) -> str:
        """Why ExaBGP keeps our uid although we are root; empty when it does not, or we are not."""
        return obstacle(self.uid) if os.geteuid() == 0 and self.owner != self.uid else ""

    @property
    def group(self) -> int:
        """The group that may read the folder: ExaBGP's own, which has the number of its uid; else ours."""
        return owner if (owner := self.owner) != os.geteuid() else os.getegid()

    def prepare(self) -> None:
        """Make the folder; it should be on a tmpfs, as everything under /run is."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with made_for(self.group):
            self.folder.mkdir(mode=0o750, exist_ok=True)
        self.folder.chmod(0o750)
        if self.folder.stat().st_gid != self.group:  # of another life, with other rights
            os.chown(self.folder, -1, self.group)

    def write(self, name: str, text: str) -> None:
        """Write a file of mode 0640 by rename, so that a reader never sees half of it."""
        part = self.folder / f".{name}.part"
        part.unlink(missing_ok=True)
        with made_for(self.group):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o640)  # whatever the umask
            file.write(text)
        part.replace(self.folder / name)


class Process:
    """A started ExaBGP. Lines of JSON wait in `lines`; answers go to `commands` as they come.

    What it says is logged, but for the lines in `heard`.
    """

    def __init__(self, place: Place, log: Log, heard: Collection[str] = ()) -> None:
        self._log, self._heard = log, heard
        ours, theirs = socket.socketpair()
        with theirs:
            self._popen = subprocess.Popen(
                _command(theirs.fileno(), place.owner),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,  # a Ctrl-C meant for birdpy would have it say Cease to its peers
            )
        self.pid = self._popen.pid
        self.lines: deque[bytes] = deque()
        self.commands = Commands(self._write, self.end)
        self.ended = False
        self.said: deque[str] = deque(maxlen=5)  # the end of its log
        self._pace = Pace(READ_EVERY_S)
        self._waiting = 0  # bytes in `lines`
        self._rest = b""
        self._more = asyncio.Event()
        self._unsent = bytearray()
        self._socket = ours
        ours.setblocking(False)
        assert self._popen.stderr is not None
        os.set_blocking(self._popen.stderr.fileno(), False)
        self._loop = asyncio.get_running_loop()
        self._listen()
        self._loop.add_reader(self._popen.stderr, self._said)

    def go(self, folder: Path, bind: Sequence[Address], port: int) -> None:
        """Let it read its configuration in `folder` and begin."""
        order = {"folder": str(folder), "bind": " ".join(str(address) for address in bind), "port": port}
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(json.dumps(order).encode() + b"\n")
            self._popen.stdin.flush()
        except OSError:
            self.end()

    @property
    def queued(self) -> int:
        """Bytes of lines that nobody has taken yet."""
        return self._waiting

    async def batch(self) -> list[bytes]:
        """All lines that have come since the last call; waits for one. Empty when ExaBGP has ended."""
        if not self.lines and not self.ended:
            self._more.clear()
            await self._more.wait()
        lines, self._waiting = list(self.lines), 0
        self.lines.clear()
        return lines

    def end(self) -> None:
        """Kill it and its bridge, and wake whoever waits. Only the first call does something."""
        if self.ended:
            return
        self.ended = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()  # the bridge ends with it
        self._popen.kill()
        self._said()
        for file in (self._popen.stdin, self._popen.stderr):
            assert file is not None
            self._loop.remove_reader(file)
            file.close()
        self._popen.wait()
        self.commands.end()
        self._more.set()

    def _listen(self) -> None:
        if not self.ended:
            self._loop.add_reader(self._socket, self._readable)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()
            return
        if delay := self._pace.delay(self._loop.time()):
            self._loop.remove_reader(self._socket)
            self._loop.call_later(delay, self._listen)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith((b"{", bridge.OVERFLOW)):
                self.lines.append(line)
                self._waiting += len(line)
            else:
                self.commands.heard(line)
        if self._waiting > bridge.LIMIT_BYTES:
            self._drop()
        if self.lines:
            self._more.set()

    def _drop(self) -> None:
        """Nobody takes the lines: drop the UPDATEs, as the bridge does."""
        self.lines = deque(bridge.without_updates(self.lines))
        self._waiting = sum(map(len, self.lines))

    def _write(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reader sees the end and tells everybody
        if sent < len(data):
            self._unsent += data[sent:]
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        unsent, self._unsent = bytes(self._unsent), bytearray()
        self._loop.remove_writer(self._socket)
        self._write(unsent)

    def _said(self) -> None:
        """ExaBGP's log, one event for each line."""
        assert self._popen.stderr is not None
        try:
            data = os.read(self._popen.stderr.fileno(), READ_BYTES)
        except (BlockingIOError, ValueError):
            return
        if not data:
            self._loop.remove_reader(self._popen.stderr)
        for line in data.decode(errors="replace").splitlines():
            if text := line.strip()[:SAID_BYTES]:
                self.said.append(text)
                if text not in self._heard:
                    self._log.warning("ExaBGP reported", text=text)


def _command(descriptor: int, uid: int) -> list[str]:
    """`-I -S`: no user's site, no .pth files, no environment; the folders to import from are given."""
    spec = find_spec("exabgp")
    if spec is None or spec.origin is None:
        raise Trouble("ExaBGP is not installed beside birdpy: pip install exabgp==5.0.15")
    folders = [LAUNCHER.parents[2], Path(spec.origin).resolve().parents[1]]
    numbers = (os.getpid(), descriptor, uid)
    return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, numbers), *map(str, folders)]
