"""The units of systemd for a host without Kubernetes. Pure: text.

Each right is there because something fails without it; tests/netns/test_units.py takes each away and sees what.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MARK = "# Written by felixpy install; own settings: systemctl edit {unit}, or /etc/felixpy/environment."
ENVIRONMENT_FILE = "/etc/felixpy/environment"


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon as a unit: its capabilities, each with what it is for."""

    name: str
    description: str
    capabilities: dict[str, str]
    before: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """The unit's name."""
        return f"{self.name}.service"


FELIXPY = Daemon(
    "felixpy",
    "felixpy: routes, neighbours and settings of this node's pods, and their CNI plugin",
    {"NET_ADMIN": "routes, links, neighbours, nftables, settings under /proc/sys/net"},
    before=("containerd.service", "crio.service", "docker.service", "kubelet.service"),
)
BIRDPY = Daemon(
    "birdpy",
    "birdpy: BGP for this node's address blocks",
    {
        "NET_ADMIN": "learned routes and blackholes",
        "NET_BIND_SERVICE": "port 179",
        "SETUID": "ExaBGP runs as a user of its own",
        "SETGID": "ExaBGP runs in a group of its own, which may read its configuration",
        "KILL": "ending that user's ExaBGP",
    },
)
DAEMONS = (FELIXPY, BIRDPY)

TEMPLATE = """\
{mark}
[Unit]
Description={description}
After=network-pre.target
{before}StartLimitIntervalSec=0

[Service]
Type=exec
EnvironmentFile=-{environment}
ExecStart={command}
Restart=always
RestartSec=1
# The daemon alone is told to stop; what is left of its children is killed. ExaBGP must not be asked: it would say
# goodbye to its peers, and they would drop our routes. No route of the kernel goes with either.
KillMode=mixed
TimeoutStopSec=20
LimitNOFILE=16384
OOMScoreAdjust=-500

{reasons}
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
# Both daemons and the CNI plugin meet in /run/felixpy: one that stops must not take it away.
RuntimeDirectory=felixpy
RuntimeDirectoryPreserve=yes
StateDirectory=felixpy
ProtectSystem=strict
{writable}ProtectHome=read-only
PrivateTmp=yes
PrivateMounts=yes
PrivateDevices=yes
# ProtectKernelTunables would make /proc/sys/net read-only.
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

# systemd-networkd removes routes and rules that it has not made itself when it starts, also those of pods and peers
# (networkd.conf(5)); it reads this when it starts.
NETWORKD = """\
# Written by felixpy install: systemd-networkd leaves alone the routes of pods and of BGP peers.
[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
"""

ENVIRONMENT = """\
# Settings of felixpy.service and birdpy.service; felixpy run --help and birdpy run --help name them all.
FELIXPY_NODE={node}
FELIXPY_DATASTORE={datastore}
"""


def unit(daemon: Daemon, interpreter: str, writable: Sequence[str] = ()) -> str:
    """The unit's text. `writable` are folders beyond /var/lib/felixpy, such as a files store elsewhere."""
    return TEMPLATE.format(
        mark=MARK.format(unit=daemon.unit),
        description=daemon.description,
        before=f"Before={' '.join(daemon.before)}\n" if daemon.before else "",
        environment=ENVIRONMENT_FILE,
        command=" ".join(command(daemon, interpreter)),
        reasons="\n".join(f"# CAP_{name}: {reason}." for name, reason in daemon.capabilities.items()),
        capabilities=" ".join(f"CAP_{name}" for name in daemon.capabilities),
        writable="".join(f"ReadWritePaths={folder}\n" for folder in writable),
    )


def command(daemon: Daemon, interpreter: str) -> list[str]:
    """What the unit starts: isolated from the caller's environment and folder (`-I`)."""
    return [interpreter, "-I", "-m", daemon.name, "run"]


def is_ours(content: bytes) -> bool:
    """Whether we wrote this file."""
    return content.startswith(b"# Written by felixpy install")
