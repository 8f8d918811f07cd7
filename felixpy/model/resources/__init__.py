"""The cluster's resources: Calico's kinds and fields, decoded and valid. Nothing else in the project parses them.

Each kind is one frozen struct that is its `spec`; `Resource[IPPool]` is the whole object.
"""

from felixpy.model.resources.base import Duration, Metadata, Resource
from felixpy.model.resources.bgp import (
    BGPConfiguration,
    BGPFilter,
    BGPFilterRule,
    BGPPeer,
    Community,
    PrefixAdvertisement,
    SecretKeyRef,
    ServiceCidr,
)
from felixpy.model.resources.core import ConfigMap, EndpointSlice, Namespace, Pod, Secret, Service
from felixpy.model.resources.felix import FelixConfiguration
from felixpy.model.resources.ipam import (
    AllocationAttribute,
    BlockAffinity,
    IPAMBlock,
    IPAMConfig,
    IPAMHandle,
    IPPool,
    IPReservation,
)
from felixpy.model.resources.kinds import KINDS, Kind, Spec, kind_named, kind_of
from felixpy.model.resources.node import CalicoNodeStatus, Node, NodeBGP, WorkloadEndpoint

__all__ = [
    "KINDS", "AllocationAttribute", "BGPConfiguration", "BGPFilter", "BGPFilterRule", "BGPPeer", "BlockAffinity",
    "CalicoNodeStatus", "Community", "ConfigMap", "Duration", "EndpointSlice", "FelixConfiguration", "IPAMBlock",
    "IPAMConfig", "IPAMHandle", "IPPool", "IPReservation", "Kind", "Metadata", "Namespace", "Node", "NodeBGP", "Pod",
    "PrefixAdvertisement", "Resource", "Secret", "SecretKeyRef", "Service", "ServiceCidr", "Spec",
    "WorkloadEndpoint", "kind_named", "kind_of",
]  # fmt: skip
