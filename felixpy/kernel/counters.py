"""The kernel's own counters of one network namespace: what TCP refused, what was forwarded. Edge: reads /proc/net.

Names are those of nstat(8), without `Ext`: `TcpMD5Failure`, `IpForwDatagrams`, `Ip6OutForwDatagrams`.
"""

from collections.abc import Mapping
from pathlib import Path

NET = Path("/proc/thread-self/net")
MD5_FAILURE = "TCPMD5Failure"  # signed with another key
MD5_MISSING = "TCPMD5NotFound"  # not signed, where a key is set
MD5_UNEXPECTED = "TCPMD5Unexpected"  # signed, where no key is set
TTL_DROPPED = "TCPMinTTLDrop"  # came from further away than GTSM allows (RFC 5082)
FORWARDED = ("IpForwDatagrams", "Ip6OutForwDatagrams")


def read_counters(net: Path = NET) -> dict[str, int]:
    """Every counter of /proc/net/{snmp,snmp6,netstat}; those of a family that the kernel has not are absent."""
    found: dict[str, int] = {}
    for name in ("snmp", "netstat"):
        found |= _paired(_lines(net / name))
    for line in _lines(net / "snmp6"):
        words = line.split()
        if len(words) == 2:
            found[words[0]] = int(words[1])
    return found


def forwarded(counters: Mapping[str, int]) -> int:
    """How many packets this node has forwarded, of both families: from and to its pods, and through it."""
    return sum(counters.get(name, 0) for name in FORWARDED)


def _paired(lines: list[str]) -> dict[str, int]:
    """`Tcp: A B` followed by `Tcp: 1 2`. What starts with its group's name, as `TCPMD5Failure`, keeps its own."""
    found: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        group, *columns = names.split()
        prefix = "" if group in ("TcpExt:", "IpExt:", "MPTcpExt:") else group.rstrip(":")
        found |= {prefix + column: int(value) for column, value in zip(columns, values.split()[1:], strict=False)}
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
