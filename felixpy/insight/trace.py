"""Two ends, both ways: every station on the way with its proof; the first that fails, with what mends it. Pure."""

from collections.abc import Iterator

from felixpy.insight.lookup import Decision, parsed
from felixpy.insight.view import NetworkView
from felixpy.insight.walk import End, Hop, Walk, walk
from felixpy.model.addresses import Address
from felixpy.model.facts import RouteFact
from felixpy.model.status import Record, RouteStatus

DEFAULT_RULES = 3  # local, main, default


class Place(Record, frozen=True):
    """One end of a trace."""

    address: str
    name: str  # `pod default/web`, `node n1`, or the address again
    node: str  # where it starts or ends; "" when no node in view has it
    device: str = ""  # the pod's interface on the node


class Station(Record, frozen=True):
    """One thing that a packet meets on its way."""

    node: str
    what: str  # pod | rule | route | next hop | link | node | delivery
    passed: bool
    text: str
    fix: str = ""


class Direction(Record, frozen=True):
    """One way, from `source` to `destination`."""

    source: Place
    destination: Place
    arrives: bool
    end: str  # as in walk.End
    mtu: int  # the smallest of the links on the way, bytes; 0 when unknown
    stations: tuple[Station, ...]

    @property
    def failure(self) -> Station | None:
        """The first station that fails."""
        return next((station for station in self.stations if not station.passed), None)


FIXES = {
    End.NO_ROUTE: "birdpy explain {to} --node {at} says why no route for it is here",
    End.DROPPED: "the address is in a block of this node and no pod holds it: felixpy ipam why {to}",
    End.LINK_DOWN: "bring the link up: ip link show on {at}; other paths: birdpy rib {to} --node {at}",
    End.NEIGHBOUR_FAILED: "the next hop is silent: is its node alive, its link up, its VLAN the same?",
    End.NOT_FORWARDING: "felixpy sets ip_forward while it runs; who switched it off on {at}?",
    End.REVERSE_PATH: "make the routes of both ways use one interface, or set its rp_filter to 2 (loose) on {at}",
    End.LOOP: "two nodes send it to each other: compare birdpy explain {to} on each",
    End.UNKNOWN: "start felixpy or birdpy on {at}, or look there by hand",
    End.LEAVES: "the way goes on outside of what can be seen; the probe says whether it arrives",
}


def trace(view: NetworkView, source: Place, destination: Place) -> Direction:
    """The way from `source` to `destination` as the kernels' tables have it."""
    to, origin = _address(destination), _address(source)
    if not source.node:
        missing = Station(
            node="", what="pod", passed=False, text=f"no node in view holds {source.address}",
            fix=f"felixpy ipam why {source.address} says who had it",
        )  # fmt: skip
        return _direction(source, destination, None, (missing,))
    way = walk(view, source.node, to, origin)
    stations = (*_start(view, source), *(it for hop in way.hops for it in _stations(view, hop, way, to)))
    return _direction(source, destination, way, (*stations, *_delivery(view, way, destination)))


def _direction(source: Place, destination: Place, way: Walk | None, stations: tuple[Station, ...]) -> Direction:
    return Direction(
        source=source,
        destination=destination,
        arrives=all(station.passed for station in stations),
        end=way.end.value if way else "",
        mtu=way.mtu if way else 0,
        stations=stations,
    )


def places(view: NetworkView, address: Address) -> Place:
    """Who holds an address: a pod, a node, or nobody in view."""
    for node, endpoint in view.pods.get(address, ()):
        return Place(address=str(address), name=f"pod {endpoint.pod}", node=node, device=endpoint.device)
    for port in view.ports.get(address, ()):
        return Place(address=str(address), name=f"node {port.node}", node=port.node)
    return Place(address=str(address), name=str(address), node="")


def _start(view: NetworkView, source: Place) -> Iterator[Station]:
    if not source.device:
        return
    node = view.nodes[source.node]
    endpoint = node.endpoint_on(source.device)
    link = node.links.get(source.device)
    if endpoint is not None and endpoint.state != "up":
        text = f"{source.name} is {endpoint.state}: {endpoint.reason}"
        yield Station(
            node=source.node, what="pod", passed=False, text=text, fix=f"felixpy pod list --node {source.node}"
        )
    elif node.facts is not None and (link is None or not (link.up and link.carrier)):
        text = f"{source.device} of {source.name} is {'down' if link else 'gone'}"
        yield Station(node=source.node, what="pod", passed=False, text=text, fix="attach the pod anew")
    else:
        text = f"{source.name} sends from {source.address} by {source.device}"
        yield Station(node=source.node, what="pod", passed=True, text=text)


