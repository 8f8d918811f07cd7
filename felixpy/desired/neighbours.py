"""Which permanent neighbour entries this node's kernel should hold for its own pods. Pure."""

from collections.abc import Iterable

from felixpy.desired.endpoints import LocalEndpoint
from felixpy.model.neighbours import Neighbour, NeighbourKey


def desired_neighbours(endpoints: Iterable[LocalEndpoint]) -> dict[NeighbourKey, Neighbour]:
    """One entry for each address of each endpoint whose MAC is known: no first packet waits for ARP or NDP.

    Without a MAC (Kubernetes' Pods carry none) the kernel asks the pod, as for any neighbour. Calico writes IPv4
    entries only; with IPv6 ones a pod answers its node even while its duplicate address detection runs.
    """
    keys = ((NeighbourKey(it.device, address), it.mac) for it in endpoints if it.mac for address in it.addresses)
    return {key: Neighbour(key, mac) for key, mac in keys}
