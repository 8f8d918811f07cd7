"""Join: this node's addresses in its Node resource: written when that is asked for, again whenever one changes."""

import asyncio
from typing import TYPE_CHECKING

from felixpy.model.addresses import Address, Family, parse_address
from felixpy.model.errors import Trouble, Unreachable, Usage
from felixpy.model.resources import Node
from felixpy.node import Machine, node_address, write_addresses
from felixpy.surroundings import this_machine

if TYPE_CHECKING:
    from felixpy.process import Hosted

RETRY_S = 5.0  # while the datastore cannot take the address


async def keep_address(hosted: "Hosted") -> None:
    """Write this node's addresses, until cancelled; nothing when nobody asks for it."""
    if not _asked(hosted):
        return
    while True:
        hosted.agent.addresses_changed.clear()
        try:
            await _write(hosted)
        except Usage:
            raise
        except Unreachable as error:
            hosted.log.warning("node address not written", reason=str(error))
            await asyncio.sleep(RETRY_S)
            continue
        except Trouble as error:  # no address now: what was written stays until there is another one
            hosted.log.warning("node address not found", reason=str(error))
        await hosted.agent.addresses_changed.wait()


def _asked(hosted: "Hosted") -> bool:
    return bool(hosted.settings.ip or hosted.settings.ip6 or _on_kubernetes(hosted))


def _on_kubernetes(hosted: "Hosted") -> bool:
    return hosted.datastore.target.startswith("kubernetes:")


async def _write(hosted: "Hosted") -> None:
    settings = hosted.settings
    internal = await _internal(hosted) if _on_kubernetes(hosted) else ()
    machine = this_machine(internal)
    ipv4 = _wanted(hosted, settings.ip, settings.ip_autodetection_method, 4, machine)
    ipv6 = _wanted(hosted, settings.ip6, settings.ip6_autodetection_method, 6, machine)
    if await write_addresses(hosted.datastore, settings.node, ipv4, ipv6):
        hosted.log.info("node address written", ipv4=ipv4, ipv6=ipv6)


def _wanted(hosted: "Hosted", asked: str, method: str, family: Family, machine: Machine) -> str:
    """The address with its length, "" for none; what is not said depends on where we are."""
    if _on_kubernetes(hosted):
        method = method or "kubernetes-internal-ip"
        if not asked and (family == 4 or any(address.version == 6 for address in machine.internal)):
            asked = "auto"
    return node_address(asked, method or "first-found", family, machine)


async def _internal(hosted: "Hosted") -> tuple[Address, ...]:
    """What the kubelet says of this node."""
    stored = await hosted.datastore.get(Node, hosted.settings.node)
    if stored is None:
        raise Unreachable(f"Node {hosted.settings.node} is not there yet: its kubelet makes it")
    return tuple(parse_address(it.address) for it in stored.spec.addresses if it.type == "InternalIP")
