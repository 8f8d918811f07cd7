"""Our route messages against pyroute2's encoding of the same routes: an oracle that others wrote."""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from felixpy.kernel.route_message import Shape, decode, erasing, writing
from felixpy.kernel.rtnetlink import NLM_F_CREATE, NLM_F_EXCL, messages
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind

V0, V1 = Device("v0"), Device("v1")
INDEX = {V0: 7, V1: 0x01020304}
NAME = {index: name for name, index in INDEX.items()}
ONLINK = 4


def key(prefix: str, metric: int = 1024, table: int = 254) -> RouteKey:
    return RouteKey(ip_network(prefix), table, metric)


def hop(via: str, device: Device = V0, weight: int = 1, onlink: bool = False) -> Hop:
    return Hop(ip_address(via), device, weight, onlink)


LOCAL = Route(key("10.65.0.2/32", 0), RouteKind.LOCAL, V0)
LOCAL6 = Route(key("fd65::2/128", 512), RouteKind.LOCAL, V1)
BLACKHOLE = Route(key("10.65.0.0/26"), RouteKind.BLACKHOLE)
PLAIN = Route(key("10.66.0.0/26", table=1000), RouteKind.LEARNED, hops=(hop("10.0.0.2"),))
PLAIN6 = Route(key("fd66::/122"), RouteKind.LEARNED, hops=(hop("fe80::2", V1, onlink=True),))
VIA6 = Route(key("10.67.0.0/26"), RouteKind.LEARNED, hops=(hop("fd00::2"),))
ECMP = Route(
    key("10.68.0.0/26"), RouteKind.LEARNED, hops=(hop("10.0.0.2", V0, 3), hop("10.0.0.3", V1, 256, onlink=True))
)
ECMP6 = Route(key("fd68::/122"), RouteKind.LEARNED, hops=(hop("fd00::2"), hop("fd00::3", V1, 2)))
MIXED = Route(key("10.69.0.0/26"), RouteKind.LEARNED, hops=(hop("10.0.0.2"), hop("fd00::2", V1)))
HOST = Route(key("169.254.64.1/32", table=255), RouteKind.HOST, V0)
ROUTES = [LOCAL, LOCAL6, HOST, BLACKHOLE, PLAIN, PLAIN6, VIA6, ECMP, ECMP6, MIXED]


def oracle(route: Route) -> bytes:
    """The same message as pyroute2 encodes it."""
    prefix, family = route.key.prefix, {4: 2, 6: 10}[route.key.prefix.version]
    attrs: list[list[Any]] = [["RTA_DST", str(prefix.network_address)]]
    if route.key.table > 255:
        attrs.append(["RTA_TABLE", route.key.table])
    if route.key.metric:
        attrs.append(["RTA_PRIORITY", route.key.metric])
    if route.device is not None:
        attrs.append(["RTA_OIF", INDEX[route.device]])
    elif len(route.hops) == 1:
        attrs += [gateway(family, route.hops[0]), ["RTA_OIF", INDEX[route.hops[0].device]]]
    elif route.hops:
        attrs.append(["RTA_MULTIPATH", [nexthop(family, each) for each in route.hops]])
    message = rtmsg()
    message["header"]["type"], message["header"]["flags"] = 24, 0x601
    message["header"]["sequence_number"] = message["header"]["pid"] = 0
    message["family"], message["dst_len"], message["proto"] = family, prefix.prefixlen, 80
    message["table"] = route.key.table if route.key.table < 256 else 252
    message["scope"] = {RouteKind.LOCAL: 253, RouteKind.HOST: 254}.get(route.kind, 0)
    message["type"] = {RouteKind.BLACKHOLE: 6, RouteKind.HOST: 2}.get(route.kind, 1)
    message["flags"] = ONLINK if len(route.hops) == 1 and route.hops[0].onlink else 0
    message["attrs"] = attrs
    message.encode()
    return bytes(message.data)


def gateway(family: int, each: Hop) -> list[Any]:
    if family == 2 and each.via.version == 6:
        return ["RTA_VIA", {"family": 10, "addr": str(each.via)}]
    return ["RTA_GATEWAY", str(each.via)]


def nexthop(family: int, each: Hop) -> dict[str, Any]:
    flags = ONLINK if each.onlink else 0
    attrs = [gateway(family, each)]
    return {"oif": INDEX[each.device], "hops": each.weight - 1, "flags": flags, "attrs": attrs}


def written(route: Route) -> Shape:
    return writing(route, 80, NLM_F_CREATE | NLM_F_EXCL, INDEX.__getitem__)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.kind.value}-{route.key.prefix}")
def test_our_bytes_are_pyroute2s(route: Route) -> None:
    assert written(route).message(route.key.prefix.network_address.packed) == oracle(route)


def test_the_oracle_tells_routes_apart() -> None:
    """The negative control: another device, metric or weight gives other bytes."""
    assert len({oracle(route) for route in ROUTES}) == len(ROUTES)
    assert written(LOCAL).message(LOCAL6.key.prefix.network_address.packed) != oracle(LOCAL)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.kind.value}-{route.key.prefix}")
def test_what_is_encoded_decodes_to_itself(route: Route) -> None:
    data = written(route).message(route.key.prefix.network_address.packed)
    (message,) = messages(data)
    found = decode(message.body, lambda index: NAME[index])
    assert found is not None
    assert (found.key, found.protocol, found.route) == (route.key, 80, route)


@pytest.mark.parametrize("shape_of", [written, lambda route: erasing(route, 80, INDEX.__getitem__)])
def test_every_message_is_aligned_and_tells_its_length(shape_of: Callable[[Route], Shape]) -> None:
    for route in ROUTES:
        data = shape_of(route).message(route.key.prefix.network_address.packed)
        assert len(data) % 4 == 0
        assert int.from_bytes(data[:4], "little") == len(data) or int.from_bytes(data[:4], "big") == len(data)


def test_erasing_names_the_device_where_the_metric_cannot_tell() -> None:
    """For the kernel a metric of 0 in RTM_DELROUTE means any metric."""
    assert (
        erasing(LOCAL, 80, INDEX.__getitem__).tail
        != erasing(Route(LOCAL.key, RouteKind.LOCAL, V1), 80, INDEX.__getitem__).tail
    )
    assert (
        erasing(LOCAL6, 80, INDEX.__getitem__).tail
        == erasing(Route(LOCAL6.key, RouteKind.LOCAL, V0), 80, INDEX.__getitem__).tail
    )


def test_a_cached_copy_and_a_route_by_tos_are_nobodys() -> None:
    (message,) = messages(written(LOCAL).message(bytes(4)))
    body = bytearray(message.body)
    body[3] = 8  # tos
    assert decode(bytes(body), lambda index: NAME[index]) is None
    body[3], body[8:12] = 0, (0x200).to_bytes(4, "little")
    assert decode(bytes(body), lambda index: NAME[index]) is None
