"""`felixpy ask DAEMON QUESTION`: one raw question to a daemon of this node, for programs that run it here from afar.

Started without the command line's library: see felixpy/__main__.py, and felixpy/show/remote.py for who asks.
"""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from felixpy.daemon.paths import status_socket
from felixpy.daemon.start import exit_with
from felixpy.daemon.status import ask
from felixpy.model.errors import Usage


def start(argv: Sequence[str]) -> None:
    """Print the daemon's answer as JSON; never returns."""

    def work() -> None:
        try:
            daemon, question = argv
            arguments = msgspec.json.decode(question, type=dict[str, Any])
            what = str(arguments.pop("ask"))
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise Usage("felixpy ask felixpy|birdpy '{\"ask\": ...}'") from error
        sys.stdout.buffer.write(msgspec.json.encode(ask(status_socket(daemon), what, **arguments)) + b"\n")
        sys.stdout.buffer.flush()

    exit_with("felixpy", work)
