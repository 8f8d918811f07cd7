"""Every path that anybody told us, by prefix, the refused ones too. Pure.

Prefixes that changed are the answer of every method, so that one more UPDATE costs its own work and not the table's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from birdpy.policy.session import Session
from birdpy.rib.events import Reach, Update
from birdpy.rib.path import Attributes, Path
from birdpy.rib.verdict import Accepted, Verdict
from felixpy.model.addresses import Family, Prefix, family

Judge = Callable[[Path], Verdict]
Touched = set[Prefix]
LOCAL = ""  # the session name of our own paths


@dataclass(frozen=True, slots=True)
class Applied:
    """What an UPDATE did: which prefixes changed, and how many were above the session's limit and not taken."""

    touched: Touched
    surplus: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as the OPEN message had it, and when."""

    session: Session
    peer_id: int = 0
    now: float = 0.0  # Unix seconds


class Rib:
    """Paths by prefix and by (session, path id)."""

    def __init__(self) -> None:
        self._held: dict[Prefix, tuple[Verdict, ...]] = {}  # mostly one: a tuple is a fifth of a dict
        self._by_session: dict[str, set[Prefix]] = {}
        self._accepted: dict[str, int] = {}
        self._stale: dict[str, set[tuple[Prefix, int]]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Prefix]:
        return iter(self._held)

    def held(self, prefix: Prefix) -> tuple[Verdict, ...]:
        """All that is known about `prefix`, refused paths included, in no particular order."""
        return self._held.get(prefix, ())

    def candidates(self, prefix: Prefix) -> list[Path]:
        """The paths to `prefix` that may be chosen."""
        return [verdict.path for verdict in self._held.get(prefix, ()) if isinstance(verdict, Accepted)]

    def prefixes(self, session: str) -> frozenset[Prefix]:
        """What one session told us."""
        return frozenset(self._by_session.get(session, ()))

    def counts(self, session: str) -> tuple[int, int]:
        """How many prefixes came from a session, and how many of its paths were accepted."""
        return len(self._by_session.get(session, ())), self._accepted.get(session, 0)

    def stale(self, session: str) -> frozenset[tuple[Prefix, int]]:
        """The (prefix, path id) pairs kept for a restarting peer (RFC 4724) and not yet heard again."""
        return frozenset(self._stale.get(session, ()))

    def apply(self, update: Update, sender: Sender, judge: Judge) -> Applied:
        """Take in one UPDATE. Withdrawals first: a prefix in both lists is reachable (RFC 4271 §4.3)."""
        session = sender.session
        touched = {gone.prefix for gone in update.withdrawn if self._drop(gone.prefix, (session.name, gone.path_id))}
        known = self._by_session.setdefault(session.name, set())
        surplus = 0
        for reach in update.announced:
            if reach.prefix not in known and len(known) >= session.max_prefix:
                surplus += 1
            elif self._announced(reach, update.attributes, sender, judge):
                touched.add(reach.prefix)
        return Applied(touched, surplus)

    def _announced(self, reach: Reach, attributes: Attributes, sender: Sender, judge: Judge) -> bool:
        session, prefix = sender.session, reach.prefix
        before = self._find(prefix, (session.name, reach.path_id))
        if before is not None:
            marked = self._stale.get(session.name)
            if marked:
                marked.discard((prefix, reach.path_id))
            received = before.received
            same = received.next_hop == reach.next_hop and received.peer_id == sender.peer_id
            if same and (received.attributes is attributes or received.attributes == attributes):
                return False
        path = Path(
            prefix=prefix,
            next_hop=reach.next_hop,
            attributes=attributes,
            session=session.name,
            peer=session.address,
            peer_id=sender.peer_id,
            external=session.external,
            path_id=reach.path_id,
            since=sender.now,
        )
        self.put(judge(path))
        return True

    def put(self, verdict: Verdict) -> None:
        """Hold `verdict` in place of what its session said before about the same prefix and path id."""
        received = verdict.received
        prefix, key = received.prefix, received.key
        others = tuple(v for v in self._held.get(prefix, ()) if v.received.key != key)
        if len(others) < len(self._held.get(prefix, ())):
            self._uncount(prefix, key)
        self._held[prefix] = (*others, verdict)
        self._by_session.setdefault(key[0], set()).add(prefix)
        if isinstance(verdict, Accepted):
            self._accepted[key[0]] = self._accepted.get(key[0], 0) + 1

    def replace_local(self, paths: Mapping[Prefix, Path], rule: str = "own") -> Touched:
        """Make `paths` all that we originate ourselves."""
        touched = {p for p in self.prefixes(LOCAL) - paths.keys() if self._drop(p, (LOCAL, 0))}
        for prefix, path in paths.items():
            before = self._find(prefix, path.key)
            if before is None or before.received != path:
                self.put(Accepted(path, rule, path))
                touched.add(prefix)
        return touched

    def lost(self, session: str, keep: Iterable[Family] = ()) -> Touched:
        """The session went down: families in `keep` become stale (RFC 4724 §4.2), all else is dropped.

        What was stale already and not heard again since goes too (the second restart in a row).
        """
        kept = set(keep)
        twice = self._stale.pop(session, set())
        touched: Touched = set()
        marked: set[tuple[Prefix, int]] = set()
        for prefix in self.prefixes(session):
            for verdict in [v for v in self._held[prefix] if v.received.session == session]:
                key = verdict.received.key
                if family(prefix) in kept and (prefix, key[1]) not in twice:
                    marked.add((prefix, key[1]))
                else:
                    self._drop(prefix, key)
                    touched.add(prefix)
        if marked:
            self._stale[session] = marked
        return touched

    def sweep(self, session: str, families: Iterable[Family] = (4, 6)) -> Touched:
        """End-of-RIB, or its timer: drop what the restarted peer did not tell us again."""
        wanted = set(families)
        marked = self._stale.get(session, set())
        gone = {(prefix, path_id) for prefix, path_id in marked if family(prefix) in wanted}
        marked -= gone
        if not marked:
            self._stale.pop(session, None)
        return {prefix for prefix, path_id in gone if self._drop(prefix, (session, path_id))}

    def judge_again(self, session: str, judge: Judge, prefixes: Iterable[Prefix] | None = None) -> Touched:
        """Policy changed: judge what was received anew, without asking the peer (soft reconfiguration)."""
        touched: Touched = set()
        for prefix in self.prefixes(session) if prefixes is None else prefixes:
            for before in self.held(prefix):
                if before.received.session == session:
                    after = judge(before.received)
                    if after != before:
                        self.put(after)
                        touched.add(prefix)
        return touched

    def _find(self, prefix: Prefix, key: tuple[str, int]) -> Verdict | None:
        for verdict in self._held.get(prefix, ()):
            if verdict.received.key == key:
                return verdict
        return None

    def _drop(self, prefix: Prefix, key: tuple[str, int]) -> bool:
        before = self._held.get(prefix, ())
        after = tuple(verdict for verdict in before if verdict.received.key != key)
        if len(after) == len(before):
            return False
        self._uncount(prefix, key)
        if after:
            self._held[prefix] = after
        else:
            del self._held[prefix]
        if not any(verdict.received.session == key[0] for verdict in after):
            self._by_session[key[0]].discard(prefix)
        marked = self._stale.get(key[0])
        if marked:
            marked.discard((prefix, key[1]))
        return True

    def _uncount(self, prefix: Prefix, key: tuple[str, int]) -> None:
        if isinstance(self._find(prefix, key), Accepted):
            self._accepted[key[0]] -= 1
