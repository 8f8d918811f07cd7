"""Edge: how ExaBGP's TCP connections outlast a cut. A patch like those of exabgp/patches; runs in ExaBGP's process.

TCP doubles its wait after every packet that is not answered, up to two minutes: a session that outlived a cut of a
minute would carry nothing for another one. Here it waits `RTO_MAX_MS` at most (Linux 6.15; before that the first six
waits are not doubled), and the connection lives for the hold time, not for a number of packets. A dial that is under
way waits in the same manner; `redial ADDRESS`, a command of ours, begins it anew at once.

And what our end of a connection is, which birdpy gives as next hop: as shipped that is not told of a connection that
the peer opened, and forgotten by a reload that comes between the connection and the session. Where it is to be chosen
by the kernel, a connection that the peer opens is dropped by an error of ExaBGP's, as long as none was opened to it.
"""

import socket
from collections.abc import Iterator
from typing import Any

RTO_MAX_MS = 1000  # the least that the kernel takes
TCP_THIN_LINEAR_TIMEOUTS, TCP_USER_TIMEOUT, TCP_RTO_MAX_MS = 16, 18, 44
FOR_EVER_MS = 0x7FFFFFFF  # a hold time of 0


def patch_connections() -> None:
    """Waits that stay short, on connections of either direction, and the command `redial`."""
    from exabgp.reactor import listener
    from exabgp.reactor.api import API
    from exabgp.reactor.network.outgoing import Outgoing
    from exabgp.reactor.protocol import Protocol

    accept, connect, set_up = listener.set_accepted_ttl, Protocol.connect, Outgoing._setup

    def accepted(connection: Any, neighbor: Any) -> None:
        accept(connection, neighbor)
        wait_briefly(connection.io)
        live_for(connection.io, neighbor["hold-time"])

    def connecting(self: Any) -> Iterator[bool]:
        for connected in connect(self):
            if connected:
                live_for(self.connection.io, self.neighbor["hold-time"])
            yield connected

    def setting_up(self: Any) -> Any:
        trouble = set_up(self)
        if trouble is None:
            wait_briefly(self.io)
        return trouble

    listener.set_accepted_ttl = accepted
    Protocol.connect = connecting
    Outgoing._setup = setting_up
    patch_ends()
    API.functions.insert(0, "redial")
    API.callback["text"]["redial"] = redial


def patch_ends() -> None:
    """Each session knows our end of its connection when it begins."""
    from exabgp.reactor.listener import Listener
    from exabgp.reactor.peer import Peer

    begin, answer = Peer._main, Listener.new_connections

    def beginning(self: Any) -> Iterator[Any]:  # its first step says that the session is up
        know_our_end(self.neighbor, self.proto.connection.io)
        yield from begin(self)

    def answering(self: Any) -> Iterator[None]:
        expect_any_end(self._reactor)
        yield from answer(self)

    Peer._main = beginning
    Listener.new_connections = answering


def expect_any_end(reactor: Any) -> None:
    """Give each session that takes any of our addresses one that ExaBGP can compare with."""
    from exabgp.protocol.ip import IP

    for key in reactor.peers():
        neighbor = reactor.neighbor(key)
        if neighbor.auto_discovery and neighbor["local-address"] is None:
            none = "0.0.0.0" if neighbor["peer-address"].ipv4() else "::"  # noqa: S104 - nothing is bound
            neighbor["local-address"] = IP.create(none)


def know_our_end(neighbor: Any, connection: Any) -> None:
    """Note which of our addresses the peer sees, where none was configured."""
    from exabgp.protocol.ip import IP

    if neighbor.auto_discovery and connection is not None:
        neighbor["local-address"] = IP.create(connection.getsockname()[0].partition("%")[0])


def redial(_: Any, reactor: Any, service: str, line: str, _json: bool) -> bool:
    """Dial this peer now, whatever wait or attempt there is; nothing when a connection with it stands."""
    address = line.rsplit(maxsplit=1)[-1]
    for peer in reactor._peers.values():
        if str(peer.neighbor["peer-address"]) == address and peer.proto is None and peer._restart:
            peer._delay.reset()
            peer.generator = None
    reactor.processes.answer_done(service)
    return True


def wait_briefly(connection: Any) -> None:
    """Between two packets that are not answered."""
    if connection is None:
        return
    try:
        connection.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, RTO_MAX_MS)
    except OSError:
        connection.setsockopt(socket.IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1)


def live_for(connection: Any, hold_time_s: int) -> None:
    """However many packets that are."""
    if connection is not None:
        wait_ms = int(hold_time_s) * 1000 or FOR_EVER_MS
        connection.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, wait_ms)
