"""What a node is like besides its routing, read now, for `doctor`. Edge: /proc, a few files, one question to nft.

Each part is read by itself: what cannot be read is absent, and the others are told all the same.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from felixpy.model.system import BaseChainFact, ListenerFact, ProcessFact, SystemFacts

PROC = Path("/proc")
CNI_FOLDER = Path("/etc/cni/net.d")
NETWORKD = (Path("/etc/systemd/networkd.conf"), Path("/etc/systemd/networkd.conf.d"))
NETWORKD_DROPINS = (Path("/run/systemd/networkd.conf.d"), Path("/usr/lib/systemd/networkd.conf.d"))
ROUTERS = ("bird", "bird6", "zebra", "bgpd", "watchfrr", "gobgpd", "exabgp")
NETWORKS = ("calico-node", "confd", "flanneld", "cilium-agent", "kube-router", "speaker")
MANAGERS = ("systemd-networkd", "NetworkManager", "dhcpcd", "connmand")
KNOWN = {name[:15]: name for name in (*ROUTERS, *NETWORKS, *MANAGERS, "felixpy", "birdpy")}  # comm has 15 characters
LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h
NFT_TIMEOUT_S = 3.0
LIMITS = {
    "conntrack": ("sys/net/netfilter/nf_conntrack_count", "sys/net/netfilter/nf_conntrack_max"),
    "inotify_instances": ("", "sys/fs/inotify/max_user_instances"),
    "neighbours4": ("", "sys/net/ipv4/neigh/default/gc_thresh3"),
    "neighbours6": ("", "sys/net/ipv6/neigh/default/gc_thresh3"),
}


def read_system(node: str, state: Path, ports: frozenset[int] = frozenset({179})) -> SystemFacts:
    """The facts of this machine, or of the namespaces that this process is in. `ports`: those that BGP listens on."""
    owners = dict(_socket_owners())
    usage = shutil.disk_usage(state) if state.exists() else None
    return SystemFacts(
        node=node,
        taken=time.time(),
        kernel=os.uname().release,
        processes=tuple(_processes()),
        listeners=tuple(_listeners(ports, owners)),
        chains=_chains(),
        cni_files=_cni_files(),
        networkd=_networkd(),
        counters=_counters(_text(PROC / "net/netstat")),
        limits=dict(_limits()),
        state_free_bytes=usage.free if usage else None,
        state_size_bytes=usage.total if usage else None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _pids() -> list[Path]:
    return [entry for entry in PROC.iterdir() if entry.name.isdecimal()]


def _link(path: Path) -> str:
    """Where a link of /proc leads; "" when we may not look or it is gone."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def _processes() -> Iterator[ProcessFact]:
    here = _link(PROC / "self/ns/net")
    for folder in _pids():
        name = _name(folder)
        if name in KNOWN.values() and _link(folder / "ns/net") == here:
            limit = re.search(r"Max open files +(\d+)", _text(folder / "limits"))
            capabilities = re.search(r"CapEff:\s*([0-9a-f]+)", _text(folder / "status"))
            yield ProcessFact(
                pid=int(folder.name),
                name=name,
                capabilities=int(capabilities[1], 16) if capabilities else 0,
                open_files=_count(folder / "fd"),
                open_files_limit=int(limit[1]) if limit else None,
            )


def _name(folder: Path) -> str:
    """The program: its own name, or for a script that of the script (`python felixpy run` is felixpy)."""
    comm = _text(folder / "comm").strip()
    if not comm.startswith(("python", "sh")):
        return KNOWN.get(comm, comm)
    words = _text(folder / "cmdline").split("\0")
    for place, word in enumerate(words[1:], 1):
        name = words[place + 1] if word == "-m" and place + 1 < len(words) else word.rpartition("/")[2]
        if name in KNOWN.values():
            return name
    return comm


def _count(folder: Path) -> int | None:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return None


def _socket_owners() -> Iterator[tuple[str, str]]:
    """Which process has which socket: inode -> `bird (pid 7)`. Only those that we may look into."""
    for folder in _pids():
        try:
            targets = [_link(link) for link in (folder / "fd").iterdir()]
        except OSError:
            continue
        for target in targets:
            if target.startswith("socket:["):
                yield target[8:-1], f"{_name(folder)} (pid {folder.name})"


def _listeners(ports: frozenset[int], owners: Mapping[str, str]) -> Iterator[ListenerFact]:
    for table in ("net/tcp", "net/tcp6"):
        for line in _text(PROC / table).splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTEN and int(port, 16) in ports:
                yield ListenerFact(address=_address(address), port=int(port, 16), holder=owners.get(fields[9], ""))


def _address(text: str) -> str:
    """An address as /proc/net/tcp has it: 32-bit words in host byte order."""
    packed = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return str(ip_address(packed))


def _chains() -> tuple[BaseChainFact, ...] | None:
    try:
        done = subprocess.run(
            ["nft", "-j", "list", "chains"], capture_output=True, timeout=NFT_TIMEOUT_S, check=True, text=True
        )
        listed = [item["chain"] for item in json.loads(done.stdout)["nftables"] if "chain" in item]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
    return tuple(
        BaseChainFact(
            family=it["family"],
            table=it["table"],
            name=it["name"],
            hook=it["hook"],
            policy=it.get("policy", "accept"),
        )
        for it in listed
        if "hook" in it
    )


def _cni_files() -> tuple[str, ...]:
    try:
        names = sorted(entry.name for entry in CNI_FOLDER.iterdir())
    except OSError:
        return ()
    return tuple(name for name in names if name.endswith((".conf", ".conflist", ".json")))


def _networkd() -> dict[str, str]:
    """The settings that decide whether networkd removes others' routes; later files win (systemd.syntax(7))."""
    files = [
        NETWORKD[0],
        *(file for folder in (*NETWORKD_DROPINS, NETWORKD[1]) for file in sorted(folder.glob("*.conf"))),
    ]
    found: dict[str, str] = {}
    for file in files:
        for name, value in re.findall(r"^\s*(ManageForeign\w+)\s*=\s*(\S+)", _text(file), re.MULTILINE):
            found[name] = value.lower()
    return found


def _counters(text: str) -> dict[str, int]:
    """The TCPMD5 counters of TcpExt: lines come in pairs, names above values."""
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names.startswith("TcpExt:"):
            pairs = zip(names.split()[1:], values.split()[1:], strict=False)
            return {name: int(value) for name, value in pairs if name.startswith("TCPMD5")}
    return {}


def _limits() -> Iterator[tuple[str, int]]:
    for name, (used, most) in LIMITS.items():
        for suffix, path in (("used", used), ("most", most)):
            value = _text(PROC / path).strip() if path else ""
            if value.isdecimal():
                yield f"{name}_{suffix}", int(value)
    uid = os.geteuid()
    instances = 0
    for folder in _pids():
        try:
            if folder.stat().st_uid == uid:
                instances += sum(_link(link) == "anon_inode:inotify" for link in (folder / "fd").iterdir())
        except OSError:
            continue
    yield "inotify_instances_used", instances
