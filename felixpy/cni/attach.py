"""ADD: an interface for a pod, or nothing at all.

Order: journal, addresses, veth, endpoint into the agent's own state, route in the kernel, endpoint published,
answer. Whatever fails undoes all that went before; what a dying agent leaves half done its successor undoes by the
journal.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from felixpy.cni.call import Call
from felixpy.cni.detach import leave, remove
from felixpy.cni.errors import (
    INVALID_CONFIG,
    IO_FAILURE,
    KERNEL_REFUSED,
    NO_ADDRESS,
    TRY_AGAIN,
    UNKNOWN_CONTAINER,
    CniError,
)
from felixpy.cni.journal import Entry
from felixpy.cni.means import Means, WriteSetting
from felixpy.cni.plan import Attachment, attached, attachment, endpoint, request, with_asked
from felixpy.cni.result import Attached
from felixpy.cni.wires import HOST_MAC
from felixpy.ipam.annotations import Asked, asked
from felixpy.ipam.errors import BadAnnotation, NoQualifiedPool, Shortage, Taken
from felixpy.kernel.pod_side import PodSide
from felixpy.kernel.veth import Veth
from felixpy.model.addresses import Address
from felixpy.model.errors import Conflict, InvalidResource, Refused, Trouble, Unreachable
from felixpy.model.resources import Namespace, Pod, Resource, WorkloadEndpoint
from felixpy.model.routes import Device

Endpoint = Resource[WorkloadEndpoint]


@dataclass(frozen=True, slots=True)
class Lent:
    """What the plugin passed: the pod's namespace, a netlink socket opened in it, and its hand for settings there."""

    namespace: int
    inside: socket.socket
    write: WriteSetting


async def attach(means: Means, call: Call, lent: Lent | None) -> Attached:
    """Give a container its interface; a second ADD of the same container answers what the first one did.

    CniError with the specification's code when that cannot be.
    """
    if lent is None:
        hint = f"CNI_NETNS {call.netns} cannot be opened, or is no network namespace"
        raise CniError(UNKNOWN_CONTAINER, "the container's network namespace is not there", hint)
    what = attachment(call, means.node, means.facts.interface_prefix())
    async with means.alone(what.host_interface):
        try:
            return await _attach(means, call, what, lent)
        except BadAnnotation as error:
            raise CniError(INVALID_CONFIG, "the pod asks for what cannot be given", str(error)) from error
        except (NoQualifiedPool, Shortage, Taken) as error:
            raise CniError(NO_ADDRESS, "no address for the pod", str(error)) from error
        except Refused as error:
            raise CniError(KERNEL_REFUSED, "the kernel refused the pod's interface", str(error)) from error
        except InvalidResource as error:
            raise CniError(IO_FAILURE, "an object in the datastore cannot be read", str(error)) from error
        except (Conflict, Unreachable) as error:
            raise CniError(TRY_AGAIN, "the datastore or the disk does not take it now", str(error)) from error


async def _attach(means: Means, call: Call, what: Attachment, lent: Lent) -> Attached:
    before = await means.store.get(WorkloadEndpoint, what.endpoint)
    if before is not None and before.spec.container_id == what.container:
        link = means.wires.link(what.host_interface)
        if link is not None:
            return attached(what, before, link.mtu, call.netns)
        await remove(means, before)  # its addresses are free only when nothing says that it has them
        await means.allocator.release(what.handle)
        before = None
    elif means.journal.holds(what.container, what.interface):
        await means.allocator.release(what.handle)
    what = with_asked(what, await _asked(means, call))
    entry = Entry(what.container, what.interface, what.handle, what.endpoint, what.host_interface)
    means.journal.begin(entry)
    try:
        answer = await _build(means, call, what, lent, before)
    except Exception:  # not for cancellation: an agent that ends leaves it to the journal and its successor
        await _undo(means, entry)
        raise
    means.journal.end(what.container, what.interface)
    means.log.info(
        "pod attached", pod=what.endpoint, device=what.host_interface, addresses=[str(a) for a in answer.addresses]
    )
    return answer


async def _asked(means: Means, call: Call) -> Asked:
    """What annotations and labels of the pod and its namespace say; a host without Kubernetes has neither."""
    if not call.pod:
        return Asked()
    pod, namespace = await asyncio.gather(
        means.store.get(Pod, f"{call.namespace}/{call.pod}"), means.store.get(Namespace, call.namespace)
    )
    return asked(call.namespace, pod.meta if pod else None, namespace.meta if namespace else None)


