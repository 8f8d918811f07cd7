"""Laws of the table and of choosing: order does not matter, every choice is explained, piecewise equals whole."""

from collections.abc import Set
from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from birdpy.policy.session import Session
from birdpy.rib.best_path import EQUAL_COST, ONLY, TIE_BREAK, Candidate, Preferences, best_path, reachable
from birdpy.rib.events import Reach, Unreach, Update
from birdpy.rib.next_hops import Ground, Resolved
from birdpy.rib.path import Attributes, OriginCode, Path
from birdpy.rib.selection import Selection
from birdpy.rib.table import Rib, Sender
from birdpy.rib.verdict import Accepted, Rejected, Verdict
from felixpy.model.addresses import Address, Asn, Prefix
from felixpy.model.fib import ConnectedRoute
from felixpy.model.routes import Device
from tests.unit.birdpy.builders import routes, session, way

PREFIXES = [ip_network(p) for p in ("10.1.0.0/16", "10.1.1.0/24", "10.2.0.0/16", "10.3.0.0/24", "10.3.0.128/25")]
HOPS = [ip_address(a) for a in ("10.0.0.2", "10.0.0.3", "10.1.0.1", "10.1.1.1", "10.2.0.1", "10.3.0.200", "10.9.0.1")]
SESSIONS = [session(f"10.0.0.{n}") for n in (2, 3, 4)]
ROUNDS = {step.because for step in (*EQUAL_COST, *TIE_BREAK)} | {ONLY}
GROUNDS = [
    Ground(routes(way("10.0.0.0/24"))),
    Ground(routes(way("10.0.0.0/24"), way("0.0.0.0/0", "eth1", "10.0.0.254"))),
    Ground(routes(way("10.0.0.0/24"), way("10.9.0.0/16", "eth1", "10.0.0.4"), ConnectedRoute(PREFIXES[3], None))),
    Ground(routes(way("10.0.0.0/24")), failed={(HOPS[0], Device("eth0"))}),
]

shared = st.builds(
    Attributes,
    origin=st.sampled_from(OriginCode),
    as_path=st.lists(st.sampled_from([Asn(1), Asn(2)]), max_size=2).map(tuple),
    med=st.sampled_from([None, 0, 5]),
    local_pref=st.sampled_from([None, 100, 200]),
    originator_id=st.sampled_from([None, ip_address("1.1.1.1")]),
    cluster_list=st.sampled_from([(), (ip_address("1.1.1.1"),)]),
)
paths = st.builds(
    Path,
    prefix=st.just(PREFIXES[0]),
    next_hop=st.sampled_from(HOPS[:2]),
    attributes=shared,
    session=st.sampled_from(["a", "b", "c", "d"]),
    peer=st.sampled_from(HOPS[:2]),
    peer_id=st.integers(0, 2),
    external=st.booleans(),
    path_id=st.integers(0, 9),
)
candidates = st.builds(Candidate, paths, st.builds(Resolved, st.just(()), st.just(()), st.integers(0, 1)))
offers = st.lists(candidates, min_size=1, max_size=6, unique_by=lambda c: c.path.key)


@given(offers, st.data(), st.booleans())
def test_the_order_of_arrival_does_not_matter(offered: list[Candidate], data: st.DataObject, strict: bool) -> None:
    wanted = Preferences(relaxed_as_path=not strict)
    assert best_path(data.draw(st.permutations(offered)), wanted) == best_path(offered, wanted)


@given(offers)
def test_every_choice_is_explained_and_shares_with_its_equals(offered: list[Candidate]) -> None:
    choice = best_path(offered)
    assert choice is not None
    assert choice.because in ROUNDS
    assert (choice.because == ONLY) == (len(offered) == 1)
    assert choice.multipath[0] == choice.best
    assert len(set(choice.multipath)) == len(choice.multipath)
    assert {p.preference for p in choice.multipath} == {choice.best.preference}


@given(offers, candidates)
def test_a_worse_offer_changes_nothing(offered: list[Candidate], other: Candidate) -> None:
    """What loses at the first rounds to the best must not move the best: no hidden state, no order."""
    before = best_path(offered)
    assert before is not None
    hopeless = structs.replace(other, path=structs.replace(other.path, session="z", attributes=structs.replace(
        other.path.attributes, local_pref=1)))  # fmt: skip
    after = best_path([*offered, hopeless])
    assert after is not None and after.best == before.best


