"""Join: when a peer has heard all that we will have to say after a restart (RFC 4724 §4.1)."""

from birdpy.peers import still_to_speak
from birdpy.state import State
from felixpy.model.addresses import Address


def may_end(state: State, address: Address, *, late: bool) -> bool:
    """Whether `address` may be told End-of-RIB.

    A reflector says what its clients told it, so it waits for their End-of-RIB first; not for those that have
    just restarted themselves and wait for ours (RFC 4724 §4.1), and not when it is `late`. Nor is anybody told while
    the datastore is away: what we do not remember the peer still may.
    """
    if state.orders is None or not state.telling.complete(address) or (state.orders.recalled and not late):
        return False
    if not state.forwarding.settler.settled(state.orders.blackholes):
        return False
    reflecting = any(peer.session.route_reflector_client for peer in state.peers.values())
    if not reflecting or late:
        return True
    return not any(still_to_speak(peer) for a, peer in state.peers.items() if a != address)
