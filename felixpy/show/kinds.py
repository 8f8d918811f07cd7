"""The columns of `get`, kind by kind, as Calico's users know them (calicoctl's resourcemgr). Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    BlockAffinity,
    CalicoNodeStatus,
    EndpointSlice,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    IPPool,
    IPReservation,
    Kind,
    Namespace,
    Node,
    Pod,
    Resource,
    Secret,
    Service,
    Spec,
    WorkloadEndpoint,
)
from felixpy.show.output import Column

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Item:
    """One row: the object, what its author wrote, and the cluster's AS number for nodes without their own."""

    resource: Resource[Any]
    document: Mapping[str, Any]
    global_as: int = 64512

    @property
    def spec(self) -> Any:
        """The decoded spec."""
        return self.resource.spec

    def given(self, field: str) -> object:
        """A field of the spec as written; None when its author left it out."""
        spec = self.document.get("spec")
        return spec.get(field) if isinstance(spec, Mapping) else None


def columns(kind: Kind) -> Sequence[Column[Item]]:
    """The columns for objects of `kind`; those of a kind without its own are namespace and name."""
    if kind.spec in TABLES:
        return TABLES[kind.spec]
    return (NAMESPACE, NAME) if kind.namespaced else (NAME,)


def masked(kind: Kind, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document for printing: a Secret shows its keys, never its values."""
    if kind.spec is not Secret:
        return document
    hidden = {key: dict.fromkeys(document[key], HIDDEN) for key in ("data", "stringData") if document.get(key)}
    return {**document, **hidden}


def _peer_node(item: Item) -> str:
    return str(item.spec.node or item.spec.node_selector or "(global)")


def _peer_ip(item: Item) -> str:
    return str(item.spec.peer_ip or item.spec.peer_selector or item.spec.local_workload_selector)


def _node_as(item: Item) -> str:
    own = item.spec.bgp.as_number if item.spec.bgp else None
    return str(own) if own is not None else f"({item.global_as})"


def _bgp(attribute: str) -> Callable[[Item], object]:
    return lambda item: getattr(item.spec.bgp, attribute) if item.spec.bgp else ""


def _free(item: Item) -> str:
    size = 1 << (item.spec.cidr.max_prefixlen - item.spec.cidr.prefixlen)
    used = sum(index is not None for index in item.spec.allocations)
    return f"{size - used}/{size}"


NAME: Column[Item] = Column("NAME", lambda i: i.resource.meta.name)
WIDE_NAME: Column[Item] = Column("NAME", lambda i: i.resource.meta.name, wide=True)
NAMESPACE: Column[Item] = Column("NAMESPACE", lambda i: i.resource.meta.namespace)

TABLES: Mapping[type[Spec], Sequence[Column[Item]]] = {
    BGPPeer: (
        NAME,
        Column("PEERIP", _peer_ip),
        Column("NODE", _peer_node),
        Column("ASN", lambda i: i.spec.as_number),
    ),
    BGPConfiguration: (
        NAME,
        Column("LOGSEVERITY", lambda i: i.given("logSeverityScreen")),
        Column("MESHENABLED", lambda i: i.given("nodeToNodeMeshEnabled")),
        Column("ASNUMBER", lambda i: i.given("asNumber")),
    ),
    BGPFilter: (
        NAME,
        Column("NUMEXPORTV4", lambda i: len(i.spec.export_v4)),
        Column("NUMIMPORTV4", lambda i: len(i.spec.import_v4)),
        Column("NUMEXPORTV6", lambda i: len(i.spec.export_v6)),
        Column("NUMIMPORTV6", lambda i: len(i.spec.import_v6)),
    ),
    IPPool: (
        NAME,
        Column("CIDR", lambda i: i.spec.cidr),
        Column("NAT", lambda i: i.spec.nat_outgoing, wide=True),
        Column("IPIPMODE", lambda i: i.spec.ipip_mode, wide=True),
        Column("VXLANMODE", lambda i: i.spec.vxlan_mode, wide=True),
        Column("DISABLED", lambda i: i.spec.disabled, wide=True),
        Column("DISABLEBGPEXPORT", lambda i: i.spec.disable_bgp_export, wide=True),
        Column("SELECTOR", lambda i: i.spec.node_selector),
        Column("ASSIGNMENTMODE", lambda i: i.spec.assignment_mode, wide=True),
    ),
    IPReservation: (NAME, Column("CIDRS", lambda i: ",".join(i.spec.reserved_cidrs)[:80], wide=True)),
    IPAMBlock: (
        NAME,
        Column("CIDR", lambda i: i.spec.cidr),
        Column("AFFINITY", lambda i: i.spec.affinity),
        Column("FREE", _free),
        Column("SEQUENCE", lambda i: i.spec.sequence_number, wide=True),
    ),
    BlockAffinity: (
        NAME,
        Column("NODE", lambda i: i.spec.node),
        Column("CIDR", lambda i: i.spec.cidr),
        Column("STATE", lambda i: i.spec.state or "confirmed"),
        Column("TYPE", lambda i: i.spec.type, wide=True),
    ),
    IPAMHandle: (
        NAME,
        Column("ADDRESSES", lambda i: sum(i.spec.block.values())),
        Column("BLOCKS", lambda i: tuple(i.spec.block), wide=True),
    ),
    IPAMConfig: (
        NAME,
        Column("STRICTAFFINITY", lambda i: i.spec.strict_affinity),
        Column("AUTOALLOCATE", lambda i: i.spec.auto_allocate_blocks),
        Column("MAXBLOCKS", lambda i: i.spec.max_blocks_per_host or 20),
    ),
    Node: (
        NAME,
        Column("ASN", _node_as, wide=True),
        Column("IPV4", _bgp("ipv4_address"), wide=True),
        Column("IPV6", _bgp("ipv6_address"), wide=True),
    ),
    WorkloadEndpoint: (
        WIDE_NAME,
        Column("WORKLOAD", lambda i: i.spec.pod or i.spec.workload or i.resource.meta.name),
        Column("NODE", lambda i: i.spec.node),
        Column("NETWORKS", lambda i: i.spec.ip_networks),
        Column("INTERFACE", lambda i: i.spec.interface_name),
        Column("PROFILES", lambda i: i.spec.profiles, wide=True),
        Column("NATS", lambda i: [f"{nat.external_ip}->{nat.internal_ip}" for nat in i.spec.ip_nats], wide=True),
    ),
    CalicoNodeStatus: (NAME, Column("NODE", lambda i: i.spec.node), Column("CLASSES", lambda i: i.spec.classes)),
    Secret: (NAMESPACE, NAME, Column("KEYS", lambda i: sorted(i.spec.data))),
    Service: (
        NAMESPACE,
        NAME,
        Column("TYPE", lambda i: i.spec.type),
        Column("CLUSTER-IP", lambda i: i.spec.cluster_ips or i.spec.cluster_ip),
        Column("EXTERNAL-IP", lambda i: (*i.spec.external_ips, *(g.ip for g in i.spec.load_balancer.ingress))),
    ),
    EndpointSlice: (
        NAMESPACE,
        NAME,
        Column("ADDRESSTYPE", lambda i: i.spec.address_type),
        Column("ENDPOINTS", lambda i: [address for e in i.spec.endpoints for address in e.addresses]),
    ),
    Namespace: (NAME, Column("STATUS", lambda i: i.spec.phase)),
    Pod: (
        NAMESPACE,
        NAME,
        Column("STATUS", lambda i: i.spec.phase),
        Column("NODE", lambda i: i.spec.node_name),
        Column("IPS", lambda i: [known.ip for known in i.spec.pod_ips]),
    ),
}
