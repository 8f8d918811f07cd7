"""Join: Settings of the router: flag, environment, default."""

from dataclasses import dataclass

from birdpy.policy.sessions import SpeakerSettings
from birdpy.rib.best_path import Preferences
from felixpy.daemon.settings import Setting, setting
from felixpy.kernel.owners import PROTOCOL_BIRD
from felixpy.model.addresses import Address, parse_address
from felixpy.model.errors import Usage
from felixpy.model.routes import BGP_METRIC

PREFIX = "BIRDPY"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a birdpy is told at its start. Folders empty: `FELIXPY_RUN_DIR`, `FELIXPY_STATE_DIR` or their defaults."""

    node: str = setting("", Setting("this node's name, as in its Node resource", environment="FELIXPY_NODE"))
    datastore: str = setting("", Setting("files:DIR or kubernetes[:KUBECONFIG]", environment="FELIXPY_DATASTORE"))
    lab: str = setting("", Setting("the running lab to take the datastore from", environment="FELIXPY_LAB"))
    run_dir: str = setting("", Setting("folder of sockets and pid files", environment="FELIXPY_RUN_DIR"))
    state_dir: str = setting("", Setting("folder of what survives a reboot", environment="FELIXPY_STATE_DIR"))
    protocol: int = setting(
        PROTOCOL_BIRD, Setting("protocol number that marks birdpy's kernel routes", low=5, high=255)
    )
    metric: int = setting(BGP_METRIC, Setting("metric of learned routes and blackholes", low=1, high=0xFFFFFFFF))
    resync_s: float = setting(
        90.0, Setting("how often the kernel is compared in full", unit="seconds", low=1, high=86400)
    )
    kernel_nexthops: bool = setting(
        False, Setting("learned routes share nexthop objects of the kernel: one that fails is one change")
    )
    strict_multipath: bool = setting(
        False, Setting("paths share the load only with the same AS path, not merely one of the same length")
    )
    max_paths: int = setting(16, Setting("paths that share the load of one prefix at most", low=1, high=256))
    prefer_oldest: bool = setting(
        False, Setting("of equal external paths the oldest is the best, before the lowest router id")
    )
    watch_neighbours: bool = setting(
        True, Setting("have next hops and peers on the wire asked twice a second whether they are there")
    )
    retry_s: float = setting(2.0, Setting("wait before a refused key is tried again", "seconds", 0.1, 600))
    router_id: str = setting(
        "", Setting("BGP identifier: an IPv4 address, or hash (of the node's name); empty: the node's IPv4 address")
    )
    namespace: str = setting(
        "kube-system", Setting("namespace of the Secrets with BGP passwords", environment="NAMESPACE")
    )
    hold_time_s: int = setting(
        90, Setting("hold time of sessions whose BGPPeer has no keepaliveTime", unit="seconds", low=3, high=65535)
    )
    api_server: str = setting("", Setting("addresses, with commas, that no learned route may capture"))
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
        32, Setting("what the log of routes and sessions may take of the disk; 0 is no log", "MB", 0, 1 << 20)
    )
    log_level: str = setting(
        "info", Setting("least severity that is logged", choices=("debug", "info", "warning", "error"))
    )


def speaker_settings(settings: Settings) -> SpeakerSettings:
    """What these settings say about the node as a speaker."""
    return SpeakerSettings(
        router_id=settings.router_id, namespace=settings.namespace, hold_time_s=settings.hold_time_s
    )


def preferences(settings: Settings) -> Preferences:
    """What these settings say about the choice among paths."""
    return Preferences(not settings.strict_multipath, settings.prefer_oldest, settings.max_paths)


def api_servers(settings: Settings) -> tuple[Address, ...]:
    """The addresses of `--api-server`; Usage when one is none."""
    try:
        return tuple(parse_address(text) for text in settings.api_server.split(",") if text.strip())
    except ValueError as error:
        raise Usage(f"--api-server {settings.api_server}: {error}") from error
