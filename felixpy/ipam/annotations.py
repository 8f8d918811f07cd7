"""What a pod and its namespace ask for, by Calico's annotations. Pure.

The pod's word counts before its namespace's, and both before the network configuration's (cni-plugin/pkg/k8s). What
cannot be understood, or is not offered here, refuses the pod: an annotation that is passed over in silence gives it
an address that somebody's firewall does not know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from felixpy.ipam.errors import BadAnnotation
from felixpy.model.addresses import Address, Family, Prefix, family, parse_address, parse_prefix
from felixpy.model.resources import Metadata
from felixpy.model.resources.formats import MAC

T = TypeVar("T")

PREFIX = "cni.projectcalico.org/"
NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the API server puts this label on every namespace
FAMILIES: Mapping[str, Family] = {"IPv4": 4, "IPv6": 6}
SHOWN = 64  # characters of a wrong value that a message repeats
NOT_OFFERED = {
    "ipAddrsNoIpam": "an address that IPAM does not know may be another pod's: use ipAddrs, of an IPPool",
    "floatingIPs": "floating addresses need NAT, which felixpy does not do: remove the annotation",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the annotations say; what they do not mention is left to the network configuration."""

    pools: Mapping[Family, tuple[str, ...]] = field(default_factory=dict)  # names or CIDRs
    families: frozenset[Family] | None = None
    addresses: tuple[Address, ...] = ()  # exactly these, at most one of each family, and no others
    mac: str = ""  # of the pod's end
    spoofed: tuple[Prefix, ...] = ()  # further sources the pod may send from, where the node allows it
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    pod_uid: str = ""


def asked(namespace_name: str, pod: Metadata | None, namespace: Metadata | None) -> Asked:
    """What `pod` in `namespace` asks for; None where the datastore has no such object.

    BadAnnotation naming object, annotation and fix.
    """
    of_pod = _Annotations(f"pod {namespace_name}/{pod.name}" if pod else "", pod.annotations if pod else {})
    of_namespace = _Annotations(f"namespace {namespace_name}", namespace.annotations if namespace else {})
    for name, reason in NOT_OFFERED.items():
        if of_pod.list(name, _text):
            raise BadAnnotation(f"{of_pod.whose}: annotation {PREFIX}{name}: {reason}")
    pools: dict[Family, tuple[str, ...]] = {}
    for version, name in ((FAMILIES["IPv4"], "ipv4pools"), (FAMILIES["IPv6"], "ipv6pools")):
        if named := of_pod.list(name, _text) or of_namespace.list(name, _text):
            pools[version] = named
    families = of_pod.list("ipFamilies", _family) or of_namespace.list("ipFamilies", _family)
    labels = namespace.labels if namespace else {}
    return Asked(
        pools=pools,
        families=frozenset(families) or None,
        addresses=_one_each(of_pod, of_pod.list("ipAddrs", parse_address)),
        mac=_mac(of_pod),
        spoofed=of_pod.list("allowedSourcePrefixes", parse_prefix),
        namespace_labels={NAMESPACE_NAME: namespace_name, **labels},
        pod_uid=pod.uid if pod else "",
    )


@dataclass(frozen=True, slots=True)
class _Annotations:
    """One object's annotations, and whose they are, for messages."""

    whose: str
    values: Mapping[str, str]

    def list(self, name: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """The JSON list of texts in an annotation, each as `read` has it; () when absent or empty."""
        text = self.values.get(PREFIX + name, "")
        if not text.strip():
            return ()
        try:
            items = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.wrong(name, text, 'must be a JSON list of texts, as ["one"]')
        try:
            return tuple(read(item) for item in items)
        except ValueError as error:
            raise self.wrong(name, text, str(error)) from None

    def wrong(self, name: str, text: str, reason: str) -> BadAnnotation:
        """The error for a value that says nothing."""
        return BadAnnotation(f"{self.whose}: annotation {PREFIX}{name}: {text[:SHOWN]!r}: {reason}")


def _text(item: object) -> str:
    return str(item)


def _family(item: object) -> Family:
    if item not in FAMILIES:
        raise ValueError("a family is IPv4 or IPv6")
    return FAMILIES[str(item)]


def _one_each(annotations: _Annotations, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    if len({family(address) for address in addresses}) < len(addresses):
        shown = ", ".join(str(address) for address in addresses)
        raise annotations.wrong("ipAddrs", shown, "a pod has at most one address of each family")
    return addresses


def _mac(annotations: _Annotations) -> str:
    text = annotations.values.get(PREFIX + "hwAddr", "").strip()
    if not text:
        return ""
    if not MAC.fullmatch(text):
        raise annotations.wrong("hwAddr", text, "is not a MAC address, as 02:00:5e:10:00:01")
    if int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise annotations.wrong(
            "hwAddr", text, "is no single station's address: the first byte must be even, not all 0"
        )
    return text.lower()
