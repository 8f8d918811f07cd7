"""ExaBGP's lines to events: samples as ExaBGP 5.0.15 wrote them."""

from ipaddress import ip_address, ip_network

import pytest

from birdpy.exabgp.decode import Undecodable, decode
from birdpy.rib.events import (
    Acked,
    Down,
    EndOfRib,
    Event,
    Malformed,
    Notified,
    Opened,
    Overflow,
    Reach,
    Refresh,
    Shutdown,
    Unreach,
    Up,
    Update,
)
from birdpy.rib.path import Attributes, OriginCode

PEER = ip_address("10.99.0.2")
HEAD = '{ "exabgp": "5.0.0", "time": 1795168645.57, "host" : "vm", "pid" : 1, "ppid" : 1, "counter": 13, '
NEIGHBOR = (
    '"neighbor": { "address": { "local": "10.99.0.1", "peer": "10.99.0.2" }, "asn": { "local": 65001, "peer": 65002 }'
    ', "router-id": "10.99.0.1" , '
)


def line(kind: str, content: str) -> bytes:
    return f'{HEAD}"type": "{kind}", {NEIGHBOR}{content} }} }}'.encode()


def update(attribute: str, content: str) -> bytes:
    both = f'"attribute": {{ {attribute} }}, {content}' if attribute else content
    return line("update", f'"direction": "receive", "message": {{ "update": {{ {both} }} }}')


def only(text: bytes) -> Event:
    (event,) = decode(text)
    return event


PATH = '"origin": "igp", "as-path": {"0": {"element": "as-sequence", "value": [65002]}}'
ONE = '"announce": { "ipv4 unicast": { "10.99.0.77": [ { "nlri": "203.0.113.0/24" } ] } }'


def test_an_announcement_carries_all_its_attributes() -> None:
    event = only(
        update(
            '"origin": "egp", "as-path": {"0": {"element": "as-sequence", "value": [65002, 7]}, '
            '"1": {"element": "as-set", "value": [9, 8]}}, "med": 55, "local-preference": 321, '
            '"community": [ [ 65002, 100 ] ], "extended-community": [ { "value": 1, "string": "target:65002:7" } ], '
            '"large-community": [ [ 65002, 1 , 2 ] ], "originator-id": "1.2.3.4", "cluster-list": [ "5.6.7.8" ], '
            '"atomic-aggregate": true, "aggregator": "65001:10.0.0.1", "attribute-0x63-0xE0": "0x616263"',
            ONE,
        )
    )
    assert event == Update(
        PEER,
        announced=(Reach(ip_network("203.0.113.0/24"), ip_address("10.99.0.77")),),
        attributes=Attributes(
            origin=OriginCode.EGP,
            as_path=(65002, 7),  # type: ignore[arg-type]
            as_sets=(frozenset({8, 9}),),  # type: ignore[arg-type]
            med=55,
            local_pref=321,
            communities=frozenset({(65002, 100)}),
            large_communities=frozenset({(65002, 1, 2)}),
            extended_communities=frozenset({"target:65002:7"}),
            originator_id=ip_address("1.2.3.4"),
            cluster_list=(ip_address("5.6.7.8"),),
            atomic_aggregate=True,
            aggregator="65001:10.0.0.1",
        ),
    )


def test_equal_attributes_are_one_object() -> None:
    first, second = only(update(PATH, ONE)), only(update(PATH, ONE.replace("113", "114")))
    assert isinstance(first, Update) and isinstance(second, Update)
    assert first.attributes is second.attributes


def test_withdrawals_need_no_attributes() -> None:
    told = '"withdraw": { "ipv4 unicast": [ { "nlri": "198.51.100.0/25", "path-information": "0.0.0.2" } ] }'
    assert only(update("", told)) == Update(PEER, withdrawn=(Unreach(ip_network("198.51.100.0/25"), 2),))


@pytest.mark.parametrize("order", [("2001:db8::1", "fe80::1"), ("fe80::1", "2001:db8::1")])
def test_of_a_32_byte_next_hop_the_global_half_is_kept_once(order: tuple[str, str]) -> None:
    hops = ", ".join(f'"{hop}": [ {{ "nlri": "2001:db8:1::/48" }} ]' for hop in order)
    event = only(update(PATH, f'"announce": {{ "ipv6 unicast": {{ {hops} }} }}'))
    assert isinstance(event, Update)
    assert event.announced == (Reach(ip_network("2001:db8:1::/48"), ip_address("2001:db8::1")),)


def test_a_lone_link_local_next_hop_stays() -> None:
    event = only(update(PATH, '"announce": { "ipv6 unicast": { "fe80::1": [ { "nlri": "2001:db8:1::/48" } ] } }'))
    assert isinstance(event, Update) and event.announced[0].next_hop == ip_address("fe80::1")


@pytest.mark.parametrize(
    ("attribute", "faults"),
    [
        (PATH, ()),
        ('"origin": "igp"', ("no as path",)),
        ('"origin": "igp", "as-path": {}', ("no as path",)),
        (PATH.replace('"origin": "igp", ', ""), ("no origin",)),
        (PATH.replace("igp", "invalid"), ("invalid origin",)),
        (PATH.replace("as-sequence", "as-confed-sequence"), ("confederation segment in the as path",)),
    ],
)
def test_faults_that_exabgp_lets_through_are_named(attribute: str, faults: tuple[str, ...]) -> None:
    event = only(update(attribute, ONE))
    assert isinstance(event, Update) and event.attributes.faults == faults


