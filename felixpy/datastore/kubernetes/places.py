"""Where the API server keeps each kind, and which of its objects concern one node. Pure.

A daemon asks for what its node needs and no more: 5000 nodes that all watch all pods would bring the server down.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from felixpy.model.resources import (
    KINDS,
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPAMConfig,
    Kind,
    Namespace,
    Node,
    Pod,
    Spec,
    WorkloadEndpoint,
    kind_of,
)
from felixpy.model.resources.kinds import CALICO

CRD_GROUP = "crd.projectcalico.org"
V3_GROUP = "projectcalico.org"
HOSTNAME_HASH = "projectcalico.org/hostname-hash"
AFFINITY_TYPE = "projectcalico.org/affinity-type"
IP_VERSION = "projectcalico.org/ip-version"


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the cluster one program looks at; without `node` everything.

    `everyone`: all Nodes, as a router needs them, not only this one. `namespace`: where the Secrets of passwords are.
    `keep`: the folders to write down what is known, that of Secrets second.
    """

    node: str = ""
    everyone: bool = True
    namespace: str = "kube-system"
    keep: tuple[Path, Path] | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What this server has of what differs between clusters."""

    calico: str = f"{CRD_GROUP}/v1"
    slices: str = "discovery.k8s.io/v1"
    missing: frozenset[type[Spec]] = frozenset()  # kinds whose CRD is not installed


@dataclass(frozen=True, slots=True)
class Place:
    """The path of one kind, and what narrows a list or watch of it."""

    kind: Kind
    prefix: str
    plural: str
    metadata_only: bool = False
    selectors: Mapping[str, str] = field(default_factory=dict)  # fieldSelector, labelSelector

    def only(self, name: str) -> "Place":
        """The same, for one object; access may then be granted by its name (`resourceNames`)."""
        namespace, _, own = name.rpartition("/")
        prefix = f"{self.prefix}/namespaces/{namespace}" if namespace else self.prefix
        return replace(self, prefix=prefix, selectors={"fieldSelector": f"metadata.name={own}"})

    def collection(self, namespace: str = "") -> str:
        """The path to list, watch and create."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.prefix}{inside}/{self.plural}"

    def object(self, name: str) -> str:
        """The path of one object by `name` or `namespace/name`."""
        namespace, _, own = name.rpartition("/")
        return f"{self.collection(namespace)}/{own}"


def place(kind: type[Spec], scope: Scope, served: Served) -> Place:
    """Where `kind` is kept, narrowed to `scope`."""
    known = KINDS[kind]
    if kind is Node:
        only = bool(scope.node) and not scope.everyone
        # Of all nodes the metadata is enough; this one's own addresses are in its status.
        own = {"fieldSelector": f"metadata.name={scope.node}"} if only else {}
        return Place(known, "/api/v1", "nodes", not only, own)
    if kind is Namespace:
        return Place(known, "/api/v1", "namespaces", bool(scope.node))
    if kind in (WorkloadEndpoint, Pod):
        own = {"fieldSelector": f"spec.nodeName={scope.node}"} if scope.node else {}
        return Place(known, "/api/v1", "pods", selectors=own)
    if kind is EndpointSlice:
        return Place(known, f"/apis/{served.slices}", known.plural)
    if known.api == "v1":
        return Place(known, "/api/v1", known.plural)
    own = {}
    if kind in (BlockAffinity, IPAMBlock) and scope.node:
        own = {"labelSelector": f"{HOSTNAME_HASH}={hostname_hash(scope.node)}"}
    plural = "ipamconfigurations" if kind is IPAMConfig and served.calico == CALICO else known.plural
    return Place(known, f"/apis/{served.calico}", plural, selectors=own)


def api_version(kind: type[Spec], served: Served) -> str:
    """`apiVersion` of an object of `kind` on this server."""
    known = kind_of(kind)
    if kind is EndpointSlice:
        return served.slices
    return served.calico if known.api == CALICO else known.api


def hostname_hash(node: str) -> str:
    """The value of Calico's label for a node's own objects: SHA3-256 in base 32, as in libcalico-go's model."""
    return base64.b32encode(hashlib.sha3_256(node.encode()).digest()).decode().rstrip("=")


def own_labels(spec: object) -> dict[str, str]:
    """The labels by which a node finds its own blocks and affinities."""
    if isinstance(spec, BlockAffinity):
        kind, node = spec.type, spec.node
    elif isinstance(spec, IPAMBlock) and spec.affinity:
        kind, _, node = spec.affinity.partition(":")
    else:
        return {}
    version = str(spec.cidr.version)
    return {HOSTNAME_HASH: hostname_hash(node), AFFINITY_TYPE: kind, IP_VERSION: version}
