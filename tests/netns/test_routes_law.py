"""Whatever we and others did, in whatever order: a table with a history reads what one without reads."""

import asyncio
import errno
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import Device, Hop, Route, RouteKey, RouteKind
from felixpy.reconcile.plan import Plan
from tests.namespaces import Namespace

METRICS = (0, 512, 1024)
PREFIXES = ["10.65.0.2/32", "10.65.0.0/26", "10.66.0.0/26", "fd65::2/128", "fd66::/122"]
OURS, THEIRS = 80, 12


def key(prefix: str) -> RouteKey:
    return RouteKey(ip_network(prefix), metric=512 if ":" in prefix else 0)


def shapes(prefix: str) -> list[Route]:
    gateways = ("fd00::2", "fd00::3") if ":" in prefix else ("10.0.0.2", "10.0.0.3")
    hops = tuple(Hop(ip_address(via), Device("v0")) for via in gateways)
    return [
        Route(key(prefix), RouteKind.LOCAL, Device("v0")),
        Route(key(prefix), RouteKind.LOCAL, Device("v1")),
        Route(key(prefix), RouteKind.BLACKHOLE),
        Route(key(prefix), RouteKind.LEARNED, hops=hops[:1]),
        Route(key(prefix), RouteKind.LEARNED, hops=hops),
    ]


ROUTES = st.sampled_from([route for prefix in PREFIXES for route in shapes(prefix)])
PLANS = st.builds(
    lambda routes, erased: Plan({r.key: r for r in routes}, frozenset(map(key, erased)) - {r.key for r in routes}),
    st.lists(ROUTES, max_size=4),
    st.lists(st.sampled_from(PREFIXES), max_size=2),
)
Steps = list[tuple[str, Plan[RouteKey, Route]]]
STEPS: st.SearchStrategy[Steps] = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["ours", "twin", "theirs"]), PLANS), st.tuples(st.just("read"), st.just(Plan({})))
    ),
    max_size=12,
)


def table(protocol: int, *, shared: bool = False) -> KernelRoutes:
    return KernelRoutes(protocol, METRICS, lambda _key, _route: True, shared=shared)


async def lived(steps: Steps, *, shared: bool) -> tuple[Mapping[RouteKey, Route], ...]:
    """Do the steps; what the table with a history reads, what a new one reads, what the other owner holds."""
    ours, theirs = table(OURS, shared=shared), table(THEIRS)
    for who, plan in steps:
        match who:
            case "ours":
                refused = await ours.apply(plan)
            case "twin":  # another process with our protocol, as after a restart of ours
                refused = await table(OURS, shared=shared).apply(plan)
            case "theirs":
                before = await ours.read()
                refused = await theirs.apply(plan)
                assert await table(OURS, shared=shared).read() == before, "a writer never touches what another owns"
            case _:
                refused = {}
                await ours.read()
        assert {refusal.code for refusal in refused.values()} <= {errno.EEXIST}
    return await ours.read(), await table(OURS, shared=shared).read(), await table(THEIRS).read()


def wipe(netns: Namespace) -> None:
    netns.run("ip", "nexthop", "flush")  # with their routes, which `ip route flush` does not know how to remove
    for protocol in (OURS, THEIRS):
        for family in ("-4", "-6"):
            netns.run("ip", family, "route", "flush", "table", "all", "proto", str(protocol))


@pytest.mark.parametrize("shared", [False, True], ids=["plain", "by nexthop objects"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_history_does_not_show(netns: Namespace, steps: Steps, shared: bool) -> None:
    if "v0" not in netns.run("ip", "-br", "link"):
        lines = "link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\naddr add 10.0.0.1/24 dev v0\n"
        netns.run("ip", "-batch", "-", given=lines + "addr add fd00::1/64 dev v0 nodad\n")
    wipe(netns)
    with_history, without, theirs = asyncio.run(lived(steps, shared=shared))
    assert with_history == without
    assert not with_history.keys() & theirs.keys()


def test_the_law_sees_a_table_that_believes_itself(netns: Namespace) -> None:
    """The negative control: without reading, what we wrote is not what there is."""
    netns.run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    netns.run("ip", "link", "set", "v0", "up")
    route = shapes("10.65.0.2/32")[0]

    async def run() -> None:
        ours = table(OURS)
        await ours.apply(Plan({route.key: route}))
        netns.run("ip", "route", "del", "10.65.0.2/32")
        assert ours._held(route.key) == route
        assert await ours.read() == {}
        assert ours._held(route.key) is None

    asyncio.run(run())
