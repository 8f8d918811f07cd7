"""What `check` found, mended: each finding by one compare-and-swap on exactly what it was found in.

Whatever somebody changed meanwhile is left alone; the next check sees what it has become. A finding without `mend`
is a person's to decide.
"""

from dataclasses import replace

from msgspec import structs

from felixpy.datastore.source import Datastore
from felixpy.ipam.blocks import is_confirmed
from felixpy.ipam.claims import claim, give_up, settle
from felixpy.ipam.collect import Problem, counted
from felixpy.ipam.cooldown import rested
from felixpy.ipam.errors import NotTheHolder
from felixpy.ipam.leaks import holdings
from felixpy.ipam.names import HOST, handle_name
from felixpy.ipam.release import release_address
from felixpy.model.addresses import parse_prefix
from felixpy.model.errors import Conflict
from felixpy.model.resources import BlockAffinity, IPAMBlock, IPAMConfig, IPAMHandle, Metadata, Resource
from felixpy.model.snapshot import Snapshot

ORDER = ("release", "recount", "disown", "settle", "give up")  # addresses first: only then are blocks empty


async def mend(store: Datastore, found: list[Problem], snapshot: Snapshot, now: float) -> list[Problem]:
    """Mend what can be mended of `found`, which was found in `snapshot`; what was done."""
    done = []
    for problem in sorted((problem for problem in found if problem.mend), key=lambda p: ORDER.index(p.mend)):
        try:
            if await _mend(store, problem, snapshot, now):
                done.append(problem)
        except (Conflict, NotTheHolder):
            continue
    return done


async def _mend(store: Datastore, problem: Problem, snapshot: Snapshot, now: float) -> bool:
    match problem.mend:
        case "release":
            return await _release(store, problem, snapshot)
        case "recount":
            return await _recount(store, problem.about, snapshot)
        case "settle":
            return await _settle(store, problem, snapshot, now)
        case "disown":
            return await _disown(store, problem.about, snapshot)
        case "give up":
            node, _, cidr = problem.about.rpartition(" ")
            config = snapshot.of(IPAMConfig).get("default")
            cooldown_s = config.spec.ip_cooldown_seconds if config else 0
            return await give_up(store, node, parse_prefix(cidr), lambda block: rested(block, cooldown_s, now))
        case _:
            return False


async def _release(store: Datastore, problem: Problem, snapshot: Snapshot) -> bool:
    held = next((holding for holding in holdings(snapshot) if str(holding.address) == problem.subject), None)
    if held is None:
        return False
    return await release_address(store, held.address, held.handle or None, held.sequence, held.block) is not None


async def _recount(store: Datastore, name: str, snapshot: Snapshot) -> bool:
    """The handle as the blocks have it; none when they know of nothing."""
    handle = snapshot.of(IPAMHandle).get(name)
    block = dict(counted(snapshot).get(name, {}))
    if handle is None:
        owner = next((held.handle for held in holdings(snapshot) if name == handle_name(held.handle)), "")
        if not owner:
            return False
        await store.create(Resource(Metadata(name), IPAMHandle(handle_id=owner, block=block)))
    elif block:
        await store.update(replace(handle, spec=structs.replace(handle.spec, block=block, deleted=False)))
    else:
        await store.delete(handle)
    return True


async def _settle(store: Datastore, problem: Problem, snapshot: Snapshot, now: float) -> bool:
    """Finish or remove a claim, as its node's agent would at its next allocation."""
    affinity = snapshot.of(BlockAffinity).get(problem.about)
    if affinity is not None:
        await settle(store, affinity)
        return True
    block = _block(snapshot, problem.subject.removeprefix("block "))
    if block is None or not (block.spec.affinity or "").startswith(HOST):
        return False
    node = (block.spec.affinity or "").removeprefix(HOST)
    return await claim(store, node, block.spec.cidr, now) is not None


async def _disown(store: Datastore, cidr: str, snapshot: Snapshot) -> bool:
    """Remove the claims that the block contradicts."""
    block = _block(snapshot, cidr)
    if block is None or not block.spec.affinity:
        return False
    wrong = [
        affinity
        for affinity in snapshot.of(BlockAffinity).values()
        if str(affinity.spec.cidr) == cidr
        and is_confirmed(affinity)
        and block.spec.affinity != f"{affinity.spec.type or 'host'}:{affinity.spec.node}"
    ]
    for affinity in wrong:
        await store.delete(affinity)
    return bool(wrong)


def _block(snapshot: Snapshot, cidr: str) -> Resource[IPAMBlock] | None:
    return next((block for block in snapshot.of(IPAMBlock).values() if str(block.spec.cidr) == cidr), None)
