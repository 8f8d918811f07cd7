"""What each change of a session costs is said once, for every field, and the configuration file agrees."""

from dataclasses import fields, replace
from ipaddress import ip_address
from typing import Any

import pytest

from birdpy.exabgp.configfile import render
from birdpy.policy.changes import SESSION, SPEAKER, Effect, change, effect_of, speaker_change
from birdpy.policy.session import Session, Speaker
from felixpy.model.addresses import Asn
from tests.unit.birdpy.builders import external, session, speaker

OTHER: dict[str, Any] = {
    "name": "Node_10_0_0_9",
    "address": ip_address("10.0.0.8"),
    "port": 1790,
    "local_as": Asn(64999),
    "peer_as": Asn(65003),
    "source_address": ip_address("10.0.0.7"),
    "answers_at": ip_address("10.0.0.6"),
    "families": frozenset({4, 6}),
    "passive": True,
    "ttl_security": 1,
    "multihop": False,
    "password": "x",
    "graceful_restart_s": 60,
    "hold_time_s": 30,
    "keepalive_s": 10,
    "next_hop_mode": "Keep",
    "allowed_local_as": 1,
    "route_reflector_client": True,
    "cluster_id": ip_address("1.1.1.1"),
    "filters": ("f",),
    "held_down": "no secret",
    "max_prefix": 5,
    "max_prefix_action": "warn",
    "add_path_receive": True,
    "add_path_send": 2,
    "extended_next_hop": True,
    "cluster_node": "n9",
    "reachable_by": ip_address("10.0.0.5"),
    "defined_by": "other",
}


def test_every_field_of_a_session_has_its_effect() -> None:
    names = {field.name for field in fields(Session)}
    assert SESSION.keys() == names == OTHER.keys()


def test_what_all_sessions_share_has_its_effect_too() -> None:
    plainly_per_session = {"sessions", "local_as"}  # each session has its own
    told_elsewhere = {"node", "own_blocks", "addresses", "owners", "ignored_interfaces", "problems"}
    names = {field.name for field in fields(Speaker)}
    assert names - plainly_per_session - told_elsewhere == SPEAKER.keys()


@pytest.mark.parametrize("name", sorted(OTHER))
def test_exabgps_file_changes_exactly_where_the_session_is_reset(name: str) -> None:
    unbound: dict[str, Any] = {"source_address": None} if name == "answers_at" else {}
    before = external(**unbound)
    after = replace(before, **{name: OTHER[name]})
    differs = render(speaker(before)).text != render(speaker(after)).text
    assert differs == (SESSION[name] is Effect.RESET)
    found = change(before, after)
    assert found is not None
    assert (found.fields, found.effect) == ((name,), SESSION[name])


def test_another_router_id_is_another_file() -> None:
    """A negative control of the above: what is in the file shows."""
    one, other = speaker(external()), speaker(external(), router_id=ip_address("9.9.9.9"))
    assert render(one).text != render(other).text
    found = speaker_change(one, other)
    assert found is not None
    assert (found.fields, found.effect) == (("router_id",), Effect.RESET)


def test_nothing_changed_is_no_change() -> None:
    assert change(session(), session()) is None
    assert speaker_change(speaker(), speaker(session())) is None


def test_the_dearest_field_counts() -> None:
    assert effect_of(["name", "filters", "port"]) is Effect.RESET
    assert effect_of(["name", "filters"]) is Effect.SOFT
    assert effect_of([]) is Effect.LIVE
    assert [effect.text for effect in Effect] == ["live", "soft refresh", "reset"]
