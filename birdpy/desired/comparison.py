"""Two answers of `birdpy config`, before and after: what becomes of each session on the way. Pure."""

from collections.abc import Mapping

import msgspec

from birdpy.desired.document import ConfigDocument, SessionDocument
from birdpy.policy.changes import SESSION, SPEAKER, Effect

FIELD_OF: Mapping[str, str] = {  # where the document's word is not the field's
    "family": "families",
    "password": "password",
    "graceful_restart_seconds": "graceful_restart_s",
    "keepalive_seconds": "hold_time_s",  # a third of it
    "import_filters": "filters",
    "export_filters": "filters",
}


class SessionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one session does."""

    session: str  # its name afterwards, or the one it had
    address: str
    effect: str  # begins | ends | live | soft refresh | reset
    fields: list[str]  # of the document, that differ


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every session that does something; the others do not notice."""

    node: str
    sessions: list[SessionChange]


def comparison(before: ConfigDocument, after: ConfigDocument) -> Comparison:
    """What a router that runs with `before` does to its sessions when it is given `after`.

    Blocks, communities and the contents of filters and passwords are not compared: they change no session here; a
    password that changed resets its own.
    """
    shared = [name for name in SPEAKER if getattr(before, name, None) != getattr(after, name, None)]
    old = {session.address: session for session in before.sessions}
    new = {session.address: session for session in after.sessions}
    rows = [_ends(session) for address, session in old.items() if address not in new]
    for address, session in new.items():
        row = _change(old[address], session, shared) if address in old else _begins(session)
        if row is not None:
            rows.append(row)
    return Comparison(node=after.node, sessions=sorted(rows, key=lambda row: row.session))


def _begins(session: SessionDocument) -> SessionChange:
    return SessionChange(session=session.name, address=session.address, effect="begins", fields=[])


def _ends(session: SessionDocument) -> SessionChange:
    return SessionChange(session=session.name, address=session.address, effect="ends", fields=[])


def _change(before: SessionDocument, after: SessionDocument, shared: list[str]) -> SessionChange | None:
    own = [name for name in SessionDocument.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    if not own and not shared:
        return None
    effects = [SESSION[FIELD_OF.get(name, name)] for name in own] + [SPEAKER[name] for name in shared]
    worst: Effect = max(effects)
    return SessionChange(session=after.name, address=after.address, effect=worst.text, fields=own + shared)
