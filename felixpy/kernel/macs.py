"""The hardware addresses of certain links: a Table of text (`ee:ee:ee:ee:ee:ee`) by device.

udev and NetworkManager may write another one after the link was made; a permanent neighbour entry then points at
nobody. So the MAC is read back and put right like everything else.
"""

from collections.abc import Callable, Mapping

from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.veth import LinkChange, change
from felixpy.model.errors import Refused
from felixpy.model.routes import Device
from felixpy.reconcile.plan import Plan


class KernelMacs:
    """A Table of the MACs of the links for which `ours(device)` holds. A MAC cannot be erased: that does nothing."""

    def __init__(self, ours: Callable[[Device], bool], netlink: Netlink | None = None) -> None:
        self._ours, self._netlink = ours, netlink or Netlink()

    async def read(self) -> Mapping[Device, str]:
        """The MACs of our links, read now."""
        links = Links(self._netlink).by_name
        return {name: link.mac for name, link in links.items() if self._ours(name)}

    async def apply(self, plan: Plan[Device, str]) -> Mapping[Device, Refused]:
        """Set MACs; the refused devices."""
        refused: dict[Device, Refused] = {}
        for device, mac in plan.write.items():
            try:
                change(self._netlink, device, LinkChange(mac=mac))
            except Refused as error:
                refused[device] = error
        return refused
