"""Join: `felixpy run`, the daemon. Started without the command line's library; see felixpy/__main__.py."""

from collections.abc import Sequence

from felixpy import config
from felixpy.daemon.settings import from_command_line
from felixpy.daemon.start import exit_with

HELP = """The agent: keep this node's kernel as its pods need it.

One route for each pod address, its neighbour entry, MAC and sysctls; whatever someone else changes of these is put
back. It keeps the kernel as it is when it ends, by SIGTERM too.

\b
Examples:
  felixpy run --node n1
  FELIXPY_NODE=n1 felixpy run --datastore files:/var/lib/felixpy/store
  felixpy run --node n1 --ip auto --ip-autodetection-method interface=eth0
"""


def start(argv: Sequence[str]) -> None:
    """Run the agent with the flags in `argv` until a signal ends it; never returns."""

    def work() -> None:
        settings = from_command_line(config.Settings, config.PREFIX, argv)
        from felixpy.cni.server import serve_cni
        from felixpy.elected import work_for_all
        from felixpy.process import serve_agent

        serve_agent(settings, [serve_cni, work_for_all])

    exit_with("felixpy", work)


def __getattr__(name: str) -> object:
    """`run`, the click command, is made only when the command line asks for it."""
    if name != "run":
        raise AttributeError(name)
    from felixpy.show.daemon import daemon_command

    return daemon_command(config.Settings, config.PREFIX, start, HELP)
