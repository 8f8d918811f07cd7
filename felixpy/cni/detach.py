"""DEL and what resembles it: GC, tombstones, and the half-done work of an agent that died.

DEL always succeeds when nothing is left to remove, whatever the order in which things vanished. The endpoint goes
before its addresses are free again; the interface itself goes a little later, together with others (a kernel takes
20 ms for one as for many).
"""

import asyncio

from felixpy.cni.call import Call
from felixpy.cni.errors import TRY_AGAIN, CniError
from felixpy.cni.means import Means
from felixpy.cni.plan import Attachment, attachment
from felixpy.ipam.blocks import held
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
    if stored is None:
        if means.wires.link(what.host_interface) is not None:
            means.wires.cut(what.host_interface)
    elif stored.spec.container_id == what.container:
        await remove(means, stored)
    released = await means.allocator.release(what.handle)
    means.journal.end(what.container, what.interface)
    if stored is not None or released:
        addresses = [str(address) for address in released]
        means.log.info("pod detached", pod=what.endpoint, container=what.container, addresses=addresses)


async def remove(means: Means, stored: Resource[WorkloadEndpoint]) -> None:
    """Take an endpoint out of the kernel and of the datastore, in this order of effect: routes, object, interface."""
    container = stored.spec.container_id
    means.local.remove(stored.name, container, stored.meta.version)
    settled, deleted = await asyncio.gather(
        means.settled(stored.name), _delete(means, stored), return_exceptions=True
    )
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
    valid = {attachment.container_id for attachment in call.config.valid}
    network = f"{call.config.name}."
    stale = set()
    for block in (await means.store.list(IPAMBlock)).objects.values():
        for _, entry in held(block.spec):
            handle, owner = entry.handle_id or "", entry.secondary or {}
            if owner.get("node") == means.node and handle.startswith(network):
                stale.add(handle.removeprefix(network))
    for container in sorted(stale - valid):
        for endpoint in (await means.store.list(WorkloadEndpoint)).objects.values():
            if (endpoint.spec.node, endpoint.spec.container_id) == (means.node, container):
                async with means.alone(endpoint.spec.interface_name):
                    await remove(means, endpoint)
        await means.allocator.release(network + container)
        means.log.info("stale attachment collected", container=container, network=call.config.name)


async def replay(means: Means) -> None:
    """Undo what a dead agent had begun and not ended; what it had published stays."""
    for entry in means.journal.entries():
        stored = await means.store.get(WorkloadEndpoint, entry.endpoint)
        if stored is None or stored.spec.container_id != entry.container:
            await means.allocator.release(entry.handle)
            if stored is None:
                means.wires.cut(Device(entry.host_interface))
            means.log.warning("half-done attachment undone", pod=entry.endpoint, container=entry.container)
        means.journal.end(entry.container, entry.interface)
