"""What becomes of every session, by the classes that birdpy itself acts on. Pure."""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from birdpy.policy.changes import Effect, change, speaker_change
from birdpy.policy.session import Session
from felixpy.insight.plan.ledger import Ledger
from felixpy.insight.plan.network import Network, Pair, Router
from felixpy.insight.plan.objects import ObjectChange, because
from felixpy.insight.plan.rows import SessionRow
from felixpy.model.addresses import Address

BEGINS, ENDS, RESET = "begins", "ends", Effect.RESET.text


def session_rows(
    before: Network, after: Network, changes: Mapping[str, ObjectChange], into: Ledger[SessionRow]
) -> None:
    """Write down every session that does something."""
    rewritten = {what.removeprefix("bgpfilter/") for what in changes if what.startswith("bgpfilter/")}
    for name in dict.fromkeys((*before.routers, *after.routers)):
        old, new = before.routers.get(name), after.routers.get(name)
        for row in _of_node(old, new, rewritten):
            why = because(changes, _concerned(row, old, new))
            peer = _peer(row, old, new)
            known = peer in before.routers or peer in after.routers
            nodes = (name, peer) if known else (name,)
            looks = (row.effect, tuple(row.fields), "" if known else row.address)
            into.add(nodes, looks, replace(row, peer=peer if known else "", why=why))


def down_between(before: Network, after: Network, rows: Collection[SessionRow]) -> set[Pair]:
    """The sessions, of both ends, that are not there all the time."""
    restless = {(row.node, row.address) for row in rows if row.effect in (BEGINS, ENDS, RESET)}
    ends = {
        frozenset((node, other))
        for made in (before, after)
        for (node, address), other in made.far.items()
        if (node, str(address)) in restless
    }
    found = {
        (node, address)
        for made in (before, after)
        for (node, address), other in made.far.items()
        if frozenset((node, other)) in ends
    }
    return found | {
        (node, it) for node, r in after.routers.items() for it in r.sessions if (node, str(it)) in restless
    }


def _of_node(old: Router | None, new: Router | None, rewritten: AbstractSet[str]) -> Iterator[SessionRow]:
    had: Mapping[Address, Session] = old.sessions if old else {}
    has: Mapping[Address, Session] = new.sessions if new else {}
    shared = speaker_change(old.orders.speaker, new.orders.speaker) if old and new else None
    for address in dict.fromkeys((*had, *has)):
        one, other = had.get(address), has.get(address)
        router = new or old
        assert router is not None  # one of them had the session
        if one is None or other is None:
            yield _row(router, other or one, BEGINS if one is None else ENDS, [])
            continue
        own = change(one, other)
        fields = list(dict.fromkeys((*(own.fields if own else ()), *(shared.fields if shared else ()))))
        effects = [it.effect for it in (own, shared) if it is not None]
        if set(other.filters) & rewritten:
            fields, effects = [*fields, "filters"] if "filters" not in fields else fields, [*effects, Effect.SOFT]
        if effects:
            yield _row(router, other, _effect(one, other, max(effects)), fields)


def _effect(before: Session, after: Session, worst: Effect) -> str:
    """A session that is held down, for want of its password say, is none."""
    match bool(before.held_down), bool(after.held_down):
        case True, True:
            return Effect.LIVE.text
        case True, False:
            return BEGINS
        case False, True:
            return ENDS
    return worst.text


def _row(router: Router, session: Session | None, effect: str, fields: list[str]) -> SessionRow:
    assert session is not None  # before or after there is one
    return SessionRow(
        node=router.name, peer=session.cluster_node, address=str(session.address), session=session.name,
        effect=effect, fields=fields, why=[],
    )  # fmt: skip


def _sides(row: SessionRow, *routers: Router | None) -> list[Session]:
    found = [it.sessions[a] for it in routers if it for a in it.sessions if str(a) == row.address]
    return list(found)


def _peer(row: SessionRow, old: Router | None, new: Router | None) -> str:
    """The node at the other end, whichever of the two knows it."""
    owners = {str(a): n for it in (old, new) if it for a, n in it.orders.speaker.owners.items()}
    return next((it.cluster_node for it in _sides(row, new, old) if it.cluster_node), owners.get(row.address, ""))


def _concerned(row: SessionRow, old: Router | None, new: Router | None) -> list[str]:
    """The objects that a session follows from: its own first."""
    sides = _sides(row, old, new)
    peer = _peer(row, old, new)
    return [
        *(f"bgppeer/{it.defined_by}" for it in sides if it.defined_by),
        *(f"bgpfilter/{name}" for it in sides for name in it.filters),
        f"node/{row.node}", f"node/{peer}",
        f"bgpconfiguration/node.{row.node}", f"bgpconfiguration/node.{peer}",
        "bgpconfiguration/default",
    ]  # fmt: skip
