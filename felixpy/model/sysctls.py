"""A kernel setting under /proc/sys. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SysctlKey:
    """The path below /proc/sys, with slashes: `net/ipv4/conf/cali0123/rp_filter` (names may hold dots)."""

    path: str


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One wanted value, with the reason that `felixpy doctor` and the log print."""

    key: SysctlKey
    value: str
    because: str = field(default="", compare=False)


__all__ = ["Sysctl", "SysctlKey"]
