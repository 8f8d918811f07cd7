"""Join: what each peer should hear, kept settled; and the End-of-RIB by hand once a peer has heard it all.

At each session-up everything is wanted anew for that peer, its answers are waited for, and only then its End-of-RIB
is sent (RFC 4724 §4.1: before it, the peer keeps our former routes as stale; after it, it drops what we did not say).
A peer whose session is down is told nothing: a route in ExaBGP's queue for a dead peer would make the next reload of
its configuration get lost.
"""

from collections.abc import Callable, Mapping

from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from felixpy.model.addresses import Address, Prefix
from felixpy.reconcile.settle import Settler
from felixpy.reconcile.table import Outcome, Table

Sessions = Callable[[], Mapping[Address, int]]  # who is up now, each with the number of its session
Advertisements = Mapping[AdvertisementKey, Advertisement]


class Telling:
    """The wanted advertisements by prefix and by peer, over a Settler of ExaBGP's table."""

    def __init__(self, table: Table[AdvertisementKey, Advertisement], sessions: Sessions, *, resync_s: float) -> None:
        self.settler: Settler[AdvertisementKey, Advertisement] = Settler(table, resync_s=resync_s)
        self.sessions: dict[Address, int] = {}  # the peers that were greeted, with the number of their session then
        self._sessions = sessions
        self._by_prefix: dict[Prefix, set[AdvertisementKey]] = {}
        self._by_peer: dict[Address, set[AdvertisementKey]] = {}
        self._most_paths = 0  # the greatest path id that was ever wanted

    def knows(self, prefix: Prefix) -> bool:
        """Whether anything is wanted of `prefix` now, towards any peer."""
        return prefix in self._by_prefix

    def want(self, prefix: Prefix, wanted: Advertisements) -> None:
        """All that should be said about one prefix, to every peer that is up."""
        before = self._by_prefix.get(prefix, set())
        for key in before - wanted.keys():
            self._by_peer[key.peer].discard(key)
            self.settler.drop(key)
        for key, advertisement in wanted.items():
            self._by_peer.setdefault(key.peer, set()).add(key)
            self._put(key, advertisement)
        if wanted:
            self._by_prefix[prefix] = set(wanted)
        else:
            self._by_prefix.pop(prefix, None)

    def greet(self, peer: Address, wanted: Advertisements) -> None:
        """The session of `peer` is up: this is all that it should hear, and it has heard nothing yet."""
        self.silence(peer)
        self._by_peer[peer] = set()
        number = self._sessions().get(peer)
        if number is not None:
            self.sessions[peer] = number
        for key, advertisement in wanted.items():
            self._by_peer[peer].add(key)
            self._by_prefix.setdefault(key.prefix, set()).add(key)
            self._put(key, advertisement)

    def silence(self, peer: Address) -> None:
        """The session of `peer` is down: nothing is wanted of it, and what it was told has to be read again."""
        self.sessions.pop(peer, None)
        for key in self._by_peer.pop(peer, set()):
            self._by_prefix[key.prefix].discard(key)
            self.settler.drop(key)
        self.settler.resync()

    def hush(self, peer: Address) -> None:
        """`peer` is to go: everything that it was told is withdrawn, and nothing more is said."""
        for key in self._by_peer.pop(peer, set()):
            self._by_prefix[key.prefix].discard(key)
            self.settler.drop(key)
        self._by_peer[peer] = set()

    def hushed(self, peer: Address) -> bool:
        """Whether every withdrawal was answered. Walks what all peers were told."""
        told = [key for key in self.settler.held if key.peer == peer]
        return not told and self.settler.settled(())

    def _put(self, key: AdvertisementKey, advertisement: Advertisement) -> None:
        self._most_paths = max(self._most_paths, key.path_id)
        self.settler.put(key, advertisement)

    def told(self, prefix: Prefix) -> bool:
        """Whether any peer that is up may still believe that `prefix` is here."""
        held, ids = self.settler.held, range(self._most_paths + 1)
        return any(AdvertisementKey(peer, prefix, path_id) in held for peer in self._by_peer for path_id in ids)

    def complete(self, peer: Address) -> bool:
        """Whether `peer` was told all that is wanted of it, and nothing else; what ExaBGP refuses counts as told."""
        return self.settler.settled(self._by_peer.get(peer, ()))

    def count(self, peer: Address) -> int:
        """How many prefixes the peer has been told."""
        return len({key.prefix for key in self._by_peer.get(peer, ()) if key in self.settler.held})

    async def settle(self, now: float) -> Outcome[AdvertisementKey, Advertisement]:
        """One pass; it ends when every command was answered."""
        return await self.settler.settle(now, may_erase=True)
