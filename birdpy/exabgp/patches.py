"""Edge: what we change in ExaBGP 5.0.15, each for one trap that cannot be handled from outside. Runs in its process.

ExaBGP is pinned to exactly this version; `load` refuses any other. birdpy does not rely on a patch where it can see
for itself: after a reload it reads the neighbours back.
"""

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from birdpy.exabgp.attributes import patch_attribute_errors
from birdpy.exabgp.bursts import patch_bursts
from birdpy.exabgp.connections import patch_connections
from birdpy.exabgp.dialling import patch_dialling
from birdpy.exabgp.updates import patch_updates

VERSION = "5.0.15"
FILE_NAME = "exabgp.conf"
IDLE_MS, BUSY_MS = 500, 5  # how long ExaBGP sleeps when no session is being made, and when one is
BUSY_S = 0.25  # after the last change of any session's state; a TCP handshake on a fabric takes far less
DIAL_FIRST_S, DIAL_GROWTH, DIAL_MAX_S = 0.1, 1.3, 10.0  # between attempts to reach a peer
STEPS = 500  # of commands in one turn of ExaBGP's loop; its own 50 means one command of 50 prefixes
PIPE_BYTES = 1 << 20
UNUSED = ("asyncio", "pdb")  # the one is replaced by `patch_commands`, the other is for its own debugging


@dataclass(frozen=True, slots=True)
class Order:
    """What birdpy has told the launcher: folder of the configuration (open), addresses to listen on, the bridge."""

    folder: int
    bind: str
    port: int
    bridge: tuple[int, int, int]  # pid, descriptor to write to, descriptor to read from


