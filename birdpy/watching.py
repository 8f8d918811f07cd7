"""Join: what happens in the kernel, and what the router makes of it."""

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

from birdpy.foresight import turn
from birdpy.forwarding import Forwarding
from birdpy.state import State
from felixpy.kernel.events import AddressChanged, KernelEvent, LinkChanged, Lost, RouteChanged
from felixpy.kernel.fib import read_connected
from felixpy.kernel.links import Links
from felixpy.kernel.netlink import Netlink
from felixpy.kernel.routes import KernelRoutes
from felixpy.model.routes import MAIN_TABLE, Device


@dataclass(frozen=True, slots=True)
class Watch:
    """The kernel's own words: events, links, and the routes that are not ours."""

    events: AsyncIterable[tuple[KernelEvent, ...]]
    links: Links
    netlink: Netlink
    routes: KernelRoutes
    protocol: int  # ours

    def look(self, state: State) -> None:
        """Read everything that is not ours, and have the router think again."""
        state.around.links(self.links.by_name)
        state.around.look(read_connected(self.netlink, (self.protocol,)), self.links.addresses())
        state.look()

    async def notice(self, burst: Iterable[KernelEvent], state: State, now: float) -> None:
        """Take in what came: repair our routes, and think again when the ground under the next hops moved."""
        moved = turned = False
        for event in burst:
            self.links.after(event)
            turned |= state.around.after(event)
            match event:
                case RouteChanged():
                    moved |= self._route(event, state.forwarding, now)
                case LinkChanged(link):
                    moved |= self._link(link.name, state)
                case AddressChanged(_, address):
                    moved |= not address.is_link_local
                case Lost():
                    moved = True
                    self.links.refresh()
                    state.forwarding.settler.resync()
        if turned:
            await turn(state, self.routes.nexthops, now)
        if moved:
            self.look(state)
        elif turned:
            state.look()
        if state.forwarding.settler.due_at() <= now:  # most is none of ours: ARP, other programs' routes
            state.kernel_due.mark()
        if state.around.returned:
            state.nearby_due.mark()

    def _route(self, event: RouteChanged, forwarding: Forwarding, now: float) -> bool:
        """One route of the kernel changed: whether it is one that next hops may lean on."""
        key, settler = event.key, forwarding.settler
        if event.protocol == self.protocol:
            if key in settler.desired or key in settler.held:
                self.routes.doubt((key,))
                settler.changed((key,), now)
            return False
        if key in settler.desired:
            self.routes.doubt((key,))
            settler.excuse((key,))
        return key.table == MAIN_TABLE and not key.prefix.is_link_local and not key.prefix.is_multicast

    def _link(self, name: Device, state: State) -> bool:
        """One link changed: the kernel may have dropped routes over it without a word."""
        keys = state.forwarding.over(name)
        if keys:
            self.routes.doubt(keys)
            state.forwarding.settler.excuse(keys)
        return bool(keys) or name in state.around.devices
