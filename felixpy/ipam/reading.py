"""Everything that concerns addresses, read from a datastore at once."""

from felixpy.datastore.source import Datastore
from felixpy.ipam.collect import KINDS_READ
from felixpy.model.resources import IPReservation
from felixpy.model.snapshot import Snapshot


async def read_all(store: Datastore) -> Snapshot:
    """One snapshot of all kinds that allocation touches. The datastore may change in the middle of it."""
    snapshot = Snapshot()
    for kind in (*KINDS_READ, IPReservation):
        snapshot = snapshot.after(await store.list(kind))
    return snapshot
