"""Why a session is not up, in a sentence for people: what happened last, and what the kernel says of the way. Pure.

An attempt that ended with an answer (refused, a NOTIFICATION) says the most. Segments that the kernel drops, for MD5
or TTL, leave no trace but its counters, which name no peer: those that moved lately are held against the sessions
that they can be about.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from birdpy.peers import Peer
from birdpy.policy.session import Session
from birdpy.surroundings import Surroundings
from felixpy.kernel.counters import MD5_FAILURE, MD5_MISSING, MD5_UNEXPECTED, TTL_DROPPED

RECENT_S = 30.0  # what was counted or answered longer ago is no reason any more
SENT = {  # of a NOTIFICATION that we sent, by code and subcode
    (2, 2): "the peer is of another AS than its BGPPeer says",
    (2, 3): "the peer's router id is not usable; two speakers may have the same",
    (4, 0): "the peer was silent for the hold time",
}
RECEIVED = {
    (2, 2): "the peer expects another AS than ours",
    (2, 3): "the peer does not accept our router id; two speakers may have the same",
    (4, 0): "the peer heard nothing from us for the hold time",
    (6, 1): "the peer has a limit on prefixes, and we sent more",
    (6, 2): "the peer's operator has shut the session down",
    (6, 3): "the peer has no session with us any more",
    (6, 4): "the peer's operator has reset the session",
    (6, 5): "the peer refuses the session; it may not have us as a neighbour",
}
REFUSED = "the peer refuses connections to port {port}: no speaker listens there, or not for this address"
CLOSED = "the peer closes the connection before a session begins; it may not have us as a neighbour"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen around the sessions: `moved` are the kernel's counters that rose lately, and by how much."""

    around: Surroundings
    moved: Mapping[str, int] = field(default_factory=dict)
    down: tuple[Session, ...] = ()  # the sessions that should be up and are not
    now: float = 0.0


def why_down(peer: Peer, sight: Sight) -> str:
    """Why this session is not up; "" when it is, or is held down for a reason that is told anyway."""
    session = peer.session
    if peer.up or session.held_down or peer.held_until is not None:
        return ""
    return (
        _last_answer(peer, sight.now) or _way(session, sight.around) or _dropped(session, sight) or _silence(session)
    )


def _last_answer(peer: Peer, now: float) -> str:
    """What ended the last attempt, if it ended lately with an answer."""
    if not peer.attempt or now - peer.attempt_at > RECENT_S:
        return ""
    session, attempt = peer.session, peer.attempt
    told = re.search(r"notification (sent|received) \((\d+),(\d+)\)", attempt)
    if told:
        codes = (int(told[2]), int(told[3]))
        known = (SENT if told[1] == "sent" else RECEIVED).get(codes, "the session could not be agreed on")
        if codes == (2, 2):
            known = _as_numbers(peer, sent=told[1] == "sent")
        return f"{known} (NOTIFICATION {told[1]}, {codes[0]}/{codes[1]})"
    if attempt == "Connection refused":
        return REFUSED.format(port=session.port)
    if attempt in ("closing connection", "Connection reset by peer"):
        return CLOSED
    return "" if attempt in ("No route to host", "Network is unreachable", "Connection timed out") else attempt


def _as_numbers(peer: Peer, *, sent: bool) -> str:
    session = peer.session
    if sent and peer.opened is not None and peer.opened.asn != session.peer_as:
        return f"the peer says it is AS {peer.opened.asn}, its BGPPeer says {session.peer_as}"
    if sent:
        return SENT[2, 2]
    return f"the peer does not expect AS {session.local_as} from us"


def _way(session: Session, around: Surroundings) -> str:
    """Whether packets can get there at all."""
    address = session.address
    ways = around.routes.covering(address)
    devices = sorted({way.device for way in ways if way.device is not None})
    if not devices:
        return f"no route leads to {address}"
    if all(device in around.down for device in devices):
        return f"{', '.join(devices)}, which leads to {address}, is down"
    for way in ways:
        hop = way.gateway or address
        if way.device is not None and (hop, way.device) in around.failed:
            asked = "ARP" if address.version == 4 else "neighbour solicitations"
            return f"{hop} does not answer {asked} on {way.device}: it is off, or not on that wire"
    return ""


def _dropped(session: Session, sight: Sight) -> str:
    """What the kernel has dropped lately that may be this peer's."""
    if session.password is not None:
        signed = [other for other in sight.down if other.password is not None]
        if sight.moved.get(MD5_FAILURE):
            return _shared(f"the MD5 password is not the peer's ({MD5_FAILURE})", session, signed)
        if sight.moved.get(MD5_MISSING):
            return _shared(f"the peer has no MD5 password for us ({MD5_MISSING})", session, signed)
    elif sight.moved.get(MD5_UNEXPECTED):
        plain = [other for other in sight.down if other.password is None]
        text = f"the peer has an MD5 password for us, and its BGPPeer has none ({MD5_UNEXPECTED})"
        return _shared(text, session, plain)
    if session.ttl_security is not None and sight.moved.get(TTL_DROPPED):
        guarded = [other for other in sight.down if other.ttl_security is not None]
        hops = "hop" if session.ttl_security == 1 else "hops"
        text = f"packets come from more than {session.ttl_security} {hops} away, or the peer has no TTL security"
        return _shared(f"{text} ({TTL_DROPPED})", session, guarded)
    return ""


def _shared(text: str, session: Session, candidates: Iterable[Session]) -> str:
    """The kernel's counters name no peer: with several candidates it is said whose they may be instead."""
    others = [str(other.address) for other in candidates if other.address != session.address]
    return f"{text}; or that is about {', '.join(others)}" if others else text


def _silence(session: Session) -> str:
    """Nothing came back at all."""
    if session.passive:
        return f"waits for {session.address} to connect: the other end dials"
    hints = ["it is off, or a filter is between"]
    if session.password is not None:
        hints.append("or it has another MD5 password")
    if session.ttl_security is not None:
        hints.append("or TTL security differs")
    return f"{session.address} does not answer on port {session.port}: {', '.join(hints)}"
