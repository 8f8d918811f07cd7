"""`felixpy ipam`: the list of its commands, and what they share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from felixpy.datastore.source import Datastore
from felixpy.model.addresses import Address, parse_address
from felixpy.model.errors import Usage
from felixpy.show.lazy import LazyGroup, Verb

T = TypeVar("T")

VERBS = {
    "show": Verb("felixpy.cli.ipam_show:show", "how full pools and blocks are, and when a pool will be full"),
    "why": Verb("felixpy.cli.ipam_show:why", "who has an address, since when, by which rule, routed where"),
    "check": Verb("felixpy.cli.ipam_check:check", "whether blocks, handles and pods agree; --fix mends"),
    "release": Verb("felixpy.cli.ipam_check:release", "give back addresses that nobody uses"),
    "reserve": Verb("felixpy.cli.ipam_change:reserve", "give addresses to no pod any more"),
    "split": Verb("felixpy.cli.ipam_change:split_command", "cut a pool into pools of equal size"),
    "configure": Verb("felixpy.cli.ipam_change:configure", "the rules of allocation"),
}


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
def ipam() -> None:
    """Addresses of pods: pools, the blocks that nodes took from them, and who holds what.

    \b
    Examples:
      felixpy ipam show --show-blocks
      felixpy ipam why 10.65.0.7
      felixpy ipam check --fix
    """


def fields_of(record: Any) -> dict[str, Any]:
    """A dataclass as a mapping, one level deep."""
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def address_of(text: str) -> Address:
    """The address that a user typed; Usage when it is none."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise Usage(str(error)) from None


def run(store: Datastore, work: Callable[[Datastore], Awaitable[T]]) -> T:
    """What `work` makes of the store, which is closed afterwards."""

    async def whole() -> T:
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(whole())