def test_a_missing_next_hop_is_a_fault_and_no_address() -> None:
    event = only(update(PATH, ONE.replace("10.99.0.77", "no-nexthop")))
    assert isinstance(event, Update)
    assert event.announced[0].next_hop is None and event.attributes.faults == ("no next hop",)


def test_treat_as_withdraw_withdraws() -> None:
    malformed, event = decode(update(f'{PATH}, "error": "treat-as-withdraw due to med"', ONE))
    assert malformed == Malformed(PEER, (ip_network("203.0.113.0/24"),), "treat-as-withdraw due to med")
    assert isinstance(event, Update)
    assert not event.announced and event.withdrawn == (Unreach(ip_network("203.0.113.0/24")),)


def test_routes_that_exabgp_has_withdrawn_for_an_error_are_told_with_the_error() -> None:
    gone = '"withdraw": { "ipv4 unicast": [ { "nlri": "203.0.113.0/24" } ] }'
    malformed, event = decode(update(f'{PATH}, "error": "treat-as-withdraw"', gone))
    assert malformed == Malformed(PEER, (ip_network("203.0.113.0/24"),), "treat-as-withdraw")
    assert isinstance(event, Update) and event.withdrawn == (Unreach(ip_network("203.0.113.0/24")),)
    assert [type(each) for each in decode(update(f'{PATH}, "error": "discard"', gone))] == [Update]


def test_families_that_we_do_not_carry_are_left_out() -> None:
    told = '"announce": { "ipv4 flow": { "no-nexthop": [ { "nlri": "x" } ] } }'
    assert decode(update(PATH, told)) == []


OPEN = (
    '"direction": "receive", "open": { "version": 4, "asn": 23456, "hold_time": 30, "router_id": "10.99.0.2", '
    '"capabilities": { "1": { "name": "multiprotocol", "families": [ "ipv4/unicast", "ipv6/unicast" ] }, '
    '"2": { "name": "route-refresh", "variant": "RFC" }, "64": { "name": "graceful restart", "time": 120, '
    '"address-family-flags": { "ipv4/unicast": [ "restart" ] , "ipv6/unicast": [ ] }, '
    '"restart-flags": [ "forwarding" ]  }, "65": { "name": "asn4", "asn4": 4200000000 }, '
    '"69": { "name": "addpath", "ipv4/unicast": "send/receive" }, "70": { "name": "enhanced-route-refresh" } } }'
)


def test_an_open_tells_what_the_peer_can() -> None:
    assert only(line("open", OPEN)) == Opened(
        PEER,
        router_id=int(ip_address("10.99.0.2")),
        asn=4200000000,
        hold_time=30,
        families=frozenset({4, 6}),
        graceful_restart_s=120,
        restarting=True,
        forwarding_kept=frozenset({4}),
        route_refresh=True,
        enhanced_refresh=True,
        add_path=frozenset({4}),
    )


def test_our_own_open_is_no_event() -> None:
    assert decode(line("open", OPEN.replace("receive", "send"))) == []


REFRESH = '"direction": "receive", "route-refresh": { "afi": "ipv4", "safi": "unicast", "subtype": "begin" }'


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"done", [Acked(ok=True)]),
        (b"error", [Acked(ok=False)]),
        (b"overflow 7", [Overflow(7)]),
        (line("state", '"state": "connected"'), []),
        (line("state", '"state": "up"'), [Up(PEER, ip_address("10.99.0.1"))]),
        (line("state", '"state": "down", "reason": "closing connection"'), [Down(PEER, "closing connection")]),
        (line("update", '"message": { "eor": { "afi" : "ipv6", "safi" : "unicast" } }'), [EndOfRib(PEER, 6)]),
        (line("refresh", REFRESH), [Refresh(PEER, 4, "begin")]),
        (
            line(
                "notification",
                '"direction": "send", "notification": { "code": 3, "subcode": 1, "data": "0x69", "message": "no" }',
            ),
            [Notified(PEER, True, 3, 1, "no")],
        ),
        (b'{ "exabgp": "5.0.0", "type": "notification", "notification": "shutdown" }', [Shutdown()]),
        (line("keepalive", '"direction": "receive"'), []),
    ],
)  # fmt: skip
def test_every_kind_of_line_has_its_event(text: bytes, events: list[Event]) -> None:
    assert decode(text) == events


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b"overflow x",
        line("state", '"state": 7'),
        update(PATH, ONE.replace("203.0.113.0/24", "203.0.113.0/33")),
        update(PATH.replace("65002", '"x"'), ONE),
        line("state", '"state": "up"').replace(b'"peer": "10.99.0.2"', b'"peer": "here"'),
    ],
)
def test_a_line_that_means_nothing_is_undecodable(text: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(text)


@pytest.mark.parametrize(("how", "takes"), [("send/receive", True), ("receive", True), ("send", False), ("x", False)])
def test_several_paths_are_told_only_to_a_peer_that_takes_them(how: str, takes: bool) -> None:
    told = only(line("open", OPEN.replace("send/receive", how)))
    assert isinstance(told, Opened)
    assert told.add_path == (frozenset({4}) if takes else frozenset())


def test_a_peer_says_that_it_takes_ipv4_by_way_of_ipv6() -> None:
    offered = '"5": { "name": "nexthop", "conversion": [ "ipv4/unicast/ipv6" ] }, "69"'
    told = only(line("open", OPEN.replace('"69"', offered)))
    assert isinstance(told, Opened)
    assert told.extended_next_hop
