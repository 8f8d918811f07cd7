"""Every path that anybody told us, by prefix, the refused ones too. Pure.

Prefixes that changed are the answer of every method, so that one more UPDATE costs its own work and not the table's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from msgspec.structs import replace

from birdpy.policy.session import Session
from birdpy.rib.events import Reach, Update
from birdpy.rib.path import Attributes, Path
from birdpy.rib.verdict import Accepted, Verdict
from felixpy.model.addresses import Address, Family, Prefix, family, host_prefix

Judge = Callable[[Path], Verdict]
Touched = Set[Prefix]  # in an UPDATE's order: what was made together lies together, and is walked in half the time
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


@dataclass(slots=True)
class Count:
    """How much of the table one session gave."""

    prefixes: int = 0
    paths: int = 0  # more than prefixes with add-path; what the limit is compared with
    accepted: int = 0  # paths


class Rib:
    """Paths by prefix and by (session, path id).

    There is no index by session: what needs one (a session that goes down, a changed filter) touches many prefixes
    anyway, and walking 100,000 entries costs less than keeping the index did at every announcement.
    """

    def __init__(self) -> None:
        self._held: dict[Prefix, tuple[Verdict, ...]] = {}  # mostly one: a tuple is a fifth of a dict
        self._counts: dict[str, Count] = {}
        self._lengths: dict[tuple[Family, int], int] = {}  # how many prefixes of each length there are
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
        """What one session told us. Walks the table."""
        return frozenset(
            prefix for prefix, held in self._held.items() if any(v.received.session == session for v in held)
        )

    def covering(self, address: Address) -> Iterator[Prefix]:
        """The prefixes here that contain `address`, the most specific first."""
        kind = family(address)
        for length in sorted((n for of, n in self._lengths if of == kind), reverse=True):
            prefix = host_prefix(address).supernet(new_prefix=length)
            if prefix in self._held:
                yield prefix

    def counts(self, session: str) -> tuple[int, int]:
        """How many prefixes came from a session, and how many of its paths were accepted."""
        count = self._counts.get(session)
        return (count.prefixes, count.accepted) if count is not None else (0, 0)

    def paths(self, session: str) -> int:
        """How many paths came from a session: with add-path more than prefixes."""
        count = self._counts.get(session)
        return count.paths if count is not None else 0

    def stale(self, session: str) -> frozenset[tuple[Prefix, int]]:
        """The (prefix, path id) pairs kept for a restarting peer (RFC 4724) and not yet heard again."""
        return frozenset(self._stale.get(session, ()))

    def apply(self, update: Update, sender: Sender, judge: Judge) -> Applied:
        """Take in one UPDATE. Withdrawals first: a prefix in both lists is reachable (RFC 4271 §4.3)."""
        session = sender.session
        dropped = (gone.prefix for gone in update.withdrawn if self._drop(gone.prefix, (session.name, gone.path_id)))
        touched: dict[Prefix, None] = dict.fromkeys(dropped)
        count = self._counts.setdefault(session.name, Count())
        surplus = 0
        for reach in update.announced:
            held = self._held.get(reach.prefix, ())
            mine, before = _said(held, session.name, reach.path_id) if held else (False, None)
            if before is None and count.paths >= session.max_prefix:
                surplus += 1
                continue
            if before is not None and self._unchanged(before, reach, update.attributes, sender):
                continue
            self._place(judge(_path(reach, update.attributes, sender)), held, before, new=not mine)
            touched[reach.prefix] = None
        return Applied(touched.keys(), surplus)

    def _unchanged(self, before: Verdict, reach: Reach, attributes: Attributes, sender: Sender) -> bool:
        """Whether this was said already; either way it is not stale any more."""
        marked = self._stale.get(sender.session.name)
        if marked:
            marked.discard((reach.prefix, reach.path_id))
        received = before.received
        return (
            (received.attributes is attributes or received.attributes == attributes)
            and received.next_hop == reach.next_hop
            and received.peer_id == sender.peer_id
        )

    def put(self, verdict: Verdict) -> None:
        """Hold `verdict` in place of what its session said before about the same prefix and path id."""
        received = verdict.received
        held = self._held.get(received.prefix, ())
        before = next((v for v in held if v.received.key == received.key), None)
        self._place(verdict, held, before, new=not any(v.received.session == received.session for v in held))

    def _place(self, verdict: Verdict, held: tuple[Verdict, ...], before: Verdict | None, *, new: bool) -> None:
        """Put `verdict` where `before` was among `held`; `new` when its session has nothing there yet."""
        received = verdict.received
        if held:
            self._held[received.prefix] = (*(v for v in held if v is not before), verdict)
        else:
            self._held[received.prefix] = (verdict,)
            length = family(received.prefix), received.prefix.prefixlen
            self._lengths[length] = self._lengths.get(length, 0) + 1
        count = self._counts.setdefault(received.session, Count())
        count.prefixes += new
        count.paths += before is None
        count.accepted += isinstance(verdict, Accepted) - isinstance(before, Accepted)

    def replace_local(self, paths: Mapping[Prefix, Path], rule: str = "own") -> Touched:
        """Make `paths` all that we originate ourselves."""
        gone = self.prefixes(LOCAL) - paths.keys() if self.counts(LOCAL)[0] else ()
        touched = {prefix for prefix in gone if self._drop(prefix, (LOCAL, 0))}
        for prefix, path in paths.items():
            before = next((v for v in self.held(prefix) if v.received.key == path.key), None)
            if before is None or before.received != path:
                self.put(Accepted(path, rule, path))
                touched.add(prefix)
        return touched

    def lost(self, session: str, keep: Iterable[Family] = (), *, ours: bool = False) -> Touched:
        """The session went down: families in `keep` become stale (RFC 4724 §4.2), all else is dropped.

        What was stale already and not heard again since goes too (the second restart in a row), unless the fault is
        `ours`: then the peer had no chance to say it again.
        """
        kept = set(keep)
        before = self._stale.pop(session, set())
        twice = set() if ours else before
        touched: set[Prefix] = set()
        marked: set[tuple[Prefix, int]] = set()
        for received in self._received(session):
            prefix, path_id = received.prefix, received.path_id
            if family(prefix) in kept and (prefix, path_id) not in twice:
                marked.add((prefix, path_id))
            else:
                self._drop(prefix, received.key)
                touched.add(prefix)
        if marked:
            self._stale[session] = marked
        return touched

    def rename(self, before: str, after: str) -> Touched:
        """The session is called otherwise now: its paths, stale ones too, are those of the new name."""
        touched = self.prefixes(before)
        for prefix in touched:
            self._held[prefix] = tuple(renamed(verdict, before, after) for verdict in self._held[prefix])
        if before in self._counts:
            self._counts[after] = self._counts.pop(before)
        if before in self._stale:
            self._stale[after] = self._stale.pop(before)
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
        touched: set[Prefix] = set()
        for prefix in self.prefixes(session) if prefixes is None else prefixes:
            for before in self.held(prefix):
                if before.received.session == session:
                    after = judge(before.received)
                    if after != before:
                        self.put(after)
                        touched.add(prefix)
        return touched

    def _received(self, session: str) -> list[Path]:
        """Every path of one session, as it was sent."""
        return [v.received for held in self._held.values() for v in held if v.received.session == session]

    def _drop(self, prefix: Prefix, key: tuple[str, int]) -> bool:
        held = self._held.get(prefix, ())
        gone = next((verdict for verdict in held if verdict.received.key == key), None)
        if gone is None:
            return False
        left = tuple(verdict for verdict in held if verdict is not gone)
        if left:
            self._held[prefix] = left
        else:
            del self._held[prefix]
            length = family(prefix), prefix.prefixlen
            self._lengths[length] -= 1
            if not self._lengths[length]:
                del self._lengths[length]
        count = self._counts[key[0]]
        count.prefixes -= not any(verdict.received.session == key[0] for verdict in left)
        count.paths -= 1
        count.accepted -= isinstance(gone, Accepted)
        marked = self._stale.get(key[0])
        if marked:
            marked.discard((prefix, key[1]))
        return True


def _said(held: tuple[Verdict, ...], session: str, path_id: int) -> tuple[bool, Verdict | None]:
    """Whether a session has anything among `held`, and what it has under this id."""
    mine = [verdict for verdict in held if verdict.received.session == session]
    return bool(mine), next((verdict for verdict in mine if verdict.received.path_id == path_id), None)


def renamed(verdict: Verdict, before: str, after: str) -> Verdict:
    """The verdict with its session's new name, where it has the old one."""
    if verdict.received.session != before:
        return verdict
    received = replace(verdict.received, session=after)
    if isinstance(verdict, Accepted):
        same = verdict.path is verdict.received
        return Accepted(received if same else replace(verdict.path, session=after), verdict.rule, received)
    return replace(verdict, received=received)


def _path(reach: Reach, attributes: Attributes, sender: Sender) -> Path:
    session = sender.session
    return Path(
        prefix=reach.prefix,
        next_hop=reach.next_hop,
        attributes=attributes,
        session=session.name,
        peer=session.address,
        peer_id=sender.peer_id,
        external=session.external,
        path_id=reach.path_id,
        since=sender.now,
    )


__all__ = ["Applied", "Judge", "Rib", "Sender"]
