"""Join: the real kernel as the agent is given it. The only place that makes felixpy's sockets to it."""

import socket
from collections.abc import Collection
from pathlib import Path

from felixpy.agent import Agent, Surroundings
from felixpy.config import Settings
from felixpy.daemon.logs import Log
from felixpy.daemon.paths import sysctl_dir
from felixpy.datastore.source import Datastore
from felixpy.holdings import Holdings, Tables
from felixpy.kernel.links import Links
from felixpy.kernel.macs import KernelMacs
from felixpy.kernel.monitor import Groups, Monitor
from felixpy.kernel.neighbours import KernelNeighbours
from felixpy.kernel.netlink import Netlink, dumped
from felixpy.kernel.owners import PROTOCOL_BIRD, PROTOCOL_RA
from felixpy.kernel.route_dump import dump_routes, name_of
from felixpy.kernel.route_message import decode
from felixpy.kernel.routes import KernelRoutes
from felixpy.kernel.rtnetlink import AF_INET6, RTM_NEWROUTE
from felixpy.kernel.sysctls import KernelSysctls
from felixpy.model.addresses import Address, IPv4Address, parse_address
from felixpy.model.routes import LOCAL_METRIC_IPV6, MAIN_TABLE, Device, Route, RouteKey
from felixpy.node import Machine

METRICS = (0, LOCAL_METRIC_IPV6)


class KernelSide:
    """Sockets and tables of one agent. `agent` is set once it is made: what is ours depends on what it knows."""

    def __init__(self, settings: Settings) -> None:
        self.agent: Agent | None = None
        self.protocol = settings.protocol
        self.netlink = Netlink()  # what it writes is left out of the notifications
        self.reader = KernelRoutes(settings.protocol, METRICS, self._owns)  # for status: reads and never writes
        self._links = Links(self.netlink)
        self._monitor = Monitor(Groups.ALL | Groups.SETTINGS, own=(self.netlink.port,), ignore=(PROTOCOL_BIRD,))
        self._routes = KernelRoutes(settings.protocol, METRICS, self._owns, self.netlink)
        self._sysctls = KernelSysctls(Path(settings.sysctl_dir or sysctl_dir()))
        self.holdings = Holdings(
            Tables(
                self._routes,
                self._routes.doubt,
                KernelNeighbours(self._is_pods, self.netlink),
                KernelMacs(self._is_wanted, self.netlink),
                self._sysctls,
                self._sysctls.about,
            ),
            settings.resync_s,
        )

    def around(self, datastore: Datastore, log: Log) -> Surroundings:
        """What the agent is given."""
        return Surroundings(
            datastore=datastore,
            holdings=self.holdings,
            events=aiter(self._monitor),
            advertised=self.advertised,
            protocol=self.protocol,
            log=log,
            setting=self._sysctls.value,
            links=tuple(self._links.by_name.values()),
        )

    def advertised(self) -> frozenset[Device]:
        """The interfaces with a default route from a router advertisement, now."""
        bodies = dumped(dump_routes(self.netlink, AF_INET6, PROTOCOL_RA, MAIN_TABLE), RTM_NEWROUTE)
        routes = (found.route for found in (decode(body, name_of) for body in bodies) if found is not None)
        defaults = [route for route in routes if route is not None and not route.key.prefix.prefixlen]
        return frozenset(hop.device for route in defaults for hop in route.hops)

    def close(self) -> None:
        """Let go of the sockets; the kernel's state stays."""
        self._monitor.close()
        self.netlink.close()
        self.reader.close()

    def _owns(self, key: RouteKey, route: Route) -> bool:
        return self.agent is not None and self.agent.owns(key, route)

    def _is_pods(self, device: Device) -> bool:
        return self.agent is not None and device.startswith(self.agent.here.prefixes)

    def _is_wanted(self, device: Device) -> bool:
        return device in self.holdings.macs.desired


def has_ipv6() -> bool:
    """Whether this kernel has IPv6 at all."""
    return Path("/proc/sys/net/ipv6").is_dir()


def this_machine(internal: Collection[Address] = ()) -> Machine:
    """Its links and addresses, read now; `internal` is what the kubelet says that they are."""
    netlink = Netlink()
    try:
        links = Links(netlink)
        return Machine(dict(links.by_name), links.addresses(), source_towards, internal)
    finally:
        netlink.close()


def source_towards(address: Address) -> Address | None:
    """The address that the kernel would send from; None when it has no route. No packet is sent."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return parse_address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return None
