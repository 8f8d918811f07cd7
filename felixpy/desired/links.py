"""What the node's end of a pod's veth must look like. Pure."""

from collections.abc import Iterable

from felixpy.desired.endpoints import LocalEndpoint
from felixpy.model.routes import Device

HOST_MAC = "ee:ee:ee:ee:ee:ee"


def desired_macs(endpoints: Iterable[LocalEndpoint]) -> dict[Device, str]:
    """The same MAC on every pod's interface: pods hold a permanent neighbour entry for their gateway with it.

    udev and NetworkManager like to write another one, and then every packet of the pod goes nowhere, silently,
    where ARP would have recovered.
    """
    return {endpoint.device: HOST_MAC for endpoint in endpoints}
