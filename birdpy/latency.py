"""How long the way from an UPDATE to the kernel takes."""

from dataclasses import dataclass, field

from felixpy.model.metrics import Histogram


@dataclass(slots=True)
class Latency:
    """Level-triggered, as the work is: a pass ends the waiting of everything that was wanted before it began."""

    decision: Histogram = field(default_factory=Histogram)
    programming: Histogram = field(default_factory=Histogram)
    _since: float | None = None  # when the oldest UPDATE was taken in that the kernel does not know of

    def decided(self, taken_in: float, now: float, *, wanted: bool) -> None:
        """A batch taken in then is decided now; `wanted`: the kernel has to change for it."""
        self.decision.observe(now - taken_in)
        if wanted and self._since is None:
            self._since = taken_in

    def pass_began(self) -> float | None:
        """What this pass will have done when it ends."""
        since, self._since = self._since, None
        return since

    def pass_ended(self, since: float | None, now: float) -> None:
        """The pass that `pass_began` told of has ended."""
        if since is not None:
            self.programming.observe(now - since)
