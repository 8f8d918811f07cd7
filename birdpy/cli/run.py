"""Join: `birdpy run`, the daemon. Started without the command line's library; see birdpy/__main__.py."""

from collections.abc import Sequence

from birdpy import config
from felixpy.daemon.settings import from_command_line
from felixpy.daemon.start import exit_with

HELP = """The router: speak BGP for this node's blocks and install what is learned.

It keeps the kernel's routes when it ends, by SIGTERM too; its peers keep theirs for the graceful restart time.

\b
Examples:
  birdpy run --node n1
  FELIXPY_NODE=n1 birdpy run --datastore files:/var/lib/felixpy/store
"""


def start(argv: Sequence[str]) -> None:
    """Run the router with the flags in `argv` until a signal ends it; never returns."""

    def work() -> None:
        settings = from_command_line(config.Settings, config.PREFIX, argv)
        from birdpy.daemon import serve_router

        serve_router(settings)

    exit_with("birdpy", work)


def __getattr__(name: str) -> object:
    """`run`, the click command, is made only when the command line asks for it."""
    if name != "run":
        raise AttributeError(name)
    from felixpy.show.daemon import daemon_command

    return daemon_command(config.Settings, config.PREFIX, start, HELP)
