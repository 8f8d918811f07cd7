"""A log that keeps what was said."""

from typing import Any


class Silence:
    """The shape of felixpy.daemon.logs.Log; what was said is in `lines`."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def bind(self, **_: Any) -> "Silence":
        return self

    def debug(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    info = warning = error = debug
