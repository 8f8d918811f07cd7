"""Join: the router's log: one line per change in the world, none per idle pass, none twice."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from birdpy.learning import Heard
from birdpy.peers import Peer
from birdpy.policy.changes import Change
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.stage import Stage
from felixpy.daemon.logs import Log
from felixpy.model.addresses import Address
from felixpy.model.errors import InvalidResource, Refused
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Route, RouteKey
from felixpy.model.snapshot import Problems
from felixpy.reconcile.table import Outcome

MANY = 20  # more changes than this in one pass are one line with their number


class Story:
    """What was said already, so that what stays as it is stays silent."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._problems: frozenset[str] = frozenset()
        self._troubles: dict[str, str] = {}
        self._refused: dict[object, str] = {}
        self._contested: frozenset[RouteKey] = frozenset()
        self._watched = ""
        self._silent: frozenset[NeighbourKey] = frozenset()

    @property
    def troubles(self) -> Mapping[str, str]:
        """What does not work now, and why."""
        return {what: reason for what, reason in self._troubles.items() if reason}

    def problems(self, made: Iterable[InvalidResource], broken: Problems) -> None:
        """Name the objects of the datastore that cannot be used, once each."""
        now = {str(problem): problem for problem in (*made, *broken.values())}
        for text in sorted(now.keys() - self._problems):
            problem = now[text]
            self._log.warning("resource not used", where=problem.where, field=problem.field, reason=problem.reason)
        self._problems = frozenset(now)

    def trouble(self, what: str, reason: str) -> None:
        """`what` does not work, or does again when `reason` is empty."""
        before = self._troubles.get(what, "")
        if reason and not before:
            self._log.warning("trouble began", of=what, reason=reason)
        elif before and not reason:
            self._log.info("trouble ended", of=what)
        self._troubles[what] = reason

    def kernel(self, outcome: Outcome[RouteKey, Route]) -> None:
        """What a pass did to the kernel."""
        plan, refused = outcome.plan, outcome.refused
        written = [route for key, route in plan.write.items() if key not in refused]
        erased = [key for key in plan.erase if key not in refused]
        if len(written) + len(erased) > MANY:
            self._log.info("routes changed", written=len(written), erased=len(erased))
        else:
            for route in written:
                self._log.info("route written", prefix=route.key.prefix, kind=route.kind.value, **about(route))
            for key in erased:
                self._log.info("route erased", prefix=key.prefix)
        self._refusals("route refused", refused, (*plan.write, *plan.erase))

    def watched(self, reason: str) -> None:
        """Why neighbours are watched less closely than they should be; nothing when `reason` is as it was."""
        if reason and reason != self._watched:
            self._log.warning("neighbours watched less closely", reason=reason)
        self._watched = reason

    def failing(self, silent: Collection[NeighbourKey]) -> None:
        """Watched neighbours that do not answer any more, and those that answer again."""
        now = frozenset(silent)
        for key in sorted(now - self._silent, key=str):
            self._log.warning("neighbour lost", address=key.address, device=key.device)
        for key in sorted(self._silent - now, key=str):
            self._log.info("neighbour back", address=key.address, device=key.device)
        self._silent = now

    def leaving(self, stage: Stage) -> None:
        """The router has come to another step of leaving, or is back."""
        self._log.info("drain moved on", stage=stage.value)

    def contested(self, keys: Collection[RouteKey]) -> None:
        """Routes that someone else changes again and again."""
        for key in frozenset(keys) - self._contested:
            self._log.warning("route contested", prefix=key.prefix, reason="someone else changes it again and again")
        self._contested = frozenset(keys)

    def configured(self, heard: Heard, all_sessions: Change | None) -> None:
        """Sessions that are configured otherwise than before, and what that costs them."""
        if all_sessions is not None:
            self._log.info("speaker changed", **cost(all_sessions))
        for name, found in heard.changes.items():
            self._log.info("session changed", session=name, **cost(found))
        for address in heard.closing:
            self._log.info("session closing", peer=address)

    def peers(self, heard: Heard, peers: Mapping[Address, Peer]) -> None:
        """Sessions that came up or went down, and peers that send too much."""
        for address in heard.down:
            peer = peers.get(address)
            if peer is not None:
                name, why = peer.session.name, peer.last_error
                self._log.warning("session down", peer=address, session=name, reason=why, kept=bool(peer.awaiting))
        for address in heard.up:
            peer = peers[address]
            self._log.info("session up", peer=address, session=peer.session.name, graceful_restart_s=peer.restart_s)
        for peer in heard.misspoke:
            name, why = peer.session.name, peer.last_error
            self._log.warning("malformed update withdrawn", peer=peer.session.address, session=name, reason=why)
        for peer in heard.near:
            self._log.warning("peer near its limit", peer=peer.session.address, limit=peer.session.max_prefix)
        for peer in heard.held:
            self._log.warning("session held down", peer=peer.session.address, reason=peer.last_error)

    def not_up(self, peer: Peer, reason: str) -> None:
        """A session that should be up has not been for a while."""
        self._log.warning("session not up", peer=peer.session.address, session=peer.session.name, reason=reason)

    def back(self, peers: Iterable[Peer]) -> None:
        """Sessions whose time away is over."""
        for peer in peers:
            self._log.info("session no longer held down", peer=peer.session.address)

    def told(self, outcome: Outcome[AdvertisementKey, Advertisement]) -> None:
        """What a pass told the peers."""
        plan, refused = outcome.plan, outcome.refused
        announced = sorted({str(key.prefix) for key in plan.write if key not in refused})
        withdrawn = sorted({str(key.prefix) for key in plan.erase if key not in refused})
        for event, prefixes, keys in (("announced", announced, plan.write), ("withdrawn", withdrawn, plan.erase)):
            if prefixes:
                peers = len({key.peer for key in keys})
                shown = {"prefixes": prefixes} if len(prefixes) <= MANY else {"count": len(prefixes)}
                self._log.info(event, peers=peers, **shown)
        self._refusals("announcement refused", refused, (*plan.write, *plan.erase))

    def ended(self, peers: Collection[Address]) -> None:
        """Who was told that we have said everything."""
        if peers:
            self._log.info("end of rib sent", peers=sorted(map(str, peers)))

    def _refusals(self, event: str, refused: Mapping[Any, Refused], tried: Iterable[object]) -> None:
        for key in tried:
            refusal = refused.get(key)
            if refusal is None:
                self._refused.pop(key, None)
            elif self._refused.get(key) != refusal.reason:
                self._refused[key] = refusal.reason
                self._log.warning(event, key=str(getattr(key, "prefix", key)), reason=refusal.reason)


def cost(change: Change) -> dict[str, object]:
    """The fields of a log line that say what changed and what becomes of the session."""
    return {"fields": list(change.fields), "effect": change.effect.text}


def about(route: Route) -> dict[str, object]:
    """The fields of a log line that say where a route leads and who gave it."""
    fields: dict[str, object] = {}
    if route.hops:
        fields["via"] = [f"{hop.via} dev {hop.device}" for hop in route.hops]
    if route.origin:
        fields["origin"] = route.origin.name
    return fields
