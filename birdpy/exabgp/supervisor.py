"""Edge: one ExaBGP kept alive for one Speaker.

    exabgp = ExaBGP(Place(run_dir() / "exabgp"))
    exabgp.warm()                               # as early as possible: its imports take 0.15 s
    refused = await exabgp.configure(speaker)   # again at every change; names of sessions left out, with the reason
    async for events in exabgp.events():        # all that came in one wake-up; runs ExaBGP and restarts it
        ...
    await reconcile(wanted, exabgp.advertised, may_erase=...); see exabgp/advertised for End-of-RIB
    exabgp.close()                              # SIGKILL; peers keep our routes (RFC 4724)

`events` must be iterated for anything to happen, and by one task only; `configure`, `advertised` and `refresh` may be
used by other tasks, and by the same one between two batches. When ExaBGP or the bridge dies, each peer that was up
is reported `Down(ours=True)`: nothing is known against it, its routes stay; everything is told again when it is up.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from ipaddress import ip_address

from birdpy.exabgp import encode, orphan
from birdpy.exabgp.advertised import AdvertisedTable
from birdpy.exabgp.configfile import Rendered, render
from birdpy.exabgp.decode import Undecodable, decode
from birdpy.exabgp.dialling import UNREACHED
from birdpy.exabgp.process import FILE_NAME, Place, Process
from birdpy.exabgp.reload import reload
from birdpy.exabgp.secrets import in_memory
from birdpy.policy.session import Session, Speaker
from birdpy.rib.events import Acked, Down, Event, Failed, Opened, Overflow, Up
from felixpy.daemon.logs import Log, make_log
from felixpy.model.addresses import Address, Family
from felixpy.model.errors import Trouble, Unreachable

BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_S = 60.0  # a life this long starts the back-off anew
PING_S = 30.0  # of silence, before ExaBGP is asked whether it still turns
ANYWHERE: tuple[Address, ...] = (ip_address("0.0.0.0"), ip_address("::"))  # noqa: S104 - every address of this node


class ExaBGP:
    """The supervisor; see the module for how it is used."""

    def __init__(self, place: Place, log: Log | None = None) -> None:
        self.advertised = AdvertisedTable()
        self.undecodable = 0  # lines of ExaBGP that were not understood, since the start
        self.restarts = 0
        self.trouble: str | None = None  # why ExaBGP does not run now; None when it does
        self._place, self._log = place, log or make_log("birdpy")
        self._speaker: Speaker | None = None
        self._rendered: Rendered | None = None
        self._opened: dict[Address, frozenset[Family]] = {}
        self._process: Process | None = None
        self._going = False  # the process has been told its configuration
        self._planned = False  # we ended it ourselves
        self._configured = asyncio.Event()
        self._closed = asyncio.Event()
        self._warned = False
        self._said: frozenset[str] = frozenset()  # by the last ExaBGP that could not start: not logged again

    @property
    def pid(self) -> int | None:
        """Of the running ExaBGP."""
        return self._process.pid if self._process is not None and not self._process.ended else None

    @property
    def queued(self) -> int:
        """Bytes that the bridge has handed over and nobody has taken yet."""
        return self._process.queued if self._process is not None else 0

    def warm(self) -> None:
        """Start the process without telling it anything yet; an orphan of an earlier birdpy is ended first."""
        if self.pid is not None:
            return
        self._place.prepare()
        orphan.end(self._place.folder)
        if reason := self._place.obstacle:
            self._log.warning("ExaBGP started as root without rights", reason=reason)
        self._process, self._going = Process(self._place, self._log, self._said), False
        orphan.remember(self._place.folder, self._process.pid)

    async def configure(self, speaker: Speaker) -> Mapping[str, str]:
        """Bring ExaBGP to `speaker`; the names of the sessions that are left out, with the reason.

        Only sessions that changed are reset. Other addresses or another port to listen on need a restart, as does a
        configuration that ExaBGP does not come to. ExaBGP is not started before there is a session.
        """
        rendered, before = render(speaker), self._speaker
        old, self._rendered, self._speaker = self._rendered, rendered, speaker
        if old is not None and old.text == rendered.text and _listening(before) == _listening(speaker):
            return rendered.refused
        self._place.prepare()
        self._place.write(FILE_NAME, rendered.text)
        self._warn_of_disk(rendered)
        if rendered.sessions:  # without any there is nothing to listen for
            self._configured.set()
        if self._process is None or not self._going or self._process.ended:
            return rendered.refused  # it will read the file when it starts
        if _listening(before) == _listening(speaker):
            with contextlib.suppress(Unreachable):
                if await reload(self._process.commands, rendered.sessions):
                    self._log.info(
                        "sessions configured", sessions=len(rendered.sessions), left_out=len(rendered.refused)
                    )
                    return rendered.refused
            self._log.warning("ExaBGP did not come to its configuration; it is restarted")
        self._planned = True
        self._process.end()
        return rendered.refused

    async def refresh(self, peer: Address, families: Sequence[Family]) -> None:
        """Ask `peer` for everything again (RFC 2918)."""
        if self._process is not None:
            for family in families:
                await self._process.commands.alone(encode.route_refresh(peer, family).text)

    async def redial(self, peer: Address) -> None:
        """Dial `peer` now, whatever wait there is: it may be reached again. Nothing when a connection stands."""
        if self._process is not None and self._going:
            await self._process.commands.alone(f"redial {peer}")

    async def events(self) -> AsyncIterator[list[Event]]:
        """What peers did, in batches, until `close`. ExaBGP runs while this is iterated."""
        await self._configured.wait()
        deaths = 0
        while not self._is_closed():
            started = time.monotonic()
            try:
                process = self._go()
            except Trouble as trouble:
                self._say(str(trouble))
                process = None
            await self._greet(process)
            while process is not None and (lines := await _batch(process)):
                if events := list(self._events(lines)):
                    yield events
            if self._is_closed():
                return
            if lost := [Down(address, "ExaBGP ended", ours=True) for address in self._lost()]:
                yield list(lost)
            self.restarts += 1
            if self._planned:
                self._planned, deaths = False, 0
                continue
            deaths = 0 if time.monotonic() - started > SETTLED_S else deaths + 1
            await self._mourn(process, deaths)

    def close(self) -> None:
        """End ExaBGP for good."""
        self._closed.set()
        self._configured.set()
        if self._process is not None:
            self._process.end()
        orphan.forget(self._place.folder)

    def _go(self) -> Process:
        speaker = self._speaker
        assert speaker is not None, "configure comes first"
        addresses, port = _listening(speaker)
        self.warm()
        process = self._process
        assert process is not None
        self._opened.clear()
        self.advertised.ready(process.commands)
        process.go(self._place.folder, addresses, port)
        self._going = True
        return process

    async def _greet(self, process: Process | None) -> None:
        """Wait until it answers: it listens then, and has taken its configuration."""
        if process is None:
            return
        with contextlib.suppress(Unreachable):
            await process.commands.alone("#")  # a comment: answered, and nothing else
            self.trouble = None
            self._log.info("ExaBGP started", pid=process.pid)

    async def _mourn(self, process: Process | None, deaths: int) -> None:
        """Say why ExaBGP ended, and wait before the next start."""
        said = " / ".join(process.said) if process is not None else ""
        self._said = frozenset(process.said) if process is not None and deaths > 1 else frozenset()
        addresses, port = _listening(self._speaker)
        if (holder := orphan.holder(addresses, port)) is not None:
            self._say(f"port {port} is held by {holder}: end it, or set another listenPort")
        else:
            self._say(f"ExaBGP ended{': ' + said if said else ''}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACK_OFF_S[min(deaths, len(BACK_OFF_S)) - 1] if deaths else 0.0):
                await self._closed.wait()

    def _warn_of_disk(self, rendered: Rendered) -> None:
        """Passwords on a disk outlive the reboot; said once."""
        if not self._warned and any(s.password for s in rendered.sessions.values()):
            self._warned = True
            if not in_memory(self._place.folder):
                self._log.warning("passwords written to a disk", folder=str(self._place.folder), fix="mount a tmpfs")

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self._log.error("ExaBGP ended", reason=trouble)
        self.trouble = trouble

    def _events(self, lines: list[bytes]) -> Iterator[Event]:
        for line in lines:
            try:
                for event in decode(line):
                    if self._noted(event):
                        yield event
                    elif isinstance(event, Down):
                        yield Failed(event.peer, event.reason.removeprefix(UNREACHED))
            except Undecodable as error:
                self.undecodable += 1
                self._log.warning("a line of ExaBGP was not understood", error=str(error)[:400])

    def _noted(self, event: Event) -> bool:
        """Keep the table of sessions; whether others should hear of `event`."""
        if isinstance(event, Opened):
            self._opened[event.peer] = event.families
        elif isinstance(event, Up):
            self.advertised.session_up(event.peer, self._negotiated(event.peer))
        elif isinstance(event, Down):
            self._opened.pop(event.peer, None)
            return self.advertised.session_down(event.peer)
        elif isinstance(event, Overflow):
            self._log.warning("updates were dropped; they are asked for again", lines=event.dropped)
        return not isinstance(event, Acked)

    def _negotiated(self, peer: Address) -> frozenset[Family]:
        session = self._session(peer)
        ours = session.families if session is not None else frozenset()
        return ours & self._opened.get(peer, ours)

    def _session(self, peer: Address) -> Session | None:
        return self._rendered.sessions.get(peer) if self._rendered is not None else None

    def _is_closed(self) -> bool:
        return self._closed.is_set()

    def _lost(self) -> list[Address]:
        return [address for address in list(self.advertised.sessions()) if self.advertised.session_down(address)]


async def _batch(process: Process) -> list[bytes]:
    """The next lines. An ExaBGP that hangs says nothing and holds its port for ever: silence is asked about, and
    one that does not answer is ended by `Commands`.
    """
    while True:
        try:
            async with asyncio.timeout(PING_S):
                return await process.batch()
        except TimeoutError:
            with contextlib.suppress(Unreachable):
                await process.commands.alone("#")


def _listening(speaker: Speaker | None) -> tuple[tuple[Address, ...], int]:
    if speaker is None:
        return (), 0
    return speaker.listen_addresses or ANYWHERE, speaker.listen_port
