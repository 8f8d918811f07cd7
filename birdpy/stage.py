"""How far the router has left its peers' tables: the steps of `birdpy drain`. Pure."""

from enum import Enum


class Stage(Enum):
    """In the order of leaving."""

    SERVING = "serving"
    COUNTING = "counting"  # what is forwarded before anybody is told anything
    LAST_RESORT = "last resort"  # announced with GRACEFUL_SHUTDOWN, within the AS LOCAL_PREF 0 (RFC 8326)
    WITHDRAWING = "withdrawing"
    CLOSING = "closing"  # the sessions leave ExaBGP's configuration
    DRAINED = "drained"


QUIET = frozenset({Stage.WITHDRAWING, Stage.CLOSING, Stage.DRAINED})  # nothing is announced
AWAY = frozenset({Stage.CLOSING, Stage.DRAINED})  # there are no sessions
