"""What Calico refuses in a resource beyond the types of its fields, and the defaults that depend on other fields.

Pure. `complete` works on the raw fields before they are decoded, `first_problem` on the decoded spec.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from felixpy.model.addresses import parse_prefix
from felixpy.model.resources import rules_bgp, rules_ipam, rules_node
from felixpy.model.resources.bgp import BGPConfiguration, BGPFilter, BGPPeer
from felixpy.model.resources.core import Secret
from felixpy.model.resources.felix import FelixConfiguration
from felixpy.model.resources.ipam import BlockAffinity, IPAMBlock, IPAMConfig, IPAMHandle, IPPool, IPReservation
from felixpy.model.resources.kinds import Spec
from felixpy.model.resources.node import CalicoNodeStatus, Node, WorkloadEndpoint
from felixpy.model.resources.problem import Problem

Rule = Callable[[Any, str, Collection[str]], Iterator[Problem]]

RULES: Mapping[type[Spec], Rule] = {
    BGPConfiguration: rules_bgp.configuration,
    BGPPeer: rules_bgp.peer,
    BGPFilter: rules_bgp.bgp_filter,
    IPPool: rules_ipam.pool,
    IPReservation: rules_ipam.reservation,
    IPAMBlock: rules_ipam.block,
    BlockAffinity: rules_ipam.affinity,
    IPAMHandle: rules_ipam.handle,
    IPAMConfig: rules_ipam.configuration,
    Node: rules_node.node,
    WorkloadEndpoint: rules_node.endpoint,
    CalicoNodeStatus: rules_node.status,
    FelixConfiguration: rules_node.felix,
}

AS_FIELDS: Mapping[type[Spec], tuple[str, ...]] = {
    BGPConfiguration: ("asNumber",),
    BGPPeer: ("asNumber", "localASNumber"),
    Node: ("bgp.asNumber",),
}

ON_OFF = ("Enabled", "Disabled")
ENCAPSULATION = ("Never", "Always", "CrossSubnet")
PROGRAM = ("Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly")
CHOICES: Mapping[type[Spec], Mapping[str, tuple[str, ...]]] = {
    BGPConfiguration: {
        "logSeverityScreen": ("Trace", "Debug", "Info", "Warning", "Error", "Fatal"),
        "serviceLoadBalancerAggregation": ON_OFF,
        "bindMode": ("None", "NodeIP"),
        "programClusterRoutes": PROGRAM,
    },
    BGPPeer: {
        "nextHopMode": ("Auto", "Self", "Keep"),
        "sourceAddress": ("UseNodeIP", "None"),
        "reversePeering": ("Auto", "Manual"),
    },
    IPPool: {"vxlanMode": ENCAPSULATION, "ipipMode": ENCAPSULATION, "assignmentMode": ("Automatic", "Manual")},
    IPAMConfig: {"kubeVirtVMAddressPersistence": ON_OFF},
    FelixConfiguration: {
        "ipForwarding": ON_OFF,
        "floatingIPs": ON_OFF,
        "programClusterRoutes": PROGRAM,
        "localSubnetL2Reachability": ("Disabled", "PodsAndLoadBalancers"),
        "workloadSourceSpoofing": ("Disabled", "Any"),
        "routeSource": ("CalicoIPAM", "WorkloadIPs"),
        "serviceLoopPrevention": ("Drop", "Reject", "Disabled"),
    },
}
ANY_CASE = ("logSeverityScreen", "workloadSourceSpoofing", "routeSource", "serviceLoopPrevention")
DEFAULT_WHEN_EMPTY = ("nodeSelector", "allowedUses")  # of an IPPool: "" and [] mean the default there


def first_problem(spec: Spec, name: str, given: Collection[str]) -> Problem | None:
    """What is wrong with `spec` of the object `name`; `given` are the fields that its author wrote."""
    rule = RULES.get(type(spec))
    return next(rule(spec, name, given), None) if rule else None


def complete(kind: type[Spec], raw: dict[str, Any], strict: bool) -> Problem | None:
    """Put into `raw` what depends on other fields or has a second spelling; the problem that this met, if any."""
    problem = _choices(kind, raw) or _as_numbers(kind, raw, strict)
    if kind is IPPool:
        for field in DEFAULT_WHEN_EMPTY:
            if field in raw and not raw[field]:
                del raw[field]
        if not raw.get("blockSize"):
            raw["blockSize"] = 122 if ":" in str(raw.get("cidr")) else 26
    if kind is BlockAffinity:
        problem = problem or _deleted(raw)
        if raw.get("type") == "":
            del raw["type"]
    if kind is Secret:
        problem = problem or _secret(raw)
    if kind is IPReservation and strict:
        problem = problem or _reserved(raw)
    return problem


def _choices(kind: type[Spec], raw: dict[str, Any]) -> Problem | None:
    for field, choices in CHOICES.get(kind, {}).items():
        value = raw.get(field)
        if not isinstance(value, str):
            continue  # absent, or of a wrong type, which decoding will say
        if value == "":
            del raw[field]
        elif field in ANY_CASE and value.lower() in (spelled := {choice.lower(): choice for choice in choices}):
            raw[field] = spelled[value.lower()]
        elif value not in choices:
            return Problem(field, f"must be one of {', '.join(choices)}, not {value[:64]!r}")
    return None


def _as_numbers(kind: type[Spec], raw: dict[str, Any], strict: bool) -> Problem | None:
    for path in AS_FIELDS.get(kind, ()):
        *parents, field = path.split(".")
        holder = raw.get(parents[0]) if parents else raw
        if not isinstance(holder, dict) or isinstance(holder.get(field), bool) or holder.get(field) not in (0, "0"):
            continue
        if strict:
            return Problem(path, "AS 0 is reserved (RFC 7607): leave the field out to use the default")
        del holder[field]
    return None


def _deleted(raw: dict[str, Any]) -> Problem | None:
    value = raw.get("deleted")
    if isinstance(value, str):
        if value not in ("true", "false", ""):
            return Problem("deleted", f"must be true or false, not {value[:64]!r}")
        raw["deleted"] = value == "true"
    return None


def _secret(raw: dict[str, Any]) -> Problem | None:
    """`stringData` wins over `data`, as in Kubernetes. No message shows a value."""
    data, texts = raw.get("data") or {}, raw.pop("stringData", None) or {}
    if not isinstance(data, dict) or not isinstance(texts, dict):
        return Problem("data", "must be a mapping of keys to values")
    for key, value in texts.items():
        if not isinstance(value, str):
            return Problem(f"stringData.{key}", "must be text: write it in quotes")
    for key, value in data.items():
        try:
            b64decode("".join(value.split()), validate=True)
        except (ValueError, AttributeError):
            return Problem(f"data.{key}", "is not base64: give plain text under stringData instead")
    raw["data"] = data | {key: b64encode(value.encode()).decode() for key, value in texts.items()}
    return None


def _reserved(raw: dict[str, Any]) -> Problem | None:
    texts = raw.get("reservedCIDRs")
    for i, text in enumerate(texts if isinstance(texts, list) else []):
        try:
            parse_prefix(text)
        except ValueError as error:
            return Problem(f"reservedCIDRs[{i}]", str(error))
    return None
