"""CHECK: whether an attachment is as ADD left it, in the pod, on the node, in the routing table and in the datastore.

Everything is read now; what the agent believes counts only as one more reason to fail.
"""

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any

from felixpy.cni.attach import Lent
from felixpy.cni.call import Call
from felixpy.cni.errors import INTERNAL, INVALID_CONFIG, UNKNOWN_CONTAINER, CniError
from felixpy.cni.means import Means
from felixpy.cni.plan import Attachment, attachment
from felixpy.cni.wires import HOST_MAC
from felixpy.kernel.pod_side import PodSide
from felixpy.model.addresses import Address
from felixpy.model.resources import Resource, WorkloadEndpoint
from felixpy.model.routes import Device


async def check(means: Means, call: Call, lent: Lent | None) -> None:
    """Nothing when all is well; CniError that names everything that is not."""
    if lent is None:
        raise CniError(UNKNOWN_CONTAINER, "the container's network namespace is not there", call.netns)
    what = attachment(call, means.node, means.facts.interface_prefix())
    stored = await means.store.get(WorkloadEndpoint, what.endpoint)
    if stored is None or stored.spec.container_id != what.container:
        raise CniError(UNKNOWN_CONTAINER, "the container has no endpoint", what.endpoint)
    addresses = tuple(network.network_address for network in stored.spec.ip_networks)
    reasons = [*_against(call, what, addresses), *_on_node(means, stored, addresses)]
    pod = PodSide(Device(what.interface), addresses, HOST_MAC)
    reasons += means.wires.pod_faults(lent.inside, pod, stored.spec.mac)
    reasons += await means.local.settled(what.endpoint)
    if reasons:
        raise CniError(INTERNAL, "the attachment is not as it was made", "; ".join(dict.fromkeys(reasons)))


def _on_node(means: Means, stored: Resource[WorkloadEndpoint], addresses: tuple[Address, ...]) -> Iterator[str]:
    device = Device(stored.spec.interface_name)
    link = means.wires.link(device)
    if link is None:
        yield f"the node has no interface {device}"
        return
    if not link.up:
        yield f"{device} is down on the node"
    if link.mac != HOST_MAC:
        yield f"{device} has the MAC {link.mac}, not {HOST_MAC}"
    yield from means.wires.route_faults(device, addresses, stored.spec.mac)


def _against(call: Call, what: Attachment, addresses: tuple[Address, ...]) -> Iterator[str]:
    """What the runtime remembers of ADD and we do not: `prevResult`, which other plugins may have added to."""
    before = call.config.prev_result
    if before is None:
        return
    try:
        said = {ip_interface(entry["address"]).ip for entry in before.get("ips", ()) if _is_ours(before, entry, what)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CniError(INVALID_CONFIG, "prevResult is not a result of this version", str(error)) from None
    for address in sorted(said - set(addresses), key=str):
        yield f"prevResult has {address}, which the endpoint does not"
    for address in sorted(set(addresses) - said, key=str):
        yield f"prevResult does not have {address}"


def _is_ours(result: dict[str, Any], entry: dict[str, Any], what: Attachment) -> bool:
    interfaces = result.get("interfaces", ())
    place = entry.get("interface")
    return place is None or not interfaces or interfaces[place]["name"] == what.interface
