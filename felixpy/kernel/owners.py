"""Which routing-protocol number, which nexthop ids and which kernel settings are whose. Pure.

Routes, nexthop objects and neighbour entries carry the protocol number of whoever wrote them. Settings under
/proc/sys carry nothing: there it is the name that decides, so that two daemons never write the same one.
"""

PROTOCOL_KERNEL = 2  # RTPROT_KERNEL: connected routes
PROTOCOL_BOOT = 3  # RTPROT_BOOT: what a CNI plugin or a script added
PROTOCOL_STATIC = 4  # RTPROT_STATIC
PROTOCOL_RA = 9  # RTPROT_RA: from a router advertisement
PROTOCOL_BIRD = 12  # RTPROT_BIRD: birdpy's routes
PROTOCOL_FELIX = 80  # Felix's own choice for routes other than boot: felixpy's routes

NAMES = {
    0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird",
    16: "dhcp", 42: "babel", 80: "felixpy", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
}  # fmt: skip


NEXTHOP_IDS = range(0x0C000000, 0x0D000000)  # of birdpy's nexthop objects; they carry its protocol number as well

PROBES = (  # net/*/neigh/<uplink>/...: how soon a neighbour that does not answer is known to be gone
    "base_reachable_time_ms", "delay_first_probe_time", "retrans_time_ms", "ucast_solicit", "mcast_solicit",
)  # fmt: skip


def setting_owner(path: str) -> str:
    """The daemon that may write this path below /proc/sys: `birdpy` for probing neighbours, else `felixpy`."""
    parts = path.split("/")
    probes = parts[0] == "net" and parts[2:3] == ["neigh"] and parts[-1] in PROBES
    return "birdpy" if probes else "felixpy"


def protocol_name(number: int) -> str:
    """`bird` for 12, as in iproute2's rt_protos; the number as text when it has no name."""
    return NAMES.get(number, str(number))
