"""Permanent neighbour entries of certain devices: a Table.

The kernel does not say who wrote an entry. Ours are all permanent ones on the devices that `ours` accepts (our pods'
veths): nobody else has business there.
"""

import errno
from collections.abc import Callable, Mapping

from felixpy.kernel.link_message import NDA_DST, NDA_LLADDR, NUD_PERMANENT, decode_neighbour
from felixpy.kernel.netlink import Failure, Netlink, dumped
from felixpy.kernel.route_dump import index_of, name_of
from felixpy.kernel.rtnetlink import (
    FAMILY,
    NEIGHBOUR,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    RTM_DELNEIGH,
    RTM_GETNEIGH,
    RTM_NEWNEIGH,
    RTN_UNICAST,
    attribute,
    mac_bytes,
    message,
)
from felixpy.model.addresses import Address
from felixpy.model.errors import Refused
from felixpy.model.neighbours import Neighbour, NeighbourKey
from felixpy.model.routes import Device
from felixpy.reconcile.plan import Plan

GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)


class KernelNeighbours:
    """A Table of the permanent entries on the devices for which `ours(device)` holds."""

    def __init__(self, ours: Callable[[Device], bool], netlink: Netlink | None = None) -> None:
        self._ours, self._netlink = ours, netlink or Netlink()

    async def read(self) -> Mapping[NeighbourKey, Neighbour]:
        """Our entries, read from the kernel now."""
        rows: dict[NeighbourKey, Neighbour] = {}
        names: dict[int, Device] = {}
        for family in FAMILY.values():
            chunks = self._netlink.dump(RTM_GETNEIGH, NEIGHBOUR.pack(family, 0, 0, 0, 0))
            for found in map(decode_neighbour, dumped(chunks, RTM_NEWNEIGH)):
                if found is None or found.state != NUD_PERMANENT:
                    continue
                device = names.get(found.index) or names.setdefault(found.index, name_of(found.index))
                if self._ours(device):
                    key = NeighbourKey(device, found.address)
                    rows[key] = Neighbour(key, found.mac)
        return rows

    async def apply(self, plan: Plan[NeighbourKey, Neighbour]) -> Mapping[NeighbourKey, Refused]:
        """Carry out `plan` in one send for each 256 entries; the refused keys."""
        refused: dict[NeighbourKey, Refused] = {}
        requests: list[tuple[NeighbourKey, bytes]] = []
        for key, neighbour in plan.write.items():
            try:
                requests.append((key, _written(index_of(key.device), neighbour)))
            except KeyError:
                refused[key] = Failure(errno.ENODEV).refused(key, f"dev {key.device}")
            except ValueError:
                refused[key] = Refused(key, f"{neighbour.mac!r} is no hardware address", errno.EINVAL)
        for key in plan.erase:
            try:
                requests.append((key, message(RTM_DELNEIGH, 0, _body(index_of(key.device), 0, key.address))))
            except KeyError:
                continue  # the entry went with its device
        for place, failure in self._netlink.send([request for _, request in requests]).items():
            key = requests[place][0]
            if key in plan.write or failure.code not in GONE:
                refused[key] = failure.refused(key, f"dev {key.device}")
        return refused


def permanent_neighbours(netlink: Netlink, device: Device) -> dict[Address, str]:
    """The MAC by address of each permanent entry on one device, read now; none when there is no such device."""
    try:
        index = index_of(device)
    except KeyError:
        return {}
    bodies = (
        body
        for family in FAMILY.values()
        for body in dumped(netlink.dump(RTM_GETNEIGH, NEIGHBOUR.pack(family, 0, 0, 0, 0)), RTM_NEWNEIGH)
    )
    entries = (decode_neighbour(body) for body in bodies)
    return {it.address: it.mac for it in entries if it and (it.index, it.state) == (index, NUD_PERMANENT)}


def _written(index: int, neighbour: Neighbour) -> bytes:
    mac = mac_bytes(neighbour.mac)
    body = _body(index, NUD_PERMANENT, neighbour.key.address) + attribute(NDA_LLADDR, mac)
    return message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, body)


def _body(index: int, state: int, address: Address) -> bytes:
    fixed = NEIGHBOUR.pack(FAMILY[address.version], index, state, 0, RTN_UNICAST)
    return fixed + attribute(NDA_DST, address.packed)
