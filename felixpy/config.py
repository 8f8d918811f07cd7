"""Join: Settings of the agent: flag, environment, default."""

from dataclasses import dataclass

from felixpy.daemon.settings import Setting, setting
from felixpy.kernel.owners import PROTOCOL_FELIX

PREFIX = "FELIXPY"

DETECTION = (
    "kubernetes-internal-ip | first-found | interface=REGEX,... | skip-interface=REGEX,... | cidr=PREFIX,... "
    "| can-reach=ADDRESS"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a felixpy agent is told at its start. Folders empty: `FELIXPY_RUN_DIR` and the like, or their defaults."""

    node: str = setting("", Setting("this node's name, as in its Node resource", environment="FELIXPY_NODE"))
    datastore: str = setting("", Setting("files:DIR or kubernetes[:KUBECONFIG]", environment="FELIXPY_DATASTORE"))
    lab: str = setting("", Setting("the running lab to take the datastore from", environment="FELIXPY_LAB"))
    run_dir: str = setting("", Setting("folder of sockets and pid files", environment="FELIXPY_RUN_DIR"))
    state_dir: str = setting("", Setting("folder of what survives a reboot", environment="FELIXPY_STATE_DIR"))
    protocol: int = setting(
        PROTOCOL_FELIX, Setting("protocol number that marks felixpy's kernel routes", low=5, high=255)
    )
    resync_s: float = setting(
        90.0, Setting("how often the kernel is compared in full; 0 is never", unit="seconds", low=0, high=86400)
    )
    ip: str = setting(
        "",
        Setting(
            "IPv4 address to write to the Node resource: auto, none or ADDRESS/LENGTH; empty: auto on Kubernetes"
        ),
    )
    ip6: str = setting("", Setting("the same for IPv6; empty: auto on Kubernetes where the node reports one"))
    ip_autodetection_method: str = setting(
        "",
        Setting(f"how --ip auto chooses: {DETECTION}; empty: kubernetes-internal-ip on Kubernetes, else first-found"),
    )
    ip6_autodetection_method: str = setting("", Setting("the same for --ip6 auto"))
    leak_grace_s: float = setting(
        900.0,
        Setting(
            "how long an address must be without a pod before it is given back; 0 is never",
            unit="seconds",
            low=0,
            high=86400,
        ),
    )
    check_interval_s: float = setting(
        300.0,
        Setting(
            "how often the elected agent checks the whole cluster as `felixpy check` does; 0 is never",
            unit="seconds",
            low=0,
            high=86400,
        ),
    )
    ipv4_pool: str = setting("", Setting("IPPool to create when the cluster has none for IPv4", unit="prefix"))
    ipv6_pool: str = setting("", Setting("the same for IPv6", unit="prefix"))
    take_over: bool = setting(False, Setting("also beside a calico-node that runs on this node"))
    metrics_port: int = setting(
        0, Setting("serve Prometheus metrics and probes (/live, /ready) at this port; 0 is off", low=0, high=65535)
    )
    metrics_address: str = setting("127.0.0.1", Setting("where they are served"))
    sysctl_dir: str = setting(
        "",
        Setting("where /proc/sys is writable; a container mounts net/ elsewhere", environment="FELIXPY_SYSCTL_DIR"),
    )
    history_mb: int = setting(
        32, Setting("what the log of pods' routes may take of the disk; 0 is no log", "MB", 0, 1 << 20)
    )
    log_level: str = setting(
        "info", Setting("least severity that is logged", choices=("debug", "info", "warning", "error"))
    )
