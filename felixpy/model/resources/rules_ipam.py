"""Calico's rules for pools, reservations, blocks, affinities, handles and the IPAM configuration. Pure.

Sources: libcalico-go/lib/clientv3/ippool.go, validator/v3, lib/ipam.
"""

from collections.abc import Collection, Iterator

from felixpy.model.addresses import contains, family, parse_prefix
from felixpy.model.resources.formats import bad_selector
from felixpy.model.resources.ipam import BlockAffinity, IPAMBlock, IPAMConfig, IPAMHandle, IPPool, IPReservation
from felixpy.model.resources.problem import Problem, outside

LINK_LOCAL = (parse_prefix("169.254.0.0/16"), parse_prefix("fe80::/10"))
BLOCK_SIZES = {4: (20, 32), 6: (116, 128)}
USES = ("Workload", "Tunnel", "LoadBalancer")
LARGEST_BLOCK_BITS = 16  # more addresses than this in one block would fill the memory of every reader


def pool(spec: IPPool, _name: str, given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with an IPPool."""
    for reserved in LINK_LOCAL:
        if contains(reserved, spec.cidr) or contains(spec.cidr, reserved):
            yield Problem("cidr", f"{spec.cidr} overlaps the link-local range {reserved}")
    yield from outside("blockSize", spec.block_size, *BLOCK_SIZES[family(spec.cidr)])
    if spec.cidr.prefixlen > spec.block_size and not spec.disabled:
        yield Problem(
            "blockSize", f"a block of /{spec.block_size} does not fit into {spec.cidr}: use a greater number"
        )
    if spec.ipip_mode != "Never" and spec.vxlan_mode != "Never":
        yield Problem("vxlanMode", "excludes ipipMode: one of them must be Never")
    if family(spec.cidr) == 6 and spec.ipip_mode != "Never":
        yield Problem("ipipMode", "must be Never for an IPv6 pool")
    if reason := bad_selector(spec.node_selector, 16384, may_be_global=False):
        yield Problem("nodeSelector", reason)
    if reason := bad_selector(spec.namespace_selector, 16384, may_be_global=False):
        yield Problem("namespaceSelector", reason)
    yield from _uses(spec, given)


def _uses(spec: IPPool, given: Collection[str]) -> Iterator[Problem]:
    for i, use in enumerate(spec.allowed_uses):
        if use not in USES:
            yield Problem(f"allowedUses[{i}]", f"must be one of {', '.join(USES)}, not {use[:64]!r}")
        if use in spec.allowed_uses[:i]:
            yield Problem(f"allowedUses[{i}]", f"{use} is there twice")
    if spec.namespace_selector and "allowedUses" in given and "Tunnel" in spec.allowed_uses:
        yield Problem("namespaceSelector", "has no meaning for Tunnel addresses: take Tunnel out of allowedUses")
    if "LoadBalancer" not in spec.allowed_uses:
        return
    if len(spec.allowed_uses) > 1:
        yield Problem("allowedUses", "LoadBalancer excludes Workload and Tunnel: make a pool of its own")
    if spec.ipip_mode != "Never" or spec.vxlan_mode != "Never":
        yield Problem("allowedUses", "LoadBalancer excludes ipipMode and vxlanMode: set them to Never")
    if spec.disable_bgp_export:
        yield Problem("disableBGPExport", "must be false for a LoadBalancer pool")
    if spec.node_selector != "all()":
        yield Problem("nodeSelector", "must be all() for a LoadBalancer pool")


def reservation(spec: IPReservation, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with an IPReservation; a malformed entry is not, allocation skips it (`apply` refuses it)."""
    for i, text in enumerate(spec.reserved_cidrs):
        if text in spec.reserved_cidrs[:i]:
            yield Problem(f"reservedCIDRs[{i}]", f"{text[:64]} is there twice")


def block(spec: IPAMBlock, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with an IPAMBlock: its arrays must fit each other, or addresses would be given out twice."""
    bits = spec.cidr.max_prefixlen - spec.cidr.prefixlen
    if bits > LARGEST_BLOCK_BITS:
        yield Problem("cidr", f"{spec.cidr} is no block: at most {1 << LARGEST_BLOCK_BITS} addresses")
        return
    size = 1 << bits
    if spec.affinity is not None and not spec.affinity.startswith(("host:", "virtual:")):
        yield Problem("affinity", f"must be host:NODE or virtual:NAME, not {spec.affinity[:64]!r}")
    if spec.allocations and len(spec.allocations) != size:
        yield Problem("allocations", f"has {len(spec.allocations)} entries, the block has {size} addresses")
    holders, used, free = len(spec.attributes), set(spec.allocations), set(spec.unallocated)
    if not used <= {None, *range(holders)}:
        yield Problem("allocations", f"points at an entry outside the {holders} of attributes")
    if free and not 0 <= min(free) <= max(free) < size:
        yield Problem("unallocated", f"holds a number outside 0..{size - 1}")
    if len(free) != len(spec.unallocated):
        yield Problem("unallocated", "holds a number twice")
    if spec.sequence_number < 0:
        yield Problem("sequenceNumber", "is negative")


def affinity(spec: BlockAffinity, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a BlockAffinity."""
    if spec.state not in ("", "confirmed", "pending", "pendingDeletion"):
        yield Problem("state", f"must be one of confirmed, pending, pendingDeletion, not {spec.state[:64]!r}")
    if spec.type not in ("host", "virtual"):
        yield Problem("type", f"must be host or virtual, not {spec.type[:64]!r}")
    if not spec.node:
        yield Problem("node", "is required")


def handle(spec: IPAMHandle, _name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with an IPAMHandle."""
    if not spec.handle_id:
        yield Problem("handleID", "is required")
    for cidr, count in spec.block.items():
        try:
            parse_prefix(cidr)
        except ValueError as error:
            yield Problem(f"block.{cidr[:64]}", str(error))
        if count < 0:
            yield Problem(f"block.{cidr[:64]}", "is negative")


def configuration(spec: IPAMConfig, name: str, _given: Collection[str]) -> Iterator[Problem]:
    """What is wrong with an IPAMConfig."""
    if name != "default":
        yield Problem("", "only the object named default is read: name it so")
    if not spec.strict_affinity and not spec.auto_allocate_blocks:
        yield Problem("autoAllocateBlocks", "false needs strictAffinity: true, else nodes borrow from each other")
    yield from outside("maxBlocksPerHost", spec.max_blocks_per_host, 0, 2147483647)
    if spec.max_blocks_per_host > 0 and not spec.strict_affinity:
        yield Problem("maxBlocksPerHost", "needs strictAffinity: true")
    yield from outside("ipCooldownSeconds", spec.ip_cooldown_seconds, 0, 1200, "s")
