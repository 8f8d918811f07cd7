"""Log lines: one JSON object per line on stderr, made where a daemon starts and passed to what logs.

An event is a constant phrase in the past tense, everything that varies is a field: `log.info("route written",
prefix=..., device=...)`. info = the world changed; warning = someone may need to act; debug = decisions. One line
per change, none per idle pass. Secrets never go in.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import msgspec

if TYPE_CHECKING:
    from types import ModuleType

STDERR = 2
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Log(Protocol):
    """What the parts of a daemon see of the logger: structlog's bound logger has this shape."""

    def bind(self, **fields: Any) -> "Log":
        """The same log with these fields on every line."""
        ...

    def debug(self, event: str, **fields: Any) -> Any:
        """A decision that someone who looks for a fault wants to follow."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """The world changed."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Someone may need to act."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """The daemon ends, or a part of it cannot work."""
        ...


def make_log(daemon: str, *, level: str = "info", stream: TextIO | None = None, **fields: Any) -> Log:
    """A log of `daemon` on `stream` (stderr), with `fields` on every line. `level` is a key of LEVELS."""
    structlog = _structlog()
    log: Log = structlog.wrap_logger(
        Lines(stream),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(serializer=as_json),
        ],
        cache_logger_on_first_use=True,
        daemon=daemon,
        **fields,
    )
    return log


class Lines:
    """Writes lines to a stream, or without one to stderr, past Python's buffer.

    A stderr that takes none (a full disk, a reader that left) stops no daemon, and nothing piles up for it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """One line, at once."""
        if self._stream is not None:
            self._stream.write(line + "\n")
            return
        with suppress(OSError):
            os.write(STDERR, line.encode() + b"\n")

    msg = debug = info = warning = error = critical = log = write


def as_json(fields: Mapping[str, Any], **_: Any) -> str:
    """One JSON object; what has no JSON type becomes its text."""
    return msgspec.json.encode(fields, enc_hook=str).decode()


def _structlog() -> "ModuleType":
    """structlog without rich: its console renderer imports rich when it can, 4.6 MB that no daemon ever uses."""
    hide = "rich" not in sys.modules
    if hide:
        sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it now fails like a missing package
    try:
        import structlog
    finally:
        if hide:
            del sys.modules["rich"]
    return structlog
