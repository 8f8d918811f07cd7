"""Edge: bring ExaBGP's neighbours to a configuration, and see with its own eyes that they are there.

`reload` resets only the sessions that changed. Its answer is checked against `show neighbor`: as shipped ExaBGP
answers `done` whatever happens (see exabgp/patches). When the neighbours are still not the wanted ones after
`ATTEMPTS` reloads, ExaBGP has to be restarted, which graceful restart hides from the peers.
"""

from collections.abc import Mapping
from ipaddress import ip_address

import msgspec

from birdpy.exabgp.commands import Commands
from birdpy.policy.session import Session
from felixpy.model.addresses import Address

ATTEMPTS, LOOKS = 3, 5


class _Peer(msgspec.Struct):
    address: str
    asn: int = msgspec.field(name="as")


class _Neighbour(msgspec.Struct):
    peer: _Peer


_neighbours = msgspec.json.Decoder(list[_Neighbour]).decode


async def reload(commands: Commands, wanted: Mapping[Address, Session]) -> bool:
    """Have ExaBGP read its file again; whether its neighbours are `wanted` afterwards."""
    expected = {address: int(session.peer_as) for address, session in wanted.items()}
    for _ in range(ATTEMPTS):
        if (await commands.alone("reload")).ok:
            for _ in range(LOOKS):  # a neighbour that was removed is listed until its next turn
                if await neighbours(commands) == expected:
                    return True
    return False


async def neighbours(commands: Commands) -> Mapping[Address, int]:
    """ExaBGP's neighbours by address, each with its AS."""
    answer = await commands.alone("show neighbor json")
    try:
        found = _neighbours("".join(answer.lines))
    except msgspec.MsgspecError:
        return {}
    return {ip_address(each.peer.address): each.peer.asn for each in found}