class BridgeProcess:
    """The bridge, with the face of the `subprocess.Popen` that ExaBGP expects."""

    def __init__(self, pid: int, to_bridge: int, from_bridge: int) -> None:
        self.pid, self.returncode = pid, None
        fcntl.fcntl(to_bridge, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(from_bridge, False)
        self.stdin = os.fdopen(to_bridge, "wb")
        self.stdout = os.fdopen(from_bridge, "rb")

    def poll(self) -> None:
        """Never asked of the kernel: a bridge that ended has closed its pipes, which ExaBGP polls."""

    def terminate(self) -> None:
        """End the bridge."""
        os.kill(self.pid, signal.SIGKILL)

    kill = terminate

    def wait(self, timeout: float) -> None:
        """Reap it; it dies of SIGKILL at once, so `timeout` is not needed."""
        os.waitpid(self.pid, 0)


def steady(wall: Callable[[], float], monotonic: Callable[[], float]) -> Callable[[], float]:
    """The wall clock as it is now, and from now on without its steps."""
    ahead = wall() - monotonic()
    return lambda: ahead + monotonic()


def load() -> None:
    """Import what takes time. Of the modules in `UNUSED` nothing is ever called; they would cost 3 MB and 20 ms.

    ExaBGP counts hold times by the wall clock: a step of an hour would end every session with a NOTIFICATION, after
    which no peer keeps a route.
    """
    time.time = steady(time.time, time.monotonic)
    for name in UNUSED:
        sys.modules[name] = ModuleType(name)
    import exabgp.reactor.loop
    from exabgp.environment import base
    from exabgp.version import release

    for name in UNUSED:
        del sys.modules[name]
    if release != VERSION:
        sys.exit(f"ExaBGP {release} is installed, birdpy drives exactly {VERSION}: pip install exabgp=={VERSION}")
    base.ENVFILE = ""  # no file of the host changes our settings
    assert exabgp.reactor.loop.Reactor


def run(order: Order) -> int:
    """Run ExaBGP until it is told to stop; its exit code."""
    from exabgp.configuration.configuration import Configuration
    from exabgp.environment import getenv
    from exabgp.logger import log
    from exabgp.protocol.ip import IP
    from exabgp.reactor.loop import Reactor

    env = getenv()
    env.tcp.bind = [IP.create(address) for address in order.bind.split()]
    env.tcp.port = order.port
    log.init(env)
    patch_bridge(BridgeProcess(*order.bridge))
    patch_commands()
    patch_waiting()
    patch_sessions()
    patch_connections()
    patch_messages()
    patch_attribute_errors()
    patch_dialling()
    patch_bursts()
    patch_updates()
    configuration = Configuration([""], text=True)
    patch_configuration(configuration, lambda: read_file(order.folder))
    return int(Reactor(configuration).run())


def read_file(folder: int) -> str:
    """The configuration, found through the open folder: ExaBGP's uid need not reach it by path."""
    descriptor = os.open(FILE_NAME, os.O_RDONLY, dir_fd=folder)
    with os.fdopen(descriptor) as file:
        return file.read()


def patch_configuration(configuration: Any, read: Callable[[], str]) -> None:
    """A reload that fails changes nothing, and the next one starts clean.

    As shipped a failed reload leaves the parser's state behind ("a process section called ... already exists") so
    that every later one fails too, and one that raises leaves no neighbours at all.
    """
    original = configuration.reload

    def reload() -> bool:
        configuration._cleanup()
        configuration._configurations = [read()]
        before = configuration.neighbors, configuration.processes
        if original():
            return True
        configuration.neighbors, configuration.processes = before
        return False

    configuration.reload = reload


def patch_bridge(bridge: BridgeProcess) -> None:
    """ExaBGP's API process is the bridge that the launcher has forked, not a program it would start itself."""
    from exabgp.reactor.api.processes import Processes
    from exabgp.reactor.api.response import Response
    from exabgp.version import json as json_version

    def start(self: Any, process: str) -> None:
        if process in self._process:
            return
        self._encoder[process] = Response.JSON(json_version)
        self._ackjson[process] = False
        self._ack[process] = True
        self._process[process] = bridge
        self._restart[process] = False
        self._update_fds()

    Processes._start = start


def patch_commands() -> None:
    """`reload` reloads before it answers, and says `error` when it could not; commands run without asyncio.

    As shipped it answers `done` at once, and the request is lost while any peer has routes that were not sent yet.
    """
    from exabgp.reactor.api import API
    from exabgp.reactor.asynchronous import ASYNC

    def reload(_: Any, reactor: Any, service: str, _line: str, _json: bool) -> bool:
        if reactor.reload():
            reactor.processes.answer_done(service)
            return True
        reactor.processes.answer_error(service)
        return False

    def steps(self: Any) -> bool:
        for _ in range(STEPS):
            if not self._async:
                return False
            service, generator = self._async[0]
            try:
                next(generator)
            except StopIteration:
                self._async.popleft()
            except Exception:  # noqa: BLE001 - whatever a command raises, its sender is told and the next one runs
                self._async.popleft()
                self._notify_error(service)
        return True

    API.callback["text"]["reload"] = reload
    ASYNC.run = steps


def patch_waiting() -> None:
    """Sleep long when nothing is going on, and let a connection that arrives end the sleep.

    As shipped it wakes every 10 ms for ever, or with a larger `reactor.speed` it makes every step of a new session,
    and every accepted connection, wait for the end of its sleep.
    """
    from exabgp.reactor.loop import Reactor

    original = Reactor._wait_for_io
    seen: dict[str, Any] = {"listening": set(), "states": (), "since": 0.0}

    def wait(self: Any, sleeptime_ms: int) -> Iterator[int]:
        listening = {socket.fileno() for socket in self.listener._sockets} if self.listener else set()
        for descriptor in listening - seen["listening"]:
            self._poller.register(descriptor, select.POLLIN)
        seen["listening"] = listening
        states = [(bool(p.generator), bool(p.proto), p.fsm.state) for p in self._peers.values()]
        now = time.monotonic()
        if states != seen["states"]:
            seen["states"], seen["since"] = states, now
        if sleeptime_ms:
            sleeptime_ms = BUSY_MS if now - seen["since"] < BUSY_S else IDLE_MS
        for descriptor in original(self, 0 if self.asynchronous._async else sleeptime_ms):
            if descriptor not in listening:
                yield descriptor

    Reactor._wait_for_io = wait


def patch_sessions() -> None:
    """A session that ended leaves nothing to send at the next, and GTSM holds for accepted connections too.

    As shipped the routes told in the last session are sent again before birdpy can withdraw those that have moved
    to another node meanwhile; an End-of-RIB that was not sent any more opens the next session, where it makes the
    peer drop every route; the minimum TTL (RFC 5082) is set on connections that we open only; a peer that is not
    there yet is dialled again after 0, 1, 2, 3, 4, 5, 7 … 60 s, so that nodes which start together miss each other.
    """
    from exabgp.bgp.neighbor import Neighbor
    from exabgp.reactor import listener
    from exabgp.reactor.delay import Delay
    from exabgp.reactor.network.tcp import set_minimum_ttl

    original = listener.set_accepted_ttl

    def accepted(connection: Any, neighbor: Any) -> None:
        original(connection, neighbor)
        if neighbor["incoming-ttl"] and connection.io is not None:
            set_minimum_ttl(connection.io, connection.afi, connection.peer, neighbor["incoming-ttl"])

    def increase(self: Any) -> None:
        self._time = time.time() + self._next
        self._next = min(max(DIAL_FIRST_S, self._next * DIAL_GROWTH), DIAL_MAX_S)

    reset = Neighbor.reset_rib

    def forget(self: Any) -> None:
        reset(self)
        self.rib.outgoing.clear()
        self.eor.clear()

    Delay.increase = increase
    listener.set_accepted_ttl = accepted
    Neighbor.reset_rib = forget


def patch_messages() -> None:
    """A header that cannot be read is answered, and an ORIGIN of another length than one byte is an error.

    As shipped a wrong marker or length ends the session with a TypeError, without NOTIFICATION and without a reason:
    it is told as one that was received, by a call that has an argument too many. What we send is told with the end
    of the session. And ORIGIN's length is not looked at (RFC 7606 §7.1: treat-as-withdraw).
    """
    from exabgp.bgp.message import Notify
    from exabgp.bgp.message.update.attribute.origin import Origin
    from exabgp.reactor.api.processes import Processes

    tell, unpack = Processes.notification, Origin.unpack.__func__

    def notification(self: Any, *told: Any) -> None:
        if len(told) == 7:
            tell(self, *told)

    def one_byte(cls: Any, data: bytes, direction: Any, negotiated: Any) -> Any:
        if len(data) != 1:
            raise Notify(3, 5, f"invalid ORIGIN, expected 1 byte, got {len(data)}")
        return unpack(cls, data, direction, negotiated)

    Processes.notification = notification
    Origin.unpack = classmethod(one_byte)
