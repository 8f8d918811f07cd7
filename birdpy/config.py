"""Join: Settings of the router: flag, environment, default."""

from dataclasses import dataclass

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
    retry_s: float = setting(2.0, Setting("wait before a refused key is tried again", "seconds", 0.1, 600))
    api_server: str = setting("", Setting("addresses, with commas, that no learned route may capture"))
    log_level: str = setting(
        "info", Setting("least severity that is logged", choices=("debug", "info", "warning", "error"))
    )


def api_servers(settings: Settings) -> tuple[Address, ...]:
    """The addresses of `--api-server`; Usage when one is none."""
    try:
        return tuple(parse_address(text) for text in settings.api_server.split(",") if text.strip())
    except ValueError as error:
        raise Usage(f"--api-server {settings.api_server}: {error}") from error
