"""Edge: which version of felixpy runs here.

Not by importlib.metadata: that brings the e-mail package, 27 ms and 2 MB, into a daemon that is probed.
"""

import sys
from pathlib import Path


def version() -> str:
    """The version that was installed, `0.1.0`; "unknown" when this is a bare folder of files."""
    for folder in sys.path:
        for found in Path(folder or ".").glob("felixpy-*.dist-info"):
            return found.name.removeprefix("felixpy-").removesuffix(".dist-info")
    return "unknown"
