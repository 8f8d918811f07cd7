"""A prefix that keeps its hash is otherwise the library's own."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from felixpy.model.addresses import family, routed_prefix
from felixpy.model.routes import Route, RouteKey, RouteKind

NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda it: str(IPv4Network(it, strict=False)))
NETWORKS |= st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
    lambda it: str(IPv6Network(it, strict=False))
)


@given(NETWORKS)
def test_it_is_found_by_any_other_of_the_same_value_and_finds_it(text: str) -> None:
    plain, kept = ip_network(text), routed_prefix(text)
    assert kept == plain
    assert plain == kept
    assert {plain: 1}[kept] == {kept: 1}[plain] == 1
    assert {RouteKey(plain): 1}[RouteKey(kept)] == 1
    assert (str(kept), family(kept), kept.broadcast_address) == (text, plain.version, plain.broadcast_address)
    assert kept.supernet() == plain.supernet()
    assert hash(kept.supernet()) == hash(plain.supernet())


@pytest.mark.parametrize(("text", "network"), [("10.1.2.3/8", "10.0.0.0/8"), ("2001:db8::1/32", "2001:db8::/32")])
def test_host_bits_are_cleared(text: str, network: str) -> None:
    assert routed_prefix(text) == ip_network(network)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0/24", "10.0.0.256/32", "10.0.0.0", "", "::/129", "::g/64", "x/8"]
)
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        routed_prefix(text)


def test_two_routes_are_equal_wherever_they_come_from_and_different_in_anything_else() -> None:
    key = RouteKey(ip_network("10.65.0.0/26"))
    one = Route(key, RouteKind.BLACKHOLE)
    assert one == Route(RouteKey(routed_prefix("10.65.0.0/26")), RouteKind.BLACKHOLE)
    assert hash(one) == hash(Route(key, RouteKind.BLACKHOLE))
    assert one != Route(RouteKey(key.prefix, metric=1), RouteKind.BLACKHOLE)
    assert one != "10.65.0.0/26"
