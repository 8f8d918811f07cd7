"""The node's links and their addresses: who is who, read from the kernel, kept up by events.

An index names an interface until it is gone and may then be another's; a name may move to another index. So names
are looked up in what the kernel said last, and every event that concerns a link replaces what was known of it.
"""

from collections.abc import Mapping, Sequence

from felixpy.kernel.events import KernelEvent, LinkChanged
from felixpy.kernel.link_message import (
    IFLA_EXT_MASK,
    IFLA_IFNAME,
    RTEXT_FILTER_SKIP_STATS,
    decode_address,
    decode_link,
)
from felixpy.kernel.netlink import Failure, Netlink, dumped
from felixpy.kernel.rtnetlink import (
    ADDRESS,
    LINK,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    text,
    u32,
)
from felixpy.model.links import AssignedAddress, Link
from felixpy.model.routes import Device


class Links:
    """Links by name and by index. `refresh` reads them all; `after` takes one event in."""

    def __init__(self, netlink: Netlink | None = None) -> None:
        self._netlink = netlink or Netlink()
        self._by_index: dict[int, Link] = {}
        self._by_name: dict[Device, Link] = {}
        self.refresh()

    @property
    def by_name(self) -> Mapping[Device, Link]:
        """Every link."""
        return self._by_name

    def refresh(self) -> None:
        """Read all links anew. Unreachable when the kernel does not answer."""
        skip_statistics = u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
        chunks = self._netlink.dump(RTM_GETLINK, LINK.pack(0, 0, 0, 0, 0) + skip_statistics)
        found = [link for link in map(decode_link, dumped(chunks, RTM_NEWLINK)) if link is not None]
        self._by_index = {link.index: link for link in found}
        self._by_name = {link.name: link for link in found}

    def after(self, event: KernelEvent) -> None:
        """Take in what a Monitor told; events about anything but links change nothing."""
        if not isinstance(event, LinkChanged):
            return
        before = self._by_index.pop(event.link.index, None)
        if before is not None and self._by_name.get(before.name) == before:
            del self._by_name[before.name]
        if not event.gone:
            self._by_index[event.link.index] = self._by_name[event.link.name] = event.link

    def get(self, name: str) -> Link | None:
        """The link of that name, asked of the kernel now; None when there is none."""
        return self.ask(self._netlink, name)

    @staticmethod
    def ask(netlink: Netlink, name: str) -> Link | None:
        """As `get`, without reading all links first."""
        answer = netlink.get(RTM_GETLINK, LINK.pack(0, 0, 0, 0, 0) + text(IFLA_IFNAME, name))
        return None if isinstance(answer, Failure) else decode_link(answer.body)

    def addresses(self) -> Sequence[AssignedAddress]:
        """The addresses of all links, read now."""
        chunks = self._netlink.dump(RTM_GETADDR, ADDRESS.pack(0, 0, 0, 0, 0))
        found = (decode_address(body) for body in dumped(chunks, RTM_NEWADDR))
        names = {index: link.name for index, link in self._by_index.items()}
        return [
            AssignedAddress(names[each.index], each.address, each.subnet, each.scope, each.secondary, each.tentative)
            for each in found
            if each is not None and each.index in names
        ]
