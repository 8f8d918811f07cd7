"""How far what is in force lags behind the datastore. Pure: the caller's clock, in seconds."""

from felixpy.model.metrics import Histogram


class Lag:
    """One consumer's. Until it was first heard the datastore counts as lost, since `begun`."""

    def __init__(self, begun: float) -> None:
        self.took = Histogram()  # from hearing a change to the end of the pass that works it in
        self._lost: float | None = begun
        self._waiting: float | None = None  # the oldest change that no pass has taken up
        self._under_way: float | None = None  # the oldest one that a pass has

    def heard(self, now: float) -> None:
        """The datastore answers, and something has changed in it."""
        self._lost = None
        if self._waiting is None:
            self._waiting = now

    def lost(self, now: float) -> None:
        """It does not answer."""
        if self._lost is None:
            self._lost = now

    def pass_began(self) -> None:
        """What was heard until now will have been worked in when this pass ends; it may fail and begin again."""
        self._under_way = self._waiting if self._under_way is None else self._under_way
        self._waiting = None

    def pass_ended(self, now: float) -> None:
        """The pass that began has ended."""
        if self._under_way is not None:
            self.took.observe(now - self._under_way)
        self._under_way = None

    def seconds(self, now: float) -> float:
        """Since it was lost, or since the oldest change that is not worked in; 0 when neither."""
        since = [moment for moment in (self._lost, self._under_way, self._waiting) if moment is not None]
        return max(0.0, now - min(since)) if since else 0.0
