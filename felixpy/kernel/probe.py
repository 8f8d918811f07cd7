"""One ping with a pod's own source, sent from its node, without entering the pod. Edge.

The request leaves as the node's own packet with the pod's address as its source (CAP_NET_RAW); the answer is routed
to the pod and seen on the way, on the pod's interface. So what is proven is the whole way there and back but for the
pod's own stack and what the node does to packets that it forwards (guard, firewall) on the way out.
"""

import errno
import os
import select
import socket
import time

from felixpy.kernel.probe_packet import SMALLEST, Echo, Reply, reply, request
from felixpy.model.addresses import Address
from felixpy.model.errors import Trouble, Usage
from felixpy.model.probe import ProbeResult

ETH_P_ALL = 3
IPV6_HDRINCL = 36
LARGEST = 65535


def probe(source: Address, destination: Address, size: int, timeout_s: float = 1.0) -> ProbeResult:
    """Send one echo request of `size` bytes, and wait for what comes of it.

    Usage when the ends are of two families or the size is none; Trouble when raw sockets are not allowed.
    """
    if source.version != destination.version:
        raise Usage(f"{source} and {destination} are of two families")
    if not SMALLEST[source.version] <= size <= LARGEST:
        raise Usage(f"a packet of {size} bytes: {SMALLEST[source.version]} to {LARGEST} are possible")
    echo = Echo(source, destination, os.getpid() & 0xFFFF, size)
    try:
        # SOCK_DGRAM strips the link's own header; every interface, because errors come by any of them.
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as ear:
            began = time.monotonic()
            refused = _send(echo)
            found = refused or _listen(ear, echo, began + timeout_s)
            took = time.monotonic() - began
    except PermissionError as error:
        raise Trouble("a probe needs CAP_NET_RAW: run it as root, or with --no-probe") from error
    return _result(echo, found, took, timeout_s)


def _send(echo: Echo) -> Reply | None:
    """Send it; what this node itself says when it cannot leave."""
    if echo.source.version == 4:
        mouth = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        target: tuple[object, ...] = (str(echo.destination), 0)
    else:
        mouth = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        mouth.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        target = (str(echo.destination), 0, 0, 0)
    with mouth:
        try:
            mouth.sendto(request(echo), target)
        except PermissionError:
            raise
        except OSError as error:
            text = "does not fit the first link" if error.errno == errno.EMSGSIZE else str(error.strerror or error)
            return Reply(echo.source, f"not sent: {text}")
    return None


def _listen(ear: socket.socket, echo: Echo, until: float) -> Reply | None:
    while (left := until - time.monotonic()) > 0:
        if select.select([ear], [], [], left)[0]:
            found = reply(ear.recv(LARGEST), echo)
            if found is not None:
                return found
    return None


def _result(echo: Echo, found: Reply | None, took_s: float, timeout_s: float) -> ProbeResult:
    answered = found is not None and not found.text
    return ProbeResult(
        source=str(echo.source),
        destination=str(echo.destination),
        size=echo.size,
        answered=answered,
        rtt_ms=round(took_s * 1000, 3) if answered else None,
        text=(found.text if found else f"nothing came back in {timeout_s:g} s"),
        by=str(found.by) if found and found.text else "",
        mtu=found.mtu if found else 0,
    )
