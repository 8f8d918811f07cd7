"""Values by prefix."""

from ipaddress import ip_address, ip_network

from birdpy.rib.prefixes import PrefixMap, by_number, cover_of, covers

ZERO, EIGHT, SIXTEEN, SIX = (ip_network(p) for p in ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "fd00::/8"))


def test_the_most_specific_comes_first() -> None:
    known = PrefixMap({ZERO: 0, EIGHT: 8, SIXTEEN: 16, SIX: 6})
    assert [prefix for prefix, _ in known.covering(ip_address("10.1.2.3"))] == [SIXTEEN, EIGHT, ZERO]
    assert known.longest(ip_network("10.0.0.0/9")) == (EIGHT, 8)
    assert known.longest(ip_network("0.0.0.0/0")) == (ZERO, 0)
    assert known.longest(ip_address("fd00::1")) == (SIX, 6)
    assert known.longest(ip_address("fe80::1")) is None


def test_members_come_and_go() -> None:
    known: PrefixMap[int] = PrefixMap()
    known[EIGHT] = 1
    known[EIGHT] = 2
    known[ip_network("11.0.0.0/8")] = 3
    assert (len(known), known.get(EIGHT), EIGHT in known, list(known)) == (2, 2, True, list(known.items))
    assert known.pop(EIGHT) == 2
    assert known.pop(EIGHT) is None
    assert known.longest(ip_address("10.1.2.3")) is None
    assert known.pop(ip_network("11.0.0.0/8")) == 3
    assert len(known) == 0


def test_covers_are_the_prefixes_that_contain() -> None:
    found = set(covers(ip_address("10.1.2.3")))
    assert cover_of(EIGHT) in found and cover_of(SIXTEEN) in found
    assert len(found) == 32
    assert cover_of(ip_network("11.0.0.0/8")) not in found
    assert set(covers(SIXTEEN, 16)) == {cover_of(SIXTEEN)}


def test_prefixes_are_listed_as_people_read_them() -> None:
    assert sorted([SIX, SIXTEEN, EIGHT, ZERO], key=by_number) == [ZERO, EIGHT, SIXTEEN, SIX]
