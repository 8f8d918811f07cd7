"""How a daemon's command begins and ends without the command line's library: trouble is one line and an exit code."""

import os
import sys
from collections.abc import Callable

from felixpy.model.errors import Trouble, Usage

OTHERS_MAY_NOT_WRITE = 0o022


def exit_with(program: str, work: Callable[[], None]) -> None:
    """Do `work` and exit: 0 when it ends, 1 for trouble, 2 for wrong usage; both said in one line on stderr.

    Whatever umask the daemon was started with, what it makes is for others to read at most: who may write into the
    run folder may put a socket of his own there.
    """
    os.umask(os.umask(OTHERS_MAY_NOT_WRITE) | OTHERS_MAY_NOT_WRITE)
    code = 0
    try:
        work()
    except Usage as error:
        code = 2
        sys.stderr.write(f"{program}: {error}\n")
    except Trouble as error:
        code = 1
        sys.stderr.write(f"{program}: {error}\n")
    sys.exit(code)
