"""The log of a node, read from its files: what was at a moment, what happened in between. Edge; needs no daemon.

log = DaemonLog(state_dir() / "history" / "birdpy")
log.state(at)                  # a Moment, or BeforeTheLog
log.events(since, until)       # in the order in which they were written
"""

from collections.abc import Iterator
from pathlib import Path

from felixpy.history.events import Event, decoded
from felixpy.history.replay import Moment, knows_from, moment
from felixpy.history.segments import frames, number_of, of_moment, segments
from felixpy.model.errors import Trouble

DAEMONS = ("felixpy", "birdpy")


class BeforeTheLog(Trouble):
    """Nothing is known of that moment any more, or yet."""


class DaemonLog:
    """The log of one daemon, as its files are now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begins(self) -> float | None:
        """Unix seconds of the first moment of which everything is known; None without any."""
        for path in segments(self.folder):
            if (begins := knows_from(list(events_of(path)))) is not None:
                return begins
        return None

    def state(self, at: float) -> Moment:
        """What was at `at`. BeforeTheLog when the log does not go back so far."""
        paths = segments(self.folder)
        told: list[list[Event]] = []
        for path in reversed(paths[: of_moment(paths, at) + 1]):
            events = list(events_of(path))
            told.append(events)
            begins = knows_from(events)
            if begins is not None and begins <= at:
                return moment((event for each in reversed(told) for event in each), at)
        raise BeforeTheLog(f"{self.folder}: the log begins later")

    def events(self, since: float, until: float, about: bytes = b"") -> Iterator[Event]:
        """What happened from `since` to `until`; of frames that hold the bytes `about` only."""
        paths = segments(self.folder)
        for path in paths[max(of_moment(paths, since), 0) :]:
            if number_of(path) > until * 1e6:
                return
            for event in events_of(path, about):
                if since <= event.time <= until:
                    yield event


def events_of(path: Path, about: bytes = b"") -> Iterator[Event]:
    """The events of a segment, up to the first frame that is not whole or is another version's."""
    for lines in frames(path):
        if about in lines:
            try:
                yield from decoded(lines)
            except ValueError:  # msgspec's errors are ValueErrors
                return


__all__ = ["DAEMONS", "BeforeTheLog", "DaemonLog"]
