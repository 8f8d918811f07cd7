"""Neighbours that the kernel is to keep asking whether they are there: a Table.

Such an entry is managed (NTF_EXT_MANAGED, Linux 5.16) and carries our protocol number, by which it is known as ours
after a restart. The kernel asks managed neighbours at intervals that are one setting for the whole machine (5 s
unless told otherwise, and out of reach from a namespace); so whoever watches also has them asked, by `ask`, as often
as he needs. Older kernels keep no managed entries: there `ask` alone does the work.
"""

import errno
from collections.abc import Collection, Iterable, Mapping

from felixpy.kernel.link_message import (
    NDA_DST,
    NDA_FLAGS_EXT,
    NDA_PROTOCOL,
    NTF_EXT_MANAGED,
    NTF_USE,
    NUD_NOARP,
    NUD_PERMANENT,
    NeighbourOn,
    decode_neighbour,
)
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
    message,
    u32,
)
from felixpy.model.errors import Refused
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Device
from felixpy.reconcile.plan import Plan

GONE = (errno.ENOENT, errno.ESRCH, errno.ENODEV)
FIXED = NUD_PERMANENT | NUD_NOARP  # written down by somebody: never asked, and not ours to change

Key = NeighbourKey


class WatchedNeighbours:
    """A Table of the managed entries with protocol number `protocol`; each row's value is its key."""

    def __init__(self, protocol: int, netlink: Netlink | None = None) -> None:
        self._protocol, self._netlink = protocol, netlink or Netlink()
        self.fixed: frozenset[Key] = frozenset()  # entries that somebody wrote down, as last read: left alone

    async def read(self) -> Mapping[Key, Key]:
        """Our entries, read from the kernel now."""
        found = self._found()
        self.fixed = frozenset(key for key, entry in found.items() if entry.state & FIXED)
        return {key: key for key, entry in found.items() if entry.protocol == self._protocol and entry.managed}

    async def apply(self, plan: Plan[Key, Key]) -> Mapping[Key, Refused]:
        """Write and erase; the refused keys. A permanent entry is refused: the kernel would forget its address."""
        refused = {
            key: Refused(key, "a permanent entry: it is never asked", errno.EEXIST)
            for key in plan.write
            if key in self.fixed
        }
        refused |= self.ask(key for key in plan.write if key not in refused)
        removals = [(key, RTM_DELNEIGH, 0) for key in plan.erase]
        for key, failure in self._send(removals).items():
            if failure.code not in GONE:
                refused[key] = failure.refused(key)
        return refused

    def ask(self, keys: Iterable[Key]) -> dict[Key, Refused]:
        """Have those that were not heard of lately asked now; also makes the entry. One send for 256 of them."""
        flags = NLM_F_CREATE | NLM_F_REPLACE
        wanted = [(key, RTM_NEWNEIGH, flags) for key in keys if key not in self.fixed]
        return {key: failure.refused(key, f"dev {key.device}") for key, failure in self._send(wanted).items()}

    def answering(self, among: Collection[Key]) -> frozenset[Key]:
        """Which of these have answered since they failed. Those that are being asked have not."""
        found = self._found() if among else {}
        return frozenset(key for key in among if key in found and found[key].mac)

    def close(self) -> None:
        """Let go of the socket; the entries stay."""
        self._netlink.close()

    def _found(self) -> dict[Key, NeighbourOn]:
        names: dict[int, Device] = {}
        found: dict[Key, NeighbourOn] = {}
        for family in FAMILY.values():
            chunks = self._netlink.dump(RTM_GETNEIGH, NEIGHBOUR.pack(family, 0, 0, 0, 0))
            for entry in map(decode_neighbour, dumped(chunks, RTM_NEWNEIGH)):
                if entry is not None:
                    name = names.get(entry.index) or names.setdefault(entry.index, name_of(entry.index))
                    found[Key(name, entry.address)] = entry
        return found

    def _send(self, wanted: Iterable[tuple[Key, int, int]]) -> dict[Key, Failure]:
        failed: dict[Key, Failure] = {}
        keys: list[Key] = []
        requests: list[bytes] = []
        for key, kind, flags in wanted:
            try:
                index = index_of(key.device)
            except KeyError:
                failed[key] = Failure(errno.ENODEV)
                continue
            keys.append(key)
            requests.append(message(kind, flags, self._body(key, index, asked=kind == RTM_NEWNEIGH)))
        failures = self._netlink.send(requests)
        return failed | {keys[place]: failure for place, failure in failures.items()}

    def _body(self, key: Key, index: int, *, asked: bool) -> bytes:
        fixed = NEIGHBOUR.pack(FAMILY[key.address.version], index, 0, NTF_USE if asked else 0, RTN_UNICAST)
        body = fixed + attribute(NDA_DST, key.address.packed)
        if asked:
            body += attribute(NDA_PROTOCOL, bytes([self._protocol])) + u32(NDA_FLAGS_EXT, NTF_EXT_MANAGED)
        return body
