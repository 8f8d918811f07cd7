"""The resources that BGP needs, read once from a datastore: for commands that need no daemon."""

import asyncio
from collections.abc import Collection

from felixpy.datastore.open import open_datastore
from felixpy.model.errors import Trouble
from felixpy.model.resources import (
    BGPConfiguration,
    BGPFilter,
    BGPPeer,
    BlockAffinity,
    EndpointSlice,
    IPAMBlock,
    IPPool,
    Node,
    Secret,
    Service,
    Spec,
    WorkloadEndpoint,
)
from felixpy.model.snapshot import Snapshot

KINDS: tuple[type[Spec], ...] = (
    BGPConfiguration, BGPFilter, BGPPeer, BlockAffinity, EndpointSlice, IPAMBlock, IPPool, Node, Secret, Service,
    WorkloadEndpoint,
)  # fmt: skip


def read_resources(datastore: str | None, lab: str | None, kinds: Collection[type[Spec]] = KINDS) -> Snapshot:
    """Everything that BGP depends on, or only these kinds, now."""

    async def listed() -> Snapshot:
        store = open_datastore(datastore, lab)
        now = Snapshot()
        try:
            for kind in kinds:
                now = now.after(await store.list(kind))
        finally:
            await store.close()
        return now

    return asyncio.run(listed())


def the_node(snapshot: Snapshot, node: str) -> str:
    """`node`, if there is such a Node resource; Trouble naming those that there are when not."""
    known = sorted(snapshot.of(Node))
    if node not in known:
        raise Trouble(f"no Node is named {node!r}; there are: {', '.join(known) or 'none'}")
    return node
