"""One connection of a plugin: its message, the descriptors beside it, settings it is to write, the answer. Edge."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import ioctl

from felixpy.cni import wire
from felixpy.cni.attach import Lent

NS_GET_NSTYPE, CLONE_NEWNET = 0xB703, 0x40000000  # linux/nsfs.h, linux/sched.h
MAX_DESCRIPTORS = 8  # a plugin sends two
PATIENCE_S = 10.0  # for what the plugin has to say; it has everything at hand


class Conversation:
    """A plugin on a connected, non-blocking socket. Close it: that closes what it lent, too."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._lent: list[int] = []
        self._buffer = b""

    async def request(self) -> tuple[Mapping[str, str], bytes]:
        """Environment and configuration. Garbled when it is no plugin of ours; TimeoutError when it says nothing."""
        async with asyncio.timeout(PATIENCE_S):
            while b"\n" not in self._buffer:
                if len(self._buffer) > wire.MAX_HEAD:
                    raise wire.Garbled("the first line is too long")
                await self._more()
            head, _, self._buffer = self._buffer.partition(b"\n")
            env, config = wire.sizes(head)
            while len(self._buffer) < env + config:
                await self._more()
        pairs, stdin = self._buffer[:env], self._buffer[env : env + config]
        self._buffer = self._buffer[env + config :]
        return wire.environment(pairs), stdin

    @contextmanager
    def lent(self) -> Iterator[Lent | None]:
        """The pod's namespace and a socket in it; None when the plugin could not open it or passed another thing."""
        if len(self._lent) < 2 or not _is_namespace(self._lent[0]):
            yield None
            return
        with socket.socket(fileno=os.dup(self._lent[1])) as inside:
            netlink = (inside.family, inside.proto) == (socket.AF_NETLINK, 0)  # NETLINK_ROUTE
            yield Lent(self._lent[0], inside, self.write) if netlink else None

    async def write(self, setting: str, value: str) -> int:
        """Have a setting of the pod's namespace written; the errno, or 0."""
        async with asyncio.timeout(PATIENCE_S):
            await self._loop.sock_sendall(self._connection, wire.write_line(setting, value))
            while b"\n" not in self._buffer:
                await self._more()
        line, _, self._buffer = self._buffer.partition(b"\n")
        word, _, number = line.decode(errors="replace").partition(" ")
        if word == "done":
            return 0
        return int(number) if word == "failed" and number.isdecimal() else errno.EIO

    async def end(self, code: int, output: bytes) -> None:
        """The last word. A plugin that is gone by now will ask again."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._loop.sock_sendall(self._connection, wire.exit_line(code, output))

    def close(self) -> None:
        """Let go of the connection and of what came with it."""
        self._connection.close()
        for descriptor in self._lent:
            os.close(descriptor)
        self._lent.clear()

    async def _more(self) -> None:
        """What has come, descriptors too."""
        await self._readable()
        data, descriptors, _, _ = socket.recv_fds(self._connection, 1 << 16, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        self._lent += descriptors
        if len(self._lent) > MAX_DESCRIPTORS:
            raise wire.Garbled("more descriptors than a plugin has to give")
        if not data:
            raise wire.Garbled("the plugin hung up before its message was complete")
        self._buffer += data

    async def _readable(self) -> None:
        ready = self._loop.create_future()
        descriptor = self._connection.fileno()
        self._loop.add_reader(descriptor, _resolve, ready)
        try:
            await ready
        finally:
            self._loop.remove_reader(descriptor)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _is_namespace(descriptor: int) -> bool:
    try:
        return ioctl(descriptor, NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False