def judge(path: Path) -> Verdict:
    return Rejected(path, "odd") if path.attributes.med == 5 else Accepted(path, "ok", path)


updates = st.builds(
    lambda hop, told, gone, attributes: (told, gone, hop, attributes),
    st.sampled_from(HOPS),
    st.lists(st.sampled_from(PREFIXES), max_size=3),
    st.lists(st.sampled_from(PREFIXES), max_size=2),
    shared,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.sampled_from(SESSIONS), updates),
        st.tuples(st.just("lost"), st.sampled_from(SESSIONS), st.sampled_from([(), (4,)])),
        st.tuples(st.just("sweep"), st.sampled_from(SESSIONS), st.none()),
        st.tuples(st.just("ground"), st.just(SESSIONS[0]), st.sampled_from(GROUNDS)),
    ),
    max_size=25,
)  # fmt: skip


def carry_out(kind: str, over: Session, what: Any, rib: Rib, selection: Selection) -> Set[Prefix]:
    match kind, what:
        case "update", (told, gone, hop, attributes):
            reaches = tuple(Reach(prefix, hop) for prefix in told)
            update = Update(over.address, reaches, tuple(Unreach(prefix) for prefix in gone), attributes)
            return selection.update(rib.apply(update, Sender(over, int(over.address)), judge).touched)
        case "lost", families:
            return selection.update(rib.lost(over.name, families))
        case "sweep", _:
            return selection.update(rib.sweep(over.name))
        case _, Ground() as ground:
            return selection.on(ground)
    raise AssertionError(kind)


State = dict[Prefix, tuple[object, tuple[object, ...]]]


def state(selection: Selection) -> State:
    """What would reach the kernel: each choice and the ways of all that share its load."""
    hops: dict[Prefix, tuple[object, ...]] = {}
    for prefix, choice in selection.choices.items():
        hops[prefix] = tuple(selection.way(p) for p in choice.multipath)
    return {prefix: (choice, hops[prefix]) for prefix, choice in selection.choices.items()}


@settings(max_examples=100, deadline=None)
@given(steps)
def test_piece_by_piece_is_the_same_as_all_anew(history: list[tuple[str, Session, Any]]) -> None:
    rib = Rib()
    ground = GROUNDS[0]
    selection = Selection(rib, ground)
    seen: State = {}
    for kind, over, what in history:
        ground = what if isinstance(what, Ground) else ground
        changed = carry_out(kind, over, what, rib, selection)
        now = state(selection)
        moved = {p for p in seen.keys() | now.keys() if seen.get(p) != now.get(p)}
        assert moved <= changed
        seen = now
        anew = Selection(rib, ground)
        anew.update(rib)
        assert state(anew) == now
        for prefix in rib:
            plain = best_path(reachable(rib.candidates(prefix), selection.way))
            assert plain == selection.choice(prefix)


@given(steps)
def test_counts_are_what_a_count_gives(history: list[tuple[str, Session, Any]]) -> None:
    rib = Rib()
    selection = Selection(rib, GROUNDS[0])
    for kind, over, what in history:
        carry_out(kind, over, what, rib, selection)
    for one in SESSIONS:
        held = [v for prefix in rib for v in rib.held(prefix) if v.received.session == one.name]
        assert rib.counts(one.name) == (
            len({v.received.prefix for v in held}),
            sum(isinstance(v, Accepted) for v in held),
        )
        assert rib.stale(one.name) <= {(v.received.prefix, v.received.path_id) for v in held}
    assert all(rib.held(prefix) for prefix in rib)


def test_the_laws_see_routes_that_lean_on_each_other() -> None:
    """The law above is only worth something if its histories reach recursion: this one does."""
    rib = Rib()
    selection = Selection(rib, GROUNDS[0])
    near, far = SESSIONS[0], SESSIONS[1]
    far_hop: Address = HOPS[2]  # inside 10.1.0.0/16
    carry_out("update", far, ([PREFIXES[2]], [], far_hop, Attributes()), rib, selection)
    assert selection.choice(PREFIXES[2]) is None
    changed = carry_out("update", near, ([PREFIXES[0]], [], HOPS[0], Attributes()), rib, selection)
    assert changed == {PREFIXES[0], PREFIXES[2]}
    assert carry_out("lost", near, (), rib, selection) == {PREFIXES[0], PREFIXES[2]}
    assert selection.choices == {}
