"""What a change of a session's or the speaker's configuration costs, field by field. Pure.

The one place that says it: `birdpy.learning` and `birdpy.state` act on it, `birdpy config --since` shows it, and
tests/exabgp compare it with what the real ExaBGP does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum

from birdpy.policy.session import Session, Speaker


class Effect(IntEnum):
    """From what nobody notices to what ends a session."""

    LIVE = 0  # taken over as it is: no route is looked at again
    SOFT = 1  # its routes are judged and told again (RFC 2918 where we had not kept all); it stays up
    RESET = 2  # the session ends and begins anew; no other one does

    @property
    def text(self) -> str:
        """For people and logs."""
        return {Effect.LIVE: "live", Effect.SOFT: "soft refresh", Effect.RESET: "reset"}[self]


SESSION: Mapping[str, Effect] = {
    "name": Effect.LIVE,  # the paths go over to the new name
    "address": Effect.RESET,
    "port": Effect.RESET,
    "local_as": Effect.RESET,
    "peer_as": Effect.RESET,  # another peer: its paths go
    "source_address": Effect.RESET,
    "answers_at": Effect.RESET,
    "families": Effect.RESET,
    "passive": Effect.RESET,
    "ttl_security": Effect.RESET,
    "multihop": Effect.SOFT,  # which next hops a peer may name
    "password": Effect.RESET,
    "graceful_restart_s": Effect.RESET,  # said in the OPEN, as is the hold time
    "hold_time_s": Effect.RESET,
    "keepalive_s": Effect.LIVE,  # ExaBGP makes it a third of the hold time
    "next_hop_mode": Effect.SOFT,
    "allowed_local_as": Effect.SOFT,
    "route_reflector_client": Effect.SOFT,
    "cluster_id": Effect.SOFT,
    "filters": Effect.SOFT,
    "held_down": Effect.RESET,
    "max_prefix": Effect.SOFT,
    "max_prefix_action": Effect.LIVE,
    "add_path_receive": Effect.RESET,
    "add_path_send": Effect.RESET,
    "extended_next_hop": Effect.RESET,
    "cluster_node": Effect.LIVE,
    "reachable_by": Effect.LIVE,  # a kernel route of its own
    "defined_by": Effect.LIVE,
}
SPEAKER: Mapping[str, Effect] = {  # of every session of the node
    "router_id": Effect.RESET,
    "listen_port": Effect.RESET,  # ExaBGP starts anew to listen elsewhere
    "listen_addresses": Effect.RESET,
    "cluster_id": Effect.SOFT,
}


@dataclass(frozen=True, slots=True)
class Change:
    """Which fields of one session differ, and what the worst of them costs."""

    fields: tuple[str, ...]
    effect: Effect


def change(before: Session, after: Session) -> Change | None:
    """What differs between two versions of one session; None when nothing does."""
    differing = tuple(
        field.name for field in fields(Session) if getattr(before, field.name) != getattr(after, field.name)
    )
    return Change(differing, effect_of(differing)) if differing else None


def effect_of(names: Iterable[str]) -> Effect:
    """The dearest of these fields' effects."""
    return max((SESSION[name] for name in names), default=Effect.LIVE)


def speaker_change(before: Speaker, after: Speaker) -> Change | None:
    """What differs in what all sessions share; None when nothing does."""
    differing = tuple(name for name in SPEAKER if getattr(before, name) != getattr(after, name))
    return Change(differing, max(SPEAKER[name] for name in differing)) if differing else None


__all__ = ["SESSION", "SPEAKER", "Change", "Effect", "change", "effect_of", "speaker_change"]
