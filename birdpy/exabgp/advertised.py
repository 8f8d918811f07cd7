"""Edge: what each peer has been told, as a `Table[AdvertisementKey, Advertisement]`.

`read` gives what ExaBGP has acknowledged in the present sessions. A key whose fate is unknown, because the session
ended while a command was under way, reads as `IN_DOUBT`, which equals no wanted value: it is told again, or
withdrawn. Announcements go only to peers that are up, withdrawals to any peer.

End-of-RIB is never said by ExaBGP itself (`manual-eor`). The order at each session-up is the caller's to keep:

    sessions = table.sessions()                  # 1. who is up, each with the number of its session
    await reconcile(desired(sessions), table, …)  # 2. tell them everything; returns after the last acknowledgement
    await table.end_of_rib(sessions)             # 3. only when the RIB is complete (datastore in sync, peers heard)

A session that came up, or flapped, after 1 is not concerned by 3: it gets its End-of-RIB in the next round.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from msgspec.structs import replace

from birdpy.exabgp import encode
from birdpy.exabgp.commands import Commands
from birdpy.exabgp.encode import Command
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.path import Attributes
from felixpy.model.addresses import Address, Family, family
from felixpy.model.errors import Refused, Unreachable
from felixpy.reconcile.plan import Plan

IN_DOUBT = Attributes(faults=("not known whether the peer has it",))


@dataclass(slots=True)
class _Peer:
    """One peer that is or was up; `number` counts its sessions."""

    number: int = 0
    up: bool = False
    families: frozenset[Family] = frozenset()
    finished: bool = False  # End-of-RIB was said in this session
    told: dict[AdvertisementKey, Advertisement] = field(default_factory=dict)

    def doubt(self) -> None:
        """The session has ended: whatever was told or is under way may or may not be in ExaBGP."""
        nowhere = ip_address("0.0.0.0")  # noqa: S104 - no bind
        self.told = {key: Advertisement(key, nowhere, IN_DOUBT) for key in self.told}


class AdvertisedTable:
    """The table; `ready` and the `session_…` methods are for the supervisor."""

    def __init__(self) -> None:
        self._commands: Commands | None = None
        self._peers: dict[Address, _Peer] = {}

    # for the router

    def sessions(self) -> Mapping[Address, int]:
        """The peers that are up now, each with the number of its session."""
        return {address: peer.number for address, peer in self._peers.items() if peer.up}

    async def read(self) -> Mapping[AdvertisementKey, Advertisement]:
        """What the peers that are up have been told."""
        return {key: told for peer in self._peers.values() if peer.up for key, told in peer.told.items()}

    async def apply(self, plan: Plan[AdvertisementKey, Advertisement]) -> Mapping[AdvertisementKey, Refused]:
        """Withdraw, then announce; returns when ExaBGP has acknowledged everything.

        Unreachable when ExaBGP ended meanwhile: all sessions are down then, and the next `read` is empty.
        """
        refused = {key: Refused(key, why) for key in plan.write if (why := self._hindrance(key))}
        wanted = [value for key, value in plan.write.items() if key not in refused]
        commands = [*encode.withdrawals(plan.erase), *encode.announcements(wanted)]
        if not commands:
            return refused
        numbers = self.sessions()
        for value in wanted:  # in doubt until the answer comes
            self._peers[value.key.peer].told[value.key] = replace(value, attributes=IN_DOUBT)
        answers = await self._ready().routes([command.text for command in commands])
        for command, ok in zip(commands, answers, strict=True):
            refused |= self._settle(command, plan, numbers, ok)
        return refused

    async def end_of_rib(self, sessions: Mapping[Address, int]) -> frozenset[Address]:
        """Say End-of-RIB, for each family negotiated, to those of `sessions` that still last and were not told.

        The peers that were told now.
        """
        told = set()
        for address in self.owing(sessions):
            peer, number = self._peers[address], sessions[address]
            answers = [
                await self._ready().alone(encode.end_of_rib(address, each).text) for each in sorted(peer.families)
            ]
            if peer.up and peer.number == number and all(answer.ok for answer in answers):
                peer.finished = True
                told.add(address)
        return frozenset(told)

    def owing(self, sessions: Mapping[Address, int]) -> Collection[Address]:
        """Those of `sessions` that are still the same and wait for End-of-RIB."""
        return [
            address
            for address, number in sessions.items()
            if (peer := self._peers.get(address)) and peer.up and peer.number == number and not peer.finished
        ]

    # for the supervisor

    def ready(self, commands: Commands) -> None:
        """A new ExaBGP runs: it has told nobody anything."""
        self._commands = commands
        for peer in self._peers.values():
            peer.up, peer.told = False, {}

    def session_up(self, address: Address, families: frozenset[Family]) -> None:
        """The session with the peer is established; `families` were negotiated."""
        peer = self._peers.setdefault(address, _Peer())
        peer.number += 1
        peer.up, peer.finished, peer.families = True, False, families
        peer.doubt()

    def session_down(self, address: Address) -> bool:
        """The session has ended; whether there was one (ExaBGP says so of attempts too)."""
        peer = self._peers.get(address)
        if peer is None or not peer.up:
            return False
        peer.up = False
        peer.doubt()
        return True

    def _hindrance(self, key: AdvertisementKey) -> str:
        """Why `key` cannot be announced; ExaBGP would answer `done` to both."""
        peer = self._peers.get(key.peer)
        if peer is None or not peer.up:
            return "the session with the peer is not up"
        if family(key.prefix) not in peer.families:
            return f"the session does not carry IPv{family(key.prefix)}"
        return ""

    def _ready(self) -> Commands:
        if self._commands is None:
            raise Unreachable("ExaBGP does not run")
        return self._commands

    def _settle(
        self, command: Command, plan: Plan[AdvertisementKey, Advertisement], numbers: Mapping[Address, int], ok: bool
    ) -> Mapping[AdvertisementKey, Refused]:
        """Enter the answer to `command`; what changed session meanwhile stays in doubt."""
        refused = {}
        for key in command.keys:
            peer = self._peers.get(key.peer)
            same = peer is not None and peer.up and numbers.get(key.peer) == peer.number
            if key in plan.write and not ok:
                refused[key] = Refused(key, "ExaBGP did not take the announcement")
            elif peer is not None and key in plan.write and same:
                peer.told[key] = plan.write[key]
            elif peer is not None and key not in plan.write and (ok or same):
                peer.told.pop(key, None)
        return refused
