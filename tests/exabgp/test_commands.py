"""What we write is what ExaBGP sends: read back from the peer."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from birdpy.rib.advertisement import Advertisement, AdvertisementKey
from birdpy.rib.path import Attributes, OriginCode
from felixpy.model.addresses import Asn
from tests.exabgp.node import ADDRESSES, bird_config, node, route, run, session, until
from tests.speakers import bird, needs, needs_root, network

pytestmark = [needs_root, needs("bird"), pytest.mark.interop, pytest.mark.root]

IBGP = bird_config("rr client;").replace("as 65002", "as 65001")


def test_every_attribute_arrives_as_it_was_given_over_ibgp(tmp_path: Path) -> None:
    given = Attributes(
        OriginCode.INCOMPLETE,
        as_path=(Asn(65010), Asn(4200000000)),
        as_sets=(frozenset({Asn(3), Asn(2)}),),
        med=7,
        local_pref=2147482623,
        communities=frozenset({(65535, 0), (65001, 1)}),
        large_communities=frozenset({(65001, 1, 2)}),
        extended_communities=frozenset({"target:65001:5"}),
        originator_id=ip_address("1.2.3.4"),
        cluster_list=(ip_address("5.6.7.8"), ip_address("9.9.9.9")),
        atomic_aggregate=True,
        aggregator="65001:10.0.0.1",
    )

    async def body() -> None:
        async with node(tmp_path, session(peer_as=Asn(65001))) as ours:
            await ours.up()
            key = AdvertisementKey(ip_address("10.0.0.2"), ip_network("10.65.0.0/26"))
            told = Advertisement(key, ip_address("10.0.0.99"), given)
            assert await ours.tell(told) == {}
            assert await ours.exabgp.advertised.read() == {key: told}
            text = await until(lambda: peer.route("10.65.0.0/26"))
            for line in (
                "BGP.origin: Incomplete",
                "BGP.as_path: 65010 4200000000 {2 3}",
                "BGP.next_hop: 10.0.0.99",
                "BGP.med: 7",
                "BGP.local_pref: 2147482623",
                "BGP.community: (65001,1) (65535,0)",
                "BGP.large_community: (65001, 1, 2)",
                "BGP.ext_community: (rt, 65001, 5)",
                "BGP.originator_id: 1.2.3.4",
                "BGP.cluster_list: 5.6.7.8 9.9.9.9",
                "BGP.atomic_aggr:",
                "BGP.aggregator: 10.0.0.1 AS65001",
            ):
                assert line in text, text

    with network(*ADDRESSES), bird(tmp_path / "bird", IBGP) as peer:
        run(body)


def test_an_empty_path_stays_empty_over_ibgp_and_ours_goes_out_verbatim_over_ebgp(tmp_path: Path) -> None:
    async def internal() -> None:
        async with node(tmp_path, session(peer_as=Asn(65001))) as ours:
            await ours.up()
            await ours.tell(route("10.65.0.0/26", as_path=()))
            assert "BGP.as_path: \n" in await until(lambda: peer.route("10.65.0.0/26"))

    async def external() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            await ours.tell(route("10.65.0.0/26", as_path=(Asn(65001), Asn(7))))
            assert "BGP.as_path: 65001 7\n" in await until(lambda: peer.route("10.65.0.0/26"))

    with network(*ADDRESSES), bird(tmp_path / "1", IBGP) as peer:
        run(internal)
    with network(*ADDRESSES), bird(tmp_path / "2", bird_config()) as peer:
        run(external)


def test_attributes_that_change_are_told_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            await ours.tell(route("10.65.0.0/26"))
            await until(lambda: peer.route("10.65.0.0/26"))
            await ours.tell(route("10.65.0.0/26", communities=frozenset({(65535, 0)})))
            await until(lambda: "(65535,0)" in peer.route("10.65.0.0/26"))

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_one_route_that_cannot_be_told_does_not_stop_the_others(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session(), session("10.0.0.3")) as ours:
            await ours.up()
            six, dead = route("fd00:65::/122"), route("10.65.0.0/26", "10.0.0.3")
            refused = await ours.tell(six, dead, route("10.65.0.0/26"))
            assert {key: str(why).rpartition(": ")[2] for key, why in refused.items()} == {
                six.key: "the session does not carry IPv6",
                dead.key: "the session with the peer is not up",
            }
            await until(lambda: peer.route("10.65.0.0/26"))

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_a_withdrawal_of_what_was_never_told_succeeds(tmp_path: Path) -> None:
    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            assert await ours.untell(route("10.65.0.0/26")) == {}
            assert await ours.untell(route("10.65.0.0/26", "10.0.0.4")) == {}, "not even a peer of ours"

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)


def test_a_thousand_routes_arrive_and_go(tmp_path: Path) -> None:
    routes = [route(f"10.{65 + (i >> 8)}.{i & 255}.0/24", med=i % 7) for i in range(1000)]

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            assert await ours.tell(*routes) == {}
            await until(lambda: "1000 of" in peer.ask("show", "route", "count", "protocol", "p4"))
            assert await ours.exabgp.advertised.read() == {each.key: each for each in routes}
            await ours.untell(*routes)
            await until(lambda: "0 of" in peer.ask("show", "route", "count", "protocol", "p4"))
            assert await ours.exabgp.advertised.read() == {}

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()) as peer:
        run(body)


def test_answers_stay_with_their_commands_when_one_is_refused(tmp_path: Path) -> None:
    """End-of-RIB to a peer that is gone is refused at once, ahead of routes that wait in ExaBGP."""

    async def body() -> None:
        async with node(tmp_path, session()) as ours:
            await ours.up()
            process = ours.exabgp._process
            assert process is not None
            good = "neighbor 10.0.0.2 announce attributes next-hop 10.0.0.1 origin igp nlri 10.65.0.0/26"
            bad = good.replace("10.65.0.0/26", "10.65.0.0/99")
            assert await process.commands.routes([good, bad, good]) == [True, False, True]
            assert not (await process.commands.alone("neighbor 10.0.0.9 announce eor ipv4 unicast")).ok
            assert (await process.commands.alone(good)).ok

    with network(*ADDRESSES), bird(tmp_path / "bird", bird_config()):
        run(body)
