"""Which neighbours are to be asked whether they are there, and how soon an answer must come. Pure.

A next hop on a shared segment can die without any link of ours going down. Whoever forwards to it or speaks BGP with
it finds out by ARP or ND: asked once its last answer is a second old or so, and given up after three questions.
"""

from collections.abc import Iterable

from birdpy.rib.next_hops import Resolution, Resolved
from felixpy.model.neighbours import NeighbourKey
from felixpy.model.routes import Device
from felixpy.model.sysctls import Sysctl, SysctlKey

MOST = 1024  # neighbours; more are left to the sessions' hold time
ASK_EVERY_S = 0.4  # with the settings below, a neighbour that died is known within 0.9 to 2.5 s
BECAUSE = "else a next hop that died on a shared segment is noticed after half a minute"
PROBES = {
    "base_reachable_time_ms": "1000",  # an answer counts for half of this to one and a half times this
    "delay_first_probe_time": "0",  # seconds: ask at once, do not wait for a hint from TCP
    "retrans_time_ms": "200",
    "ucast_solicit": "3",
    "mcast_solicit": "2",
}


def watched(ways: Iterable[Resolution]) -> frozenset[NeighbourKey]:
    """The neighbours that these ways lead through: next hops themselves, or the gateways in front of them."""
    found = {
        NeighbourKey(hop.device, hop.via) for way in ways if isinstance(way, Resolved) for hop in way.hops
    }  # fmt: skip
    if len(found) > MOST:
        found = set(sorted(found, key=lambda key: (key.device, int(key.address)))[:MOST])
    return frozenset(found)


def probing(keys: Iterable[NeighbourKey]) -> dict[SysctlKey, Sysctl]:
    """The settings of the devices behind which neighbours are watched."""
    places = sorted({(key.device, key.address.version) for key in keys})
    return {
        key: Sysctl(key, value, BECAUSE)
        for device, version in places
        for name, value in PROBES.items()
        for key in [probe(device, version, name)]
    }


def probe(device: Device, version: int, name: str) -> SysctlKey:
    """Where one of these settings is."""
    return SysctlKey(f"net/ipv{version}/neigh/{device}/{name}")
