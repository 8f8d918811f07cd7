"""Asking a node's process 1 about its programs. Edge."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from felixpy.model.errors import Unreachable


def ask(folder: Path, what: str, names: list[str] | None = None) -> list[dict[str, Any]]:
    """`list`, `start`, `stop` or `restart` programs of the node whose registry folder this is; their states.

    Unreachable when process 1 does not answer within five seconds.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5.0)
            # Through the descriptor: the path of a socket may not exceed 107 bytes.
            connection.connect(f"/proc/self/fd/{descriptor}/init.sock")
            connection.sendall(json.dumps({"do": what, "names": names or []}).encode() + b"\n")
            answer = json.loads(connection.makefile().readline())
    except (OSError, ValueError) as error:
        raise Unreachable(f"{folder.name}: its process 1 does not answer: {error}") from error
    finally:
        os.close(descriptor)
    if "error" in answer:
        raise Unreachable(f"{folder.name}: {answer['error']}")
    programs: list[dict[str, Any]] = answer["programs"]
    return programs
