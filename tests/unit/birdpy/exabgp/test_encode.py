"""Advertisements to commands."""

from ipaddress import ip_address, ip_network

from birdpy.exabgp.encode import announcements, end_of_rib, route_refresh, withdrawals
from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.path import Attributes, OriginCode
from felixpy.model.addresses import Asn

PLAIN = Attributes(OriginCode.IGP, as_path=(Asn(65001),))


def key(prefix: str, peer: str = "10.0.0.2", path_id: int = 0) -> AdvertisementKey:
    return AdvertisementKey(ip_address(peer), ip_network(prefix), path_id)


def told(prefix: str, peer: str = "10.0.0.2", attributes: Attributes = PLAIN) -> Advertisement:
    hop = "10.0.0.1" if "." in prefix else "fd00::1"
    return Advertisement(key(prefix, peer), ip_address(hop), attributes)


def test_every_attribute_is_written() -> None:
    attributes = Attributes(
        OriginCode.INCOMPLETE,
        as_path=(Asn(65001), Asn(65100)),
        as_sets=(frozenset({Asn(3), Asn(2)}),),
        med=7,
        local_pref=200,
        communities=frozenset({(65535, 0), (65001, 1)}),
        large_communities=frozenset({(65001, 1, 2)}),
        extended_communities=frozenset({"target:65001:5"}),
        originator_id=ip_address("1.2.3.4"),
        cluster_list=(ip_address("5.6.7.8"), ip_address("9.9.9.9")),
        atomic_aggregate=True,
        aggregator="65001:10.0.0.1",
    )
    (command,) = announcements([told("10.65.0.0/26", attributes=attributes)])
    assert command.text == (
        "neighbor 10.0.0.2 announce attributes next-hop 10.0.0.1 origin incomplete as-path [ 65001 65100 ] ( 2 3 ) "
        "med 7 local-preference 200 community [ 65001:1 65535:0 ] large-community [ 65001:1:2 ] "
        "extended-community [ target:65001:5 ] originator-id 1.2.3.4 cluster-list [ 5.6.7.8 9.9.9.9 ] "
        "atomic-aggregate aggregator ( 65001:10.0.0.1 ) nlri 10.65.0.0/26"
    )


def test_an_empty_as_path_is_not_written() -> None:
    (command,) = announcements([told("10.65.0.0/26", attributes=Attributes(OriginCode.IGP))])
    assert "as-path" not in command.text


def test_text_that_a_peer_could_have_made_up_is_left_out() -> None:
    evil = frozenset({"target:1:1 ] nlri 0.0.0.0/0", "a\nshutdown", "target:1:2"})
    attributes = Attributes(extended_communities=evil, aggregator="1:1 )\nshutdown")
    (command,) = announcements([told("10.65.0.0/26", attributes=attributes)])
    assert command.text == (
        "neighbor 10.0.0.2 announce attributes next-hop 10.0.0.1 origin incomplete "
        "extended-community [ target:1:2 ] nlri 10.65.0.0/26"
    )


def test_equal_routes_for_many_peers_share_one_command() -> None:
    wanted = [told(prefix, peer) for prefix in ("10.65.0.0/26", "10.65.0.64/26") for peer in ("10.0.0.3", "10.0.0.2")]
    (command,) = announcements(wanted)
    assert command.text.startswith("neighbor 10.0.0.2, neighbor 10.0.0.3 announce attributes ")
    assert command.text.endswith(" nlri 10.65.0.0/26 10.65.0.64/26")
    assert set(command.keys) == {each.key for each in wanted}


def test_a_command_holds_fifty_prefixes_of_one_family() -> None:
    wanted = [told(f"10.65.{i}.0/24") for i in range(101)] + [told("fd00:1::/64")]
    sizes = [len(command.keys) for command in announcements(wanted)]
    assert sizes == [50, 50, 1, 1]
    assert sum(sizes) == len({key for command in announcements(wanted) for key in command.keys})


def test_withdrawals_are_grouped_by_path_id_and_family() -> None:
    keys = [key("10.65.0.0/26"), key("10.65.0.64/26", path_id=2), key("fd00:1::/64"), key("10.65.0.0/26", "10.0.0.3")]
    assert sorted(command.text for command in withdrawals(keys)) == [
        "neighbor 10.0.0.2 withdraw attributes next-hop 0.0.0.0 path-information 2 nlri 10.65.0.64/26",
        "neighbor 10.0.0.2 withdraw attributes next-hop :: nlri fd00:1::/64",
        "neighbor 10.0.0.2, neighbor 10.0.0.3 withdraw attributes next-hop 0.0.0.0 nlri 10.65.0.0/26",
    ]


def test_nothing_to_say_is_no_command() -> None:
    assert [*announcements([]), *withdrawals([])] == []


def test_control_messages() -> None:
    peer = ip_address("fd00::2")
    assert end_of_rib(peer, 6).text == "neighbor fd00::2 announce eor ipv6 unicast"
    assert route_refresh(peer, 4).text == "neighbor fd00::2 announce route-refresh ipv4 unicast"
