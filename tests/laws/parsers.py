"""Every parser of what others wrote, each as a function of bytes that must end in a value or in its own error.

Used by the laws (tests/laws/test_parsers.py, with hypothesis) and by `make fuzz` (tests/laws/fuzz.py, with atheris).
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from birdpy.exabgp.decode import Undecodable
from birdpy.exabgp.decode import decode as exabgp_line
from felixpy.cni.call import parse_call, parse_config, version_of
from felixpy.cni.errors import CniError
from felixpy.datastore.decode import decode as resource
from felixpy.datastore.documents import load_documents
from felixpy.kernel import link_message, netconf, nexthop_message, route_message
from felixpy.kernel.netlink import dumped
from felixpy.kernel.route_dump import bodies
from felixpy.kernel.rtnetlink import RTM_NEWROUTE, messages
from felixpy.lab import topology
from felixpy.lab.located import InvalidTopology
from felixpy.model.errors import InvalidResource
from felixpy.model.routes import Device

# What a message that no kernel sends may end in: nobody but the kernel, or who has its rights, reaches that socket.
MALFORMED = (struct.error, ValueError, LookupError)
ADD = {
    "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/proc/1/ns/net", "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
}  # fmt: skip


def name(index: int) -> Device:
    """A device for every index."""
    return Device(f"if{index}")


def line(data: bytes) -> None:
    """What ExaBGP says."""
    with suppress(Undecodable):
        exabgp_line(data)


def cni(data: bytes) -> None:
    """What a runtime gives on standard input."""
    version_of(data)
    with suppress(CniError):
        parse_config(data)
    with suppress(CniError):
        parse_call(ADD, data)


def manifest(data: bytes) -> None:
    """A file of the store, or of `felixpy apply`."""
    with suppress(InvalidResource):
        for document in load_documents(data, "f"):
            for strict in (False, True):
                with suppress(InvalidResource):
                    resource(document, "f", strict)


def lab(data: bytes) -> None:
    """A topology file."""
    with suppress(InvalidTopology):
        topology.parse(data.decode(errors="replace"), Path("x.clab.yml"))


def routes(data: bytes) -> None:
    """A dump of routes: the fast way through it finds what the plain way finds."""
    if len(data) >= 4:
        assert bodies(data) == list(dumped([data], RTM_NEWROUTE))
    for each in messages(data):
        with suppress(*MALFORMED):
            route_message.decode(each.body, name)


def links(data: bytes) -> None:
    """Links, addresses, neighbours, nexthop objects and settings, in dumps and notifications."""
    for each in messages(data):
        for decode in (link_message.decode_link, link_message.decode_address, link_message.decode_neighbour):
            with suppress(*MALFORMED):
                decode(each.body)
        with suppress(*MALFORMED):
            nexthop_message.decode(each.body, name)
        with suppress(*MALFORMED):
            list(netconf.settings(each.body, Device("eth0")))


PARSERS: dict[str, Callable[[bytes], None]] = {
    "exabgp": line, "cni": cni, "yaml": manifest, "json": manifest, "topology": lab, "routes": routes, "links": links,
}  # fmt: skip
