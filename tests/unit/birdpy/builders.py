"""Plain functions with defaults for the nouns of birdpy."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import structs

from birdpy.policy.session import Session, Speaker
from birdpy.rib.path import Attributes, OriginCode, Path
from felixpy.model.addresses import Asn, Family, family
from felixpy.model.fib import ConnectedRoute, ConnectedRoutes
from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPFilterRule,
    BGPPeer,
    BlockAffinity,
    IPAMBlock,
    IPPool,
    Metadata,
    Node,
    NodeBGP,
    Resource,
    Secret,
    Spec,
)
from felixpy.model.routes import Device
from felixpy.model.snapshot import Listed, Snapshot

AS = Asn(64512)


def resource(name: str, spec: Any, *, labels: Mapping[str, str] = {}, notes: Mapping[str, str] = {}) -> Resource[Any]:
    namespace, _, short = name.rpartition("/")
    return Resource(Metadata(short, namespace, labels=dict(labels), annotations=dict(notes)), spec)


def node(name: str, *addresses: str, **bgp: Any) -> Resource[Node]:
    labels = bgp.pop("labels", {})
    four = next((a for a in addresses if "." in a), "")
    six = next((a for a in addresses if ":" in a), "")
    if "cluster_id" in bgp:
        bgp["route_reflector_cluster_id"] = ip_address(bgp.pop("cluster_id"))
    if "asn" in bgp:
        bgp["as_number"] = Asn(bgp.pop("asn"))
    return resource(name, Node(bgp=NodeBGP(ipv4_address=four, ipv6_address=six, **bgp)), labels=labels)


def peer(name: str = "p", *, notes: Mapping[str, str] = {}, **fields: Any) -> Resource[BGPPeer]:
    for key in ("as_number", "local_as_number"):
        if key in fields:
            fields[key] = Asn(fields[key])
    if "reachable_by" in fields:
        fields["reachable_by"] = ip_address(fields["reachable_by"])
    return resource(name, BGPPeer(**fields), notes=notes)


def configuration(name: str = "default", **fields: Any) -> Resource[BGPConfiguration]:
    return resource(name, BGPConfiguration(**fields))


def bgp_filter(name: str, direction: str, *rules: BGPFilterRule, kind: int = 4) -> Resource[BGPFilter]:
    return resource(name, BGPFilter(**{f"{direction}_v{kind}": rules}))


def pool(cidr: str, name: str = "", **fields: Any) -> Resource[IPPool]:
    return resource(name or cidr.replace("/", "-").replace(":", "-"), IPPool(cidr=ip_network(cidr), **fields))


def affinity(node_name: str, cidr: str, state: str = "confirmed", **fields: Any) -> Resource[BlockAffinity]:
    name = f"{node_name}-{cidr.replace('/', '-').replace(':', '-').replace('.', '-')}"
    return resource(name, BlockAffinity(cidr=ip_network(cidr), node=node_name, state=state, **fields))


def block(cidr: str, owner: str) -> Resource[IPAMBlock]:
    return resource(cidr.replace("/", "-"), IPAMBlock(cidr=ip_network(cidr), affinity=f"host:{owner}"))


def secret(name: str, **data: str) -> Resource[Secret]:
    return resource(name, Secret(data={key: b64encode(value.encode()).decode() for key, value in data.items()}))


def snapshot(*resources: Resource[Any]) -> Snapshot:
    kinds: dict[type[Spec], dict[str, Resource[Any]]] = {}
    for one in resources:
        kinds.setdefault(type(one.spec), {})[one.name] = one
    now = Snapshot()
    for kind, objects in kinds.items():
        now = now.after(Listed(kind, objects))
    return now


def session(address: str = "10.0.0.2", name: str = "", **fields: Any) -> Session:
    made = Session(
        name=name or f"Node_{address.replace('.', '_').replace(':', '_')}",
        address=ip_address(address),
        port=179,
        local_as=AS,
        peer_as=AS,
        source_address=ip_address("10.0.0.1" if "." in address else "fd00::1"),
        families=frozenset[Family]({family(ip_address(address))}),
    )
    return replace(made, **fields)


def external(address: str = "10.0.0.9", asn: int = 65001, **fields: Any) -> Session:
    return session(address, f"Global_{address.replace('.', '_')}", peer_as=Asn(asn), **fields)


def speaker(*sessions: Session, **fields: Any) -> Speaker:
    made = Speaker(
        node="n1",
        router_id=ip_address("10.0.0.1"),
        local_as=AS,
        listen_port=179,
        listen_addresses=(ip_address("0.0.0.0"),),
        sessions=tuple(sessions),
        addresses=(ip_address("10.0.0.1"), ip_address("fd00::1")),
        owners={ip_address(f"10.0.0.{n}"): f"n{n}" for n in range(1, 8)},
    )
    return replace(made, **fields)


def attributes(*as_path: int, **fields: Any) -> Attributes:
    return structs.replace(Attributes(OriginCode.IGP, tuple(map(Asn, as_path))), **fields)


def path(prefix: str = "10.65.1.0/26", next_hop: str | None = "10.0.0.2", **fields: Any) -> Path:
    """A path from 10.0.0.2, an internal peer, unless said otherwise."""
    given: dict[str, Any] = {
        "attributes": attributes(),
        "session": "Node_10_0_0_2",
        "peer": ip_address("10.0.0.2"),
        "peer_id": int(ip_address("10.0.0.2")),
    }
    return Path(ip_network(prefix), ip_address(next_hop) if next_hop else None, **{**given, **fields})


def way(prefix: str, device: str = "eth0", gateway: str | None = None, **fields: Any) -> ConnectedRoute:
    via = ip_address(gateway) if gateway else None
    return ConnectedRoute(ip_network(prefix), Device(device), via, **{"protocol": 2 if via is None else 4, **fields})


def routes(*ways: ConnectedRoute) -> ConnectedRoutes:
    return ConnectedRoutes.of(ways)


def communities(*values: tuple[int, int]) -> frozenset[tuple[int, int]]:
    return frozenset(values)


def names(sessions: Iterable[Session]) -> list[str]:
    return [one.name for one in sessions]


__all__ = [
    "AS", "affinity", "attributes", "bgp_filter", "block", "communities", "configuration", "external",
    "names", "node", "path", "peer", "pool", "resource", "routes", "secret", "session", "snapshot", "speaker", "way",
]  # fmt: skip
