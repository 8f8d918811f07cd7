"""Which workload endpoints live on this node, and which of them holds what when two claim the same. Pure.

Two endpoints may claim one address or one interface for a moment (a pod is deleted and made anew, and the news
arrives swapped), or for ever (someone wrote it so). The lowest name wins, so the answer never depends on who came
first; the other one is shadowed, said so, and takes over when the winner goes (as Felix does).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from felixpy.model.addresses import Address
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.model.routes import Device

Endpoints = Mapping[str, Resource[WorkloadEndpoint]]

DEVICE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ; no slash: the name becomes part of a /proc path
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """One interface of one pod of this node, with the addresses that it really holds."""

    name: str  # of the resource, with its namespace
    pod: str  # namespace/name
    device: Device
    addresses: tuple[Address, ...]
    mac: str = ""  # of the pod's own end, lower case; "" when not known
    spoofs: bool = False  # may send from addresses that it does not hold
    since: float = 0.0  # Unix seconds


@dataclass(frozen=True, slots=True)
class Unserved:
    """An endpoint of this node, or one address of it, that is not programmed, and why."""

    name: str
    pod: str
    reason: str


@dataclass(frozen=True, slots=True)
class NodeEndpoints:
    """Every endpoint of this node, in the order of their names."""

    served: tuple[LocalEndpoint, ...] = ()
    unserved: tuple[Unserved, ...] = ()


Attached = tuple[str, str]  # an endpoint's name and the id of its container


@dataclass(frozen=True, slots=True)
class Ahead:
    """What this node's CNI server did and the datastore does not show yet.

    The container id (empty for an endpoint made by hand) tells whether the datastore has caught up: an object with
    the same id is this one or newer, with another id its predecessor. A runtime may also take an interface away from
    a container and give it back; then the version of the object that was removed tells its late echo from the new.
    """

    added: Endpoints = field(default_factory=dict)
    removed: Mapping[Attached, str] = field(default_factory=dict)  # with the version of the object
    stale: Mapping[Attached, str] = field(default_factory=dict)  # removed, and added again since

    def over(self, stored: Endpoints) -> Endpoints:
        """The datastore's endpoints with this laid over them."""
        gone = {name for name, _ in (*self.removed, *self.stale) if name in stored and self._left(name, stored[name])}
        ours = {name: it for name, it in self.added.items() if name in gone or not _caught_up(it, stored.get(name))}
        if not gone and not ours:
            return stored
        return {name: it for name, it in stored.items() if name not in gone} | ours

    def after(self, stored: Endpoints) -> "Ahead":
        """This without the additions that the datastore shows by now."""
        left = {name: it for name, it in self.added.items() if not self._shown(it, stored.get(name))}
        return self if len(left) == len(self.added) else replace(self, added=left)

    def put(self, endpoint: Resource[WorkloadEndpoint]) -> "Ahead":
        """This with one endpoint more."""
        key = (endpoint.name, endpoint.spec.container_id)
        added = {**self.added, endpoint.name: endpoint}
        if key not in self.removed:
            return replace(self, added=added)
        removed = {other: version for other, version in self.removed.items() if other != key}
        return Ahead(added, removed, {**self.stale, key: self.removed[key]})

    def remove(self, name: str, container_id: str, version: str = "") -> "Ahead":
        """This without that endpoint, whatever the datastore still says of it; `version` is what it says now."""
        added = {
            other: it for other, it in self.added.items() if other != name or it.spec.container_id != container_id
        }
        return Ahead(added, {**self.removed, (name, container_id): version}, self.stale)

    def forget(self, removed: Collection[Attached]) -> "Ahead":
        """This without the memory of these removals."""
        left, stale = ({k: v for k, v in known.items() if k not in removed} for known in (self.removed, self.stale))
        return Ahead(self.added, left, stale)

    def _left(self, name: str, stored: Resource[WorkloadEndpoint]) -> bool:
        key = (name, stored.spec.container_id)
        return key in self.removed or (key in self.stale and self.stale[key] == stored.meta.version)

    def _shown(self, ours: Resource[WorkloadEndpoint], stored: Resource[WorkloadEndpoint] | None) -> bool:
        return stored is not None and _caught_up(ours, stored) and not self._left(ours.name, stored)


def _caught_up(ours: Resource[WorkloadEndpoint], stored: Resource[WorkloadEndpoint] | None) -> bool:
    return stored is not None and stored.spec.container_id == ours.spec.container_id


def local_endpoints(endpoints: Endpoints, node: str, prefixes: tuple[str, ...] = ("cali",)) -> NodeEndpoints:
    """The endpoints of `node`. An interface whose name does not begin with one of `prefixes` is not ours to touch."""
    return resolved(claimed(it, prefixes) for it in endpoints.values() if it.spec.node == node)


def claimed(resource: Resource[WorkloadEndpoint], prefixes: tuple[str, ...]) -> LocalEndpoint | Unserved:
    """What one endpoint asks for, whatever others ask for."""
    device = resource.spec.interface_name
    fault = _fault(device, prefixes)
    if fault:
        return Unserved(resource.name, pod_name(resource), fault)
    mac = resource.spec.mac.lower()
    return LocalEndpoint(
        name=resource.name,
        pod=pod_name(resource),
        device=Device(device),
        addresses=tuple(dict.fromkeys(network.network_address for network in resource.spec.ip_networks)),
        mac=mac if MAC.fullmatch(mac) else "",
        spoofs=bool(resource.spec.allow_spoofed_source_prefixes),
        since=resource.meta.created,
    )


def resolved(claims: Iterable[LocalEndpoint | Unserved]) -> NodeEndpoints:
    """Who gets what of what was asked for: the lowest name, whatever the order of `claims`."""
    served: list[LocalEndpoint] = []
    unserved: list[Unserved] = []
    devices: dict[Device, str] = {}
    holders: dict[Address, str] = {}
    for it in sorted(claims, key=lambda claim: claim.name):
        if isinstance(it, Unserved):
            unserved.append(it)
            continue
        if it.device in devices:
            reason = f"shadowed: interface {it.device} belongs to {devices[it.device]}"
            unserved.append(Unserved(it.name, it.pod, reason))
            continue
        devices[it.device] = it.name
        taken = [address for address in it.addresses if holders.setdefault(address, it.name) != it.name]
        reasons = [f"shadowed: address {address} belongs to {holders[address]}" for address in taken]
        unserved += [Unserved(it.name, it.pod, reason) for reason in reasons]
        served.append(replace(it, addresses=tuple(a for a in it.addresses if a not in taken)) if taken else it)
    return NodeEndpoints(tuple(served), tuple(unserved))


def pod_name(resource: Resource[WorkloadEndpoint]) -> str:
    """`namespace/pod` as people know it."""
    return f"{resource.meta.namespace or 'default'}/{resource.spec.pod or resource.spec.workload or resource.name}"


def _fault(device: str, prefixes: tuple[str, ...]) -> str:
    if not DEVICE_NAME.fullmatch(device) or device in (".", ".."):
        return f"spec.interfaceName {device!r} is no interface name: 1 to 15 letters, digits, '_', '.' or '-'"
    if not device.startswith(prefixes):
        return f"spec.interfaceName {device} does not begin with {' or '.join(prefixes)} (interfacePrefix): not ours"
    return ""
