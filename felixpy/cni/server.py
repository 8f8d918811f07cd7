"""The agent's end of the CNI plugin: `cni.sock`, tombstones, and the journal's replay. Join.

Nothing that a plugin sends can stop the agent: what is not understood is answered with a CNI error or dropped.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from felixpy.cni import wire
from felixpy.cni.attach import Lent, attach
from felixpy.cni.call import Call, parse_call, version_of
from felixpy.cni.calls import Calls
from felixpy.cni.check import check
from felixpy.cni.conversation import Conversation
from felixpy.cni.detach import collect, detach, replay
from felixpy.cni.errors import INTERNAL, TRY_AGAIN, UNAVAILABLE, CniError, document
from felixpy.cni.facts import Facts
from felixpy.cni.journal import Journal
from felixpy.cni.means import Means
from felixpy.cni.result import add_result, version_result
from felixpy.cni.tombstones import Tombstones
from felixpy.cni.wires import Wires
from felixpy.daemon.logs import Log
from felixpy.daemon.unix import bound
from felixpy.datastore.source import Datastore
from felixpy.ipam.allocator import Allocator
from felixpy.ipam.pools import unserved
from felixpy.local import LocalEndpoints
from felixpy.model.errors import Trouble, Unreachable

if TYPE_CHECKING:
    from felixpy.process import Hosted

BACKLOG = 512
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the socket is, and what survives a restart."""

    run: Path
    state: Path


async def serve_cni(hosted: "Hosted") -> None:
    """The part of the agent's process that serves the CNI plugin, until cancelled."""
    folders = Folders(hosted.run_dir, hosted.state_dir)
    server = CniServer(hosted.settings.node, hosted.datastore, hosted.local, folders, hosted.log)
    server.answered = hosted.calls
    await server.run()


class CniServer:
    """Serves the runtime of one node. `run` until cancelled; cancelling leaves pods and interfaces as they are."""

    def __init__(self, node: str, store: Datastore, local: LocalEndpoints, folders: Folders, log: Log) -> None:
        facts = Facts(store, node)
        self.means = Means(
            node=node,
            store=store,
            local=local,
            allocator=Allocator(store, node, facts.rules),
            facts=facts,
            journal=Journal(folders.state / "cni" / "journal"),
            wires=Wires(),
            log=log,
        )
        self._socket = folders.run / "cni.sock"
        self._tombstones = Tombstones(folders.state / "cni" / "tombstones")
        self.answered = Calls()
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Undo what was half done, then serve. Unreachable when the socket cannot be made."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.means.facts.run(), name="follow pools and nodes")
            await self._replay()
            tasks.create_task(self._heed(), name="heed tombstones")
            tasks.create_task(self._serve(), name="serve the CNI plugin")

    async def _replay(self) -> None:
        told = False
        while True:
            try:
                await replay(self.means)
            except (Trouble, OSError) as error:
                if not told:
                    self.means.log.warning("journal not replayed yet", reason=str(error))
                told = True
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _heed(self) -> None:
        """Carry out what plugins asked for while no agent was here; a folder that cannot be read is tried again."""
        told = ""
        while True:
            try:
                await self._bury()
            except (Trouble, OSError) as error:
                if told != str(error):
                    self.means.log.warning("tombstones not heeded", reason=str(error))
                told = str(error)
                await asyncio.sleep(RETRY_S)

    async def _bury(self) -> None:
        async for name, message in self._tombstones.found():
            try:
                env, config = wire.parse(message)
                await self._do(parse_call(env, config), None)
            except CniError as error:
                self.means.log.warning("deletion left for later", container=name, reason=str(error))
                if error.code == TRY_AGAIN:
                    continue
            except wire.Garbled as error:
                self.means.log.warning("tombstone not understood", container=name, reason=str(error))
            self._tombstones.remove(name)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            listener = bound(self._socket)
        except OSError as error:
            reason = f"{self._socket}: no socket for the CNI plugin can be made: {error.strerror or error}"
            raise Unreachable(reason) from error
        with listener:
            listener.listen(BACKLOG)
            try:
                while True:
                    connection = await self._accepted(listener)
                    task = loop.create_task(self._converse(connection), name="a CNI call")
                    self._calls.add(task)
                    task.add_done_callback(self._calls.discard)
            finally:
                for task in self._calls:
                    task.cancel()

    async def _accepted(self, listener: socket.socket) -> socket.socket:
        """The next plugin. Without a free descriptor it waits in the socket's queue."""
        while True:
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                self.means.log.warning("CNI call not accepted", reason=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                return connection

    async def _converse(self, connection: socket.socket) -> None:
        plugin = Conversation(connection)
        try:
            env, config = await plugin.request()
            began = time.monotonic()
            with plugin.lent() as lent:
                code, output = await self.answer(env, config, lent)
            self.answered.ended(env.get("CNI_COMMAND", ""), time.monotonic() - began)
            await plugin.end(code, output)
        except (wire.Garbled, TimeoutError, OSError) as error:
            self.means.log.warning("CNI call not understood", reason=str(error) or "nothing came")
        finally:
            plugin.close()

    async def answer(self, env: Mapping[str, str], config: bytes, lent: Lent | None) -> tuple[int, bytes]:
        """Exit code and output of one call."""
        try:
            call = parse_call(env, config)
            result = await self._do(call, lent)
        except CniError as error:
            fields = {"command": env.get("CNI_COMMAND", ""), "container": env.get("CNI_CONTAINERID", "")[:64]}
            self.answered.failed(fields["command"], error.code)
            self.means.log.warning("CNI call refused", code=error.code, reason=str(error), **fields)
            return 1, msgspec.json.encode(document(version_of(config), error)) + b"\n"
        except (Trouble, OSError, TimeoutError) as error:
            self.answered.failed(env.get("CNI_COMMAND", ""), INTERNAL)
            fault = CniError(INTERNAL, "the call failed", str(error) or type(error).__name__)
            self.means.log.warning("CNI call failed", reason=fault.details)
            return 1, msgspec.json.encode(document(version_of(config), fault)) + b"\n"
        return 0, b"" if result is None else msgspec.json.encode(result) + b"\n"

    async def _do(self, call: Call, lent: Lent | None) -> dict[str, object] | None:
        version = call.config.cni_version
        match call.command:
            case "ADD":
                return add_result(version, await attach(self.means, call, lent), call.config.prev_result)
            case "DEL":
                await detach(self.means, call)
            case "CHECK":
                await check(self.means, call, lent)
            case "GC":
                await collect(self.means, call)
            case "STATUS":
                await self._status()
            case _:
                return version_result(version)
        return None

    async def _status(self) -> None:
        try:
            rules = await self.means.facts.rules()
        except Unreachable as error:
            raise CniError(UNAVAILABLE, "the datastore does not answer", str(error)) from error
        if not any(unserved(pool) is None for pool in rules.pools):
            raise CniError(UNAVAILABLE, "no IPPool serves", "create one, or see felixpy ipam show")
