"""How a daemon's command begins and ends without the command line's library: trouble is one line and an exit code."""

import sys
from collections.abc import Callable

from felixpy.model.errors import Trouble, Usage


def exit_with(program: str, work: Callable[[], None]) -> None:
    """Do `work` and exit: 0 when it ends, 1 for trouble, 2 for wrong usage; both said in one line on stderr."""
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
