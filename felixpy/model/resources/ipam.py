"""IPPool, IPReservation, IPAMBlock, BlockAffinity, IPAMHandle, IPAMConfig. Pure."""

from msgspec import field

from felixpy.model.addresses import Prefix
from felixpy.model.resources.base import Wire


class IPPool(Wire, frozen=True):
    """A range that pod addresses come from."""

    cidr: Prefix
    vxlan_mode: str = "Never"
    ipip_mode: str = "Never"
    nat_outgoing: bool = False
    disabled: bool = False
    disable_bgp_export: bool = field(name="disableBGPExport", default=False)
    block_size: int = 0  # 0 on the wire only: decoding puts 26 (IPv4) or 122 (IPv6) here
    node_selector: str = "all()"
    namespace_selector: str = ""
    allowed_uses: tuple[str, ...] = ("Workload", "Tunnel")
    assignment_mode: str = "Automatic"  # Automatic | Manual


class IPReservation(Wire, frozen=True):
    """Addresses that are not given out any more; those in use stay in use."""

    reserved_cidrs: tuple[str, ...] = field(name="reservedCIDRs", default=())


class AllocationAttribute(Wire, frozen=True):
    """Who holds the addresses that point at this entry; wire names as in Calico's IPAMBlock."""

    handle_id: str | None = field(name="handle_id", default=None)
    secondary: dict[str, str] | None = field(name="secondary", default=None)
    alternate_owner_attrs: dict[str, str] | None = None
    released_at: str | None = None


class IPAMBlock(Wire, frozen=True):
    """One block of a pool and who holds each address in it."""

    cidr: Prefix
    affinity: str | None = None  # `host:<node>` or `virtual:<name>`
    affinity_claim_time: str | None = None  # RFC 3339
    allocations: tuple[int | None, ...] = ()
    unallocated: tuple[int, ...] = ()
    attributes: tuple[AllocationAttribute, ...] = ()
    sequence_number: int = 0
    sequence_number_for_allocation: dict[str, int] = field(default_factory=dict)
    deleted: bool = False
    strict_affinity: bool = False


class BlockAffinity(Wire, frozen=True):
    """A node's claim to a block; `pending` counts as absent for routing."""

    cidr: Prefix
    node: str
    state: str = ""  # confirmed | pending | pendingDeletion | "" (confirmed)
    type: str = "host"  # host | virtual
    deleted: bool = False  # the wire may hold the text "true" or "false"


class IPAMHandle(Wire, frozen=True):
    """Everything that one owner holds: block CIDR -> number of addresses."""

    handle_id: str = field(name="handleID")
    block: dict[str, int] = field(default_factory=dict)
    deleted: bool = False


class IPAMConfig(Wire, frozen=True):
    """Cluster-wide allocation rules; the one object is named `default`."""

    strict_affinity: bool = False
    auto_allocate_blocks: bool = True
    max_blocks_per_host: int = 0  # 0 means 20
    kube_virt_vm_address_persistence: str = field(name="kubeVirtVMAddressPersistence", default="Enabled")
    ip_cooldown_seconds: int = 0