async def _build(means: Means, call: Call, what: Attachment, lent: Lent, before: Endpoint | None) -> Attached:
    mtu = call.config.mtu or means.wires.mtu(means.facts.mtu_pattern())
    addresses = await _wired(means, call, what, _pair(what, lent, mtu))
    for setting, value in pod_settings(call, addresses):
        await lent.write(setting, value)
    means.wires.configure(lent.inside, PodSide(Device(what.interface), addresses, HOST_MAC))
    created = before.meta.created if before else means.clock()
    wanted = endpoint(what, addresses, float(int(created)))  # as it will be stored: its echo is then nothing new
    means.local.put(wanted)
    try:
        reasons = await means.settled(what.endpoint)
    except TimeoutError:
        hint = "the agent's log says what it waits for"
        raise CniError(TRY_AGAIN, "the pod's route is not in the kernel yet", hint) from None
    if reasons:
        raise CniError(KERNEL_REFUSED, "the pod's endpoint is not served", "; ".join(reasons))
    return attached(what, await _publish(means, wanted, before), mtu, call.netns)


def _pair(what: Attachment, lent: Lent, mtu: int) -> Veth:
    return Veth(
        name=what.host_interface,
        mac=HOST_MAC,
        mtu=mtu,
        peer=Device(what.interface),
        namespace=lent.namespace,
        peer_mac=what.mac,
    )


async def _wired(means: Means, call: Call, what: Attachment, pair: Veth) -> tuple[Address, ...]:
    """Addresses and interface, made at the same time: the kernel works while the disk does."""
    asked = asyncio.create_task(_addresses(means, call, what))
    await asyncio.sleep(0)
    try:
        await means.wires.make(pair)
    finally:
        addresses = await asked
    return addresses


async def _addresses(means: Means, call: Call, what: Attachment) -> tuple[Address, ...]:
    """From the pools as they are known here, and if these have none, as they are in the datastore this moment."""
    try:
        return await means.allocator.assign(request(call, what, await means.facts.rules(), means.clock()))
    except NoQualifiedPool:
        await means.facts.refresh()
        return await means.allocator.assign(request(call, what, await means.facts.rules(), means.clock()))


def pod_settings(call: Call, addresses: tuple[Address, ...]) -> Iterator[tuple[str, str]]:
    """The settings of the pod's namespace that are ours to write; whether it forwards is its own, unless asked.

    IPv6 is switched on where a pod gets an address of it: runtimes like to switch it off. Without duplicate address
    detection: the link has two ends, and the pod would wait a second for it.
    """
    if any(address.version == 6 for address in addresses):
        for scope in ("all", "default", "lo", call.interface):
            yield f"net/ipv6/conf/{scope}/disable_ipv6", "0"
        yield f"net/ipv6/conf/{call.interface}/accept_dad", "0"
    if call.config.container_settings.allow_ip_forwarding:
        yield "net/ipv4/ip_forward", "1"
        if any(address.version == 6 for address in addresses):
            yield "net/ipv6/conf/all/forwarding", "1"


async def _publish(means: Means, wanted: Endpoint, before: Endpoint | None) -> Endpoint:
    """Write the endpoint, over that of the pod's previous container if there is one."""
    for _ in range(5):
        try:
            if before is None:
                return await means.store.create(wanted)
            merged = replace(before.meta, labels={**before.meta.labels, **wanted.meta.labels})
            return await means.store.update(replace(before, meta=merged, spec=wanted.spec))
        except Conflict:
            before = await means.store.get(WorkloadEndpoint, wanted.name)
    raise Conflict(f"WorkloadEndpoint {wanted.name} is written by somebody else at the same time")


async def _undo(means: Means, entry: Entry) -> None:
    """As if ADD had never been; what cannot be undone now stays in the journal, for DEL or the next start."""
    means.local.remove(entry.endpoint, entry.container)
    with suppress(Trouble, TimeoutError):
        await means.settled(entry.endpoint)
    with suppress(Unreachable):
        means.journal.begin(replace(entry, leaving=True))
    try:
        stored = await means.store.get(WorkloadEndpoint, entry.endpoint)
        ours = stored is not None and stored.spec.container_id == entry.container
        device = Device(entry.host_interface)
        cut = means.wires.link(device) is not None
        await leave(means, entry, stored if ours else None, cut=cut)
        if cut:  # the runtime may try again at once, with an interface of the same name in the same namespace
            await means.wires.cut(device)
    except (Trouble, OSError) as error:
        means.log.warning(
            "attachment not undone yet", pod=entry.endpoint, container=entry.container, reason=str(error)
        )
