"""The table of kinds: name, plural, aliases, API group, and where each keeps its spec. Pure."""

from dataclasses import dataclass

from felixpy.model.errors import Usage
from felixpy.model.resources.bgp import BGPConfiguration, BGPFilter, BGPPeer
from felixpy.model.resources.core import ConfigMap, EndpointSlice, Namespace, Pod, Secret, Service
from felixpy.model.resources.felix import FelixConfiguration
from felixpy.model.resources.ipam import (
    BlockAffinity,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    IPPool,
    IPReservation,
)
from felixpy.model.resources.node import CalicoNodeStatus, Node, WorkloadEndpoint

Spec = (
    BGPConfiguration | BGPFilter | BGPPeer | BlockAffinity | CalicoNodeStatus | ConfigMap | EndpointSlice
    | FelixConfiguration | IPAMBlock | IPAMConfig | IPAMHandle | IPPool | IPReservation | Namespace | Node | Pod
    | Secret | Service | WorkloadEndpoint
)  # fmt: skip

CALICO = "projectcalico.org/v3"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource, as users name it."""

    spec: type[Spec]
    plural: str
    aliases: tuple[str, ...] = ()
    api: str = CALICO
    namespaced: bool = False
    machine_written: bool = False  # kept as JSON text: decoded first by the fast decoder

    @property
    def name(self) -> str:
        """`IPPool`."""
        return self.spec.__name__


KINDS: dict[type[Spec], Kind] = {
    kind.spec: kind
    for kind in (
        Kind(BGPConfiguration, "bgpconfigurations", ("bgpconfiguration", "bgpconfig", "bgpconfigs")),
        Kind(BGPPeer, "bgppeers", ("bgppeer", "bgpp", "bp")),
        Kind(BGPFilter, "bgpfilters", ("bgpfilter", "bgpf", "bf")),
        Kind(IPPool, "ippools", ("ippool", "ipp", "pool", "pools")),
        Kind(IPReservation, "ipreservations", ("ipreservation",)),
        Kind(IPAMBlock, "ipamblocks", ("ipamblock", "block", "blocks"), machine_written=True),
        Kind(BlockAffinity, "blockaffinities", ("blockaffinity", "affinity"), machine_written=True),
        Kind(IPAMHandle, "ipamhandles", ("ipamhandle", "handle"), machine_written=True),
        Kind(IPAMConfig, "ipamconfigs", ("ipamconfig", "ipamconfiguration", "ipamconfigurations")),
        Kind(Node, "nodes", ("node", "no")),
        Kind(
            WorkloadEndpoint,
            "workloadendpoints",
            ("workloadendpoint", "wep", "weps"),
            namespaced=True,
            machine_written=True,
        ),
        Kind(FelixConfiguration, "felixconfigurations", ("felixconfiguration", "felixconfig")),
        Kind(CalicoNodeStatus, "caliconodestatuses", ("caliconodestatus",)),
        Kind(ConfigMap, "configmaps", ("configmap", "cm"), api="v1", namespaced=True),
        Kind(Secret, "secrets", ("secret",), api="v1", namespaced=True),
        Kind(Service, "services", ("service", "svc"), api="v1", namespaced=True),
        Kind(EndpointSlice, "endpointslices", ("endpointslice",), api="discovery.k8s.io/v1", namespaced=True),
        Kind(Namespace, "namespaces", ("namespace", "ns"), api="v1"),
        Kind(Pod, "pods", ("pod", "po"), api="v1", namespaced=True),
    )
}


def kind_of(spec: Spec | type[Spec]) -> Kind:
    """The kind that a spec, or its type, belongs to."""
    return KINDS[spec if isinstance(spec, type) else type(spec)]


def kind_named(text: str) -> Kind:
    """The kind that a user means by `text`, in any case; Usage with the nearest names when there is none."""
    wanted = text.lower()
    for kind in KINDS.values():
        if wanted in (kind.name.lower(), kind.plural, *kind.aliases):
            return kind
    from difflib import get_close_matches

    near = get_close_matches(wanted, [kind.name.lower() for kind in KINDS.values()], n=2)
    hint = f"; nearest: {', '.join(near)}" if near else ""
    raise Usage(f"no kind of resource is named {text!r}{hint}")
