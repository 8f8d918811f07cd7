"""DEL and what resembles it: GC, tombstones, and the half-done work of an agent that died.

DEL always succeeds when nothing is left to remove, whatever the order in which things vanished. The endpoint goes
before its addresses are free again; the interface itself goes a little later, together with others (a kernel takes
20 ms for one as for many).
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

from felixpy.cni.call import Call
from felixpy.cni.errors import TRY_AGAIN, CniError
from felixpy.cni.journal import Entry
from felixpy.cni.means import Means
from felixpy.cni.plan import Attachment, attachment
from felixpy.ipam.blocks import held
from felixpy.ipam.names import handle_id
from felixpy.model.addresses import Address
from felixpy.model.errors import Conflict, InvalidResource, Unreachable
from felixpy.model.resources import IPAMBlock, Resource, WorkloadEndpoint
from felixpy.model.routes import Device


async def detach(means: Means, call: Call) -> None:
    """Take a container's interface away; nothing to take away is success. CniError to try again."""
    what = attachment(call, means.node, means.facts.interface_prefix())
    async with means.alone(what.host_interface):
        try:
            await _detach(means, call, what)
        except (Conflict, Unreachable, InvalidResource) as error:
            raise CniError(TRY_AGAIN, "the datastore does not take it now", str(error)) from error


async def _detach(means: Means, call: Call, what: Attachment) -> None:
    stored = await means.store.get(WorkloadEndpoint, what.endpoint)
    if stored is None and not call.pod:
        stored = await _endpoint_of(means, what.container, what.interface)
    ours = stored is not None and stored.spec.container_id == what.container
    device = Device(stored.spec.interface_name) if stored is not None and ours else what.host_interface
    known = ours or (stored is None and means.wires.link(device) is not None)
    leaving = Entry(what.container, what.interface, what.handle, what.endpoint, device, leaving=True)
    if known:  # a repeated DEL leaves no trace on disk, and a full disk stops none
        with suppress(Unreachable):
            means.journal.begin(leaving)
    released = await leave(means, leaving, stored if ours else None, cut=known)
    if stored is not None or released:
        addresses = [str(address) for address in released]
        means.log.info("pod detached", pod=what.endpoint, container=what.container, addresses=addresses)


async def leave(
    means: Means, entry: Entry, stored: Resource[WorkloadEndpoint] | None, *, cut: bool
) -> tuple[Address, ...]:
    """Take away what an interface has: routes and endpoint (`stored`), addresses, link (`cut`); the addresses.

    The link goes a little later, and the journal's entry with it.
    """
    if stored is not None:
        await remove(means, stored)
    gone = means.wires.cut(Device(entry.host_interface)) if cut else None
    released = await means.allocator.release(entry.handle)
    if gone is None:
        means.journal.end(entry.container, entry.interface)
    else:
        gone.add_done_callback(lambda done: means.journal.left(entry) if succeeded(done) else None)
    return released


def succeeded(done: "asyncio.Future[None]") -> bool:
    """Whether it ended well. One that did not stays in the journal, for the next start."""
    return not done.cancelled() and done.exception() is None


async def remove(means: Means, stored: Resource[WorkloadEndpoint]) -> None:
    """Take an endpoint out of the kernel and of the datastore, in this order of effect: routes, object, interface."""
    container = stored.spec.container_id
    means.local.remove(stored.name, container, stored.meta.version)
    settled, deleted = await asyncio.gather(means.gone(stored.name), _delete(means, stored), return_exceptions=True)
    means.wires.cut(Device(stored.spec.interface_name))
    if isinstance(settled, TimeoutError):
        means.log.warning("routes of a removed pod not gone yet", pod=stored.name)
    if isinstance(deleted, BaseException):
        raise deleted


async def _delete(means: Means, stored: Resource[WorkloadEndpoint]) -> None:
    for _ in range(5):
        try:
            await means.store.delete(stored)
        except Conflict:
            again = await means.store.get(WorkloadEndpoint, stored.name)
            if again is None or again.spec.container_id != stored.spec.container_id:
                return
            stored = again
        else:
            return
    raise Conflict(f"WorkloadEndpoint {stored.name} is written by somebody else at the same time")


async def _endpoint_of(means: Means, container: str, interface: str) -> Resource[WorkloadEndpoint] | None:
    """A container's endpoint when the call does not say its pod: some runtimes leave CNI_ARGS out of DEL."""
    for endpoint in (await means.store.list(WorkloadEndpoint)).objects.values():
        spec = endpoint.spec
        if (spec.node, spec.container_id, spec.endpoint) == (means.node, container, interface):
            found: Resource[WorkloadEndpoint] = endpoint
            return found
    return None


async def collect(means: Means, call: Call) -> None:
    """GC: take away every attachment of this network on this node that the runtime does not list as valid."""
    network = call.config.name
    valid = {handle_id(network, it.container_id, it.ifname) for it in call.config.valid}
    stale = set()
    for block in (await means.store.whole().list(IPAMBlock)).objects.values():
        for _, entry in held(block.spec):
            handle, owner = entry.handle_id or "", entry.secondary or {}
            if owner.get("node") == means.node and handle.startswith(f"{network}."):
                stale.add(handle)
    for handle in sorted(stale - valid):
        await _collect(means, network, handle)


async def _collect(means: Means, network: str, handle: str) -> None:
    for endpoint in (await means.store.list(WorkloadEndpoint)).objects.values():
        spec = endpoint.spec
        if spec.node == means.node and handle_id(network, spec.container_id, spec.endpoint) == handle:
            async with means.alone(spec.interface_name):
                await remove(means, endpoint)
    await means.allocator.release(handle)
    means.log.info("stale attachment collected", handle=handle, network=network)


async def replay(means: Means) -> None:
    """Undo the attachments that a dead agent had begun and not published, and end what it had begun to take away."""
    for entry in means.journal.entries():
        stored = await means.store.get(WorkloadEndpoint, entry.endpoint)
        ours = stored is not None and stored.spec.container_id == entry.container
        if ours and not entry.leaving:
            means.journal.end(entry.container, entry.interface)
            continue
        with suppress(Unreachable):
            means.journal.begin(replace(entry, leaving=True))
        await leave(means, entry, stored if ours else None, cut=stored is None or ours)
        event = "detachment ended" if entry.leaving else "half-done attachment undone"
        means.log.warning(event, pod=entry.endpoint, container=entry.container)
