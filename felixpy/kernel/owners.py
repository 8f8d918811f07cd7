"""Which routing-protocol number is whose: the one place that says who owns a route. Pure."""

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


def protocol_name(number: int) -> str:
    """`bird` for 12, as in iproute2's rt_protos; the number as text when it has no name."""
    return NAMES.get(number, str(number))
