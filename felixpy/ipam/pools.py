"""Which pools a request may take addresses from, and why the others not. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha1

from felixpy.ipam.errors import NoQualifiedPool
from felixpy.model.addresses import Address, Family, Prefix, family, parse_prefix
from felixpy.model.resources import IPAMConfig, IPPool, IPReservation, Node, Resource
from felixpy.model.selectors import matches
from felixpy.model.snapshot import Snapshot

MAX_BLOCKS_PER_HOST = 20  # IPAMConfig.maxBlocksPerHost 0 means this (libcalico-go/lib/ipam)


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that decides where a node's addresses come from, apart from the blocks themselves."""

    pools: tuple[Resource[IPPool], ...] = ()  # in the order in which they are used up: by name
    config: IPAMConfig = IPAMConfig()
    reserved: tuple[Prefix, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # this node's

    @property
    def max_blocks(self) -> int:
        """How many blocks of one family a node may own."""
        return self.config.max_blocks_per_host or MAX_BLOCKS_PER_HOST


@dataclass(frozen=True, slots=True)
class Wish:
    """What one family of a request wants."""

    family: Family
    pools: tuple[str, ...] = ()  # named or by CIDR: then only these, whatever their selectors say
    use: str = "Workload"
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


def rules_of(snapshot: Snapshot, node: str) -> Rules:
    """The rules for `node` in this snapshot. A reservation's malformed entry is skipped, as in Calico."""
    configs = snapshot.of(IPAMConfig)
    itself = snapshot.of(Node).get(node)
    return Rules(
        pools=tuple(pool for _, pool in sorted(snapshot.of(IPPool).items())),
        config=configs["default"].spec if "default" in configs else IPAMConfig(),
        reserved=tuple(_reserved(snapshot.of(IPReservation).values())),
        labels=itself.meta.labels if itself else {},
    )


def _reserved(reservations: Iterable[Resource[IPReservation]]) -> Iterator[Prefix]:
    for reservation in reservations:
        for text in reservation.spec.reserved_cidrs:
            try:
                yield parse_prefix(text)
            except ValueError:
                continue


def unserved(pool: Resource[IPPool]) -> str | None:
    """Why no address may come from this pool at all; None when it is served."""
    spec = pool.spec
    if pool.meta.deleting:
        return "it is being deleted"
    if spec.disabled:
        return "it is disabled"
    for mode, value in (("ipipMode", spec.ipip_mode), ("vxlanMode", spec.vxlan_mode)):
        if value != "Never":
            return f"{mode} is {value}: there is no encapsulation here, set it to Never"
    if not spec.cidr.prefixlen <= spec.block_size <= spec.cidr.max_prefixlen:
        return f"blockSize {spec.block_size} does not fit into {spec.cidr}"
    return None


def unfit(pool: Resource[IPPool], wish: Wish, labels: Mapping[str, str]) -> str | None:
    """Why a served pool is not used for this wish when no pool is named; None when it fits."""
    spec = pool.spec
    if wish.use not in spec.allowed_uses:
        return f"allowedUses is {', '.join(spec.allowed_uses)}, not {wish.use}"
    if spec.assignment_mode != "Automatic":
        return f"assignmentMode is {spec.assignment_mode}: it is used only when it is asked for by name"
    if not matches(spec.node_selector, labels):
        return f"nodeSelector {spec.node_selector!r} does not select this node"
    if spec.namespace_selector and not matches(spec.namespace_selector, wish.namespace_labels):
        return f"namespaceSelector {spec.namespace_selector!r} does not select the namespace"
    return None


def pools_for(wish: Wish, rules: Rules) -> tuple[Resource[IPPool], ...]:
    """The pools to take from, in order; NoQualifiedPool with the reason of each pool when there is none."""
    if wish.pools:
        return tuple(_named(text, wish, rules) for text in wish.pools)
    reasons = {}
    fitting = []
    for pool in rules.pools:
        if family(pool.spec.cidr) != wish.family:
            continue
        reason = unserved(pool) or unfit(pool, wish, rules.labels)
        if reason is None:
            fitting.append(pool)
        else:
            reasons[pool.name] = reason
    if not fitting:
        why = "; ".join(f"pool {name}: {reason}" for name, reason in reasons.items()) or "there is none"
        raise NoQualifiedPool(f"no IPv{wish.family} pool serves this request: {why}")
    return tuple(fitting)


def _named(text: str, wish: Wish, rules: Rules) -> Resource[IPPool]:
    for pool in rules.pools:
        if text in (pool.name, str(pool.spec.cidr)):
            if family(pool.spec.cidr) != wish.family:
                raise NoQualifiedPool(f"the given pool ({text}) is not an IPv{wish.family} pool")
            reason = unserved(pool)
            if reason is None:
                return pool
            raise NoQualifiedPool(f"the given pool ({text}) does not exist, or is not enabled: {reason}")
    known = ", ".join(pool.name for pool in rules.pools) or "none"
    raise NoQualifiedPool(f"the given pool ({text}) does not exist, or is not enabled; pools: {known}")


def pool_of(address: Address, rules: Rules) -> Resource[IPPool] | None:
    """The pool that `address` lies in."""
    return next((pool for pool in rules.pools if address in pool.spec.cidr), None)


def block_cidr(pool: IPPool, address: Address) -> Prefix:
    """The block of `pool` that holds `address`."""
    size = 1 << (pool.cidr.max_prefixlen - pool.block_size)
    return _slice(pool, (int(address) - int(pool.cidr.network_address)) // size)


def candidates(pool: IPPool, node: str) -> Iterator[Prefix]:
    """Every block of `pool` once, from a start that depends on block mask and node, wrapping once.

    Nodes start at different places, so that two that grow at one time seldom want the same block.
    """
    count = 1 << (pool.block_size - pool.cidr.prefixlen)
    seed = sha1(f"{pool.block_size}{node}".encode(), usedforsecurity=False).digest()
    start = int.from_bytes(seed[:8], "big") % count
    for step in range(count):
        yield _slice(pool, (start + step) % count)


def _slice(pool: IPPool, index: int) -> Prefix:
    size = 1 << (pool.cidr.max_prefixlen - pool.block_size)
    return type(pool.cidr)((int(pool.cidr.network_address) + index * size, pool.block_size))