def _stations(view: NetworkView, hop: Hop, way: Walk, to: Address) -> Iterator[Station]:
    last = hop is way.hops[-1]
    stopped = way.end if last and not way.end.good else None
    yield from _rules(hop)
    yield _route(view, hop, stopped, to)
    if hop.way is None or stopped in (End.NO_ROUTE, End.DROPPED, End.NOT_FORWARDING, End.REVERSE_PATH):
        return
    if hop.link is not None:
        passed = stopped is not End.LINK_DOWN
        text = f"{hop.link.name} {_state(hop)}, MTU {hop.link.mtu}"
        yield Station(
            node=hop.node, what="link", passed=passed, text=text, fix="" if passed else _fix(End.LINK_DOWN, hop, to)
        )
    if hop.way.via is not None:
        passed = stopped is not End.NEIGHBOUR_FAILED
        entry = (
            f"{hop.neighbour.mac or 'no address'}, {hop.neighbour.state}" if hop.neighbour else "not asked for yet"
        )
        text = f"{hop.way.via} behind {hop.way.device} ({entry})"
        fix = "" if passed else _fix(End.NEIGHBOUR_FAILED, hop, to)
        yield Station(node=hop.node, what="next hop", passed=passed, text=text, fix=fix)


def _state(hop: Hop) -> str:
    assert hop.link is not None
    return "is down" if not hop.link.up else "has no carrier" if not hop.link.carrier else "is up"


def _fix(end: End, hop: Hop, to: Address) -> str:
    return FIXES[end].format(to=to, at=hop.node)


def _rules(hop: Hop) -> Iterator[Station]:
    for rule in hop.decision.passed_over:
        text = f"rule {rule.priority} to table {rule.table} has conditions that cannot be judged here; passed over"
        yield Station(node=hop.node, what="rule", passed=True, text=text)


def _route(view: NetworkView, hop: Hop, stopped: End | None, to: Address) -> Station:
    decision = hop.decision
    said = _said(view, hop, decision.route)
    text = f"{shown(decision.route)}{said}" if decision.route else f"no route to {to}"
    if decision.route is None and decision.kind not in ("none", "forward", "local"):
        text = f"a rule says {decision.kind}"
    if len(decision.ways) > 1:
        text += f"; {len(decision.ways)} equal ways, {hop.way.via if hop.way else ''} is followed here"
    here = stopped in (End.NO_ROUTE, End.DROPPED, End.NOT_FORWARDING, End.REVERSE_PATH, End.LOOP)
    if here and stopped in (End.NOT_FORWARDING, End.REVERSE_PATH, End.LOOP) and stopped is not None:
        text = f"{stopped.value}; {text}"
    if stopped is End.LINK_DOWN and decision.kind == "none":
        text = f"{_unusable(decision)}; no other route"
        here = True
    return Station(
        node=hop.node, what="route", passed=not here, text=text,
        fix=_fix(stopped, hop, to) if here and stopped else "",
    )  # fmt: skip


def _unusable(decision: Decision) -> str:
    return ", ".join(f"{way.via or 'the way'} dev {way.device} is down" for way in decision.unusable)


def shown(route: RouteFact) -> str:
    """A route as `ip route` prints it, with its first way."""
    kind = "" if route.kind in ("unicast", "local") else f"{route.kind} "
    ways = [f" via {way.via} dev {way.device}" if way.via else f" dev {way.device}" for way in route.ways[:1]]
    table = f" table {route.table}" if route.table not in (254, 255) else ""
    return f"{kind}{route.prefix}{''.join(ways)}{table} proto {route.protocol}"


def _said(view: NetworkView, hop: Hop, route: RouteFact | None) -> str:
    """What the daemons say of the route: whose it is and which rule chose it."""
    row = _row(view, hop, route)
    if row is None or row.origin is None:
        return ""
    path = f", AS path {' '.join(map(str, row.as_path))}" if row.as_path else ""
    rule = f", {row.origin.rule}" if row.origin.rule else ""
    return f" ({row.origin.kind} {row.origin.name}{path}{rule})"


def _row(view: NetworkView, hop: Hop, route: RouteFact | None) -> RouteStatus | None:
    rows = view.nodes[hop.node].routes
    if rows is None or route is None:
        return None
    wanted = parsed(route.prefix)
    return next((row for row in rows.routes if row.metric == route.metric and parsed(row.prefix) == wanted), None)


def _delivery(view: NetworkView, way: Walk, destination: Place) -> Iterator[Station]:
    if way.end is End.UNKNOWN:
        fix = FIXES[End.UNKNOWN].format(at=way.at, to=destination.address)
        yield Station(node=way.at, what="node", passed=False, text=f"{way.at} could not be looked into", fix=fix)
    if not way.end.good or way.end is End.UNKNOWN:
        return
    wanted = destination.name.removeprefix("pod ").removeprefix("node ")
    at = way.hops[-1].node if way.hops else way.at
    wrong = destination.node != "" and way.end is not End.LEAVES and way.at != wanted
    if wrong:
        text = f"{way.end.value} {way.at}, which is not {destination.name}"
        fix = f"two hold {destination.address}: felixpy ipam why {destination.address}"
        yield Station(node=at, what="delivery", passed=False, text=text, fix=fix)
        return
    lost = destination.node != "" and way.end is End.LEAVES
    text = f"{way.end.value} {way.at}" if way.end is not End.HOST else f"delivered to {destination.name}"
    yield Station(node=at, what="delivery", passed=not lost, text=text, fix=FIXES[End.LEAVES] if lost else "")


def _address(place: Place) -> Address:
    return parsed(place.address).network_address
