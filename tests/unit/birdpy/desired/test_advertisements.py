"""What each peer should hear."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import structs

from birdpy.desired.advertisements import UNPROGRAMMED, Chosen, advertisements, groups, verdict_of
from birdpy.policy.exports import Announced, ExportRules, Withheld
from birdpy.rib.advertisement import AdvertisementKey
from birdpy.rib.best_path import Choice
from birdpy.rib.path import Path
from birdpy.rib.prefixes import PrefixMap
from felixpy.model.addresses import Prefix
from tests.unit.birdpy.builders import attributes, external, path, session, speaker

MESH, OTHER, TOR = session("10.0.0.2"), session("10.0.0.3"), external()
BLOCK, THEIRS = ip_network("10.65.0.0/26"), ip_network("10.65.1.0/26")
RULES = ExportRules(
    speaker(MESH, OTHER, TOR), blocks=PrefixMap({BLOCK: "b"}), pools=PrefixMap({ip_network("10.65.0.0/16"): "pods"})
)


def own(prefix: str = "10.65.0.0/26", **fields: Any) -> Path:
    return path(prefix, None, **{"source": "local", "session": "", "peer": None, "peer_id": 0, **fields})


def choices(*paths: Path) -> dict[Prefix, Choice]:
    return {p.prefix: Choice(p, "only path", (p,)) for p in paths}


def told(chosen: dict[Prefix, Choice], *over: Any, programmed: Any = (BLOCK,)) -> dict[str, set[str]]:
    """Prefix -> the peers that hear of it."""
    heard: dict[str, set[str]] = {}
    for key, one in advertisements(chosen, Chosen(chosen), over, RULES, programmed).items():
        assert one.key == key
        heard.setdefault(str(key.prefix), set()).add(str(key.peer))
    return heard


def test_an_own_block_is_told_to_all() -> None:
    assert told(choices(own()), MESH, OTHER, TOR) == {str(BLOCK): {"10.0.0.2", "10.0.0.3", "10.0.0.9"}}


def test_another_nodes_block_goes_outside_only() -> None:
    assert told(choices(path()), MESH, OTHER, TOR) == {str(THEIRS): {"10.0.0.9"}}


def test_a_block_waits_until_its_blackhole_was_read_back() -> None:
    assert told(choices(own()), MESH, programmed=()) == {}
    assert verdict_of(own(), MESH, RULES, ()) == Withheld(UNPROGRAMMED)
    assert isinstance(verdict_of(own(), MESH, RULES, {BLOCK}), Announced)


def test_what_needs_no_blackhole_does_not_wait() -> None:
    assert told(choices(own("10.65.9.9/32")), MESH, programmed=()) == {"10.65.9.9/32": {"10.0.0.2"}}
    service = structs.replace(own("10.65.128.0/24"), source="static")
    assert told(choices(service), MESH, programmed=()) == {"10.65.128.0/24": {"10.0.0.2"}}


def test_the_sender_of_a_group_hears_nothing_and_the_others_do() -> None:
    first = external("10.0.0.8", 65001)
    chosen = choices(path(session=first.name, peer=first.address, external=True, attributes=attributes(65001)))
    assert told(chosen, first, TOR) == {str(THEIRS): {"10.0.0.9"}}
    assert told(chosen, first) == {}


def test_the_sender_may_be_any_of_its_group() -> None:
    chosen = choices(path(session=TOR.name, peer=TOR.address, external=True, attributes=attributes(65001)))
    assert told(chosen, external("10.0.0.8", 65001), TOR) == {str(THEIRS): {"10.0.0.8"}}


def test_a_prefix_without_a_choice_is_withdrawn_by_being_absent() -> None:
    assert advertisements([THEIRS], Chosen({}), [TOR], RULES, ()) == {}


def test_the_prefixes_that_changed_give_their_part_of_the_whole() -> None:
    chosen = choices(own(), path(), path("10.65.2.0/26"))
    whole = advertisements(chosen, Chosen(chosen), [MESH, TOR], RULES, (BLOCK,))
    part = advertisements([THEIRS], Chosen(chosen), [MESH, TOR], RULES, (BLOCK,))
    assert part == {key: one for key, one in whole.items() if key.prefix == THEIRS}
    assert set(part) == {AdvertisementKey(ip_address("10.0.0.9"), THEIRS)}


def test_equal_sessions_are_one_group() -> None:
    client = replace(OTHER, route_reflector_client=True)
    assert groups([MESH, TOR, OTHER]) == [(MESH, OTHER), (TOR,)]
    assert groups([MESH, client]) == [(MESH,), (client,)]


def test_an_announcement_knows_where_it_comes_from() -> None:
    chosen = choices(own(), path())
    found = {
        str(k.prefix): a.origin for k, a in advertisements(chosen, Chosen(chosen), [TOR], RULES, (BLOCK,)).items()
    }
    mine, theirs = found[str(BLOCK)], found[str(THEIRS)]
    assert mine is not None and theirs is not None
    assert (mine.kind, mine.name, mine.rule) == ("block", str(BLOCK), "own block 10.65.0.0/26")
    assert (theirs.kind, theirs.name, theirs.rule) == ("peer", "Node_10_0_0_2", "pool pods")


def test_prefixes_with_equal_attributes_share_what_leaves_and_others_do_not() -> None:
    shared = attributes(local_pref=100)
    chosen = choices(
        path("10.65.1.0/26", attributes=shared),
        path("10.65.2.0/26", attributes=shared),
        path("10.65.3.0/26", attributes=attributes(local_pref=100, communities=frozenset({(1, 1)}))),
        path("10.65.4.0/26", "10.0.0.7", attributes=shared),
    )
    keep = replace(TOR, next_hop_mode="Keep")
    found = {str(k.prefix): a for k, a in advertisements(chosen, Chosen(chosen), [keep], RULES, ()).items()}
    one, two, three, four = found.values()
    assert one.attributes is two.attributes
    assert three.attributes.communities == {(1, 1)}
    assert [str(each.next_hop) for each in (one, two, three, four)] == ["10.0.0.2"] * 3 + ["10.0.0.7"]


def test_a_session_that_takes_several_is_told_the_best_few_with_their_ranks_and_the_others_one() -> None:
    first, second = path(session="a", attributes=attributes(1)), path(session="b", attributes=attributes(1, 2))
    third = path(session=TOR.name, attributes=attributes(1, 2, 3))
    several = replace(TOR, name="several", address=ip_address("10.0.0.8"), add_path_send=2)
    chosen = Chosen(choices(first), lambda _, most: [first, second, third][:most])
    found = advertisements([THEIRS], chosen, [TOR, several], RULES, ())
    assert {(str(key.peer), key.path_id): len(one.attributes.as_path) for key, one in found.items()} == {
        ("10.0.0.9", 0): 2, ("10.0.0.8", 1): 2, ("10.0.0.8", 2): 3,
    }  # fmt: skip
    back = replace(TOR, add_path_send=3)  # its own path is not told back, and the others keep their ranks
    assert {key.path_id for key in advertisements([THEIRS], chosen, [back], RULES, ())} == {1, 2}
