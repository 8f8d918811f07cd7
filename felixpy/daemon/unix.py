"""Unix sockets at a path: the listening end, and an address that fits however deep the folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def bound(path: Path) -> socket.socket:
    """A non-blocking stream socket bound to `path`, mode 0600 from its first moment; a stale one is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        with short_address(path) as address:
            listener.bind(address)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address for `path` that fits sockaddr_un's 108 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
