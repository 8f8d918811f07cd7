"""Callers that wait for an allocator, and who of them may be served together."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from felixpy.ipam.allocate import Request
from felixpy.model.addresses import Address


@dataclass(slots=True, eq=False)
class Ticket:
    """One caller that waits: to take (`request`) or to give back all that `handle` holds."""

    handle: str
    request: Request | None
    answer: "asyncio.Future[tuple[Address, ...]]"
    addresses: list[Address] = field(default_factory=list)

    def fail(self, error: BaseException) -> None:
        """Answer with an error, unless there is an answer."""
        if not self.answer.done():
            self.answer.set_exception(error)


def apart(waiting: list[Ticket]) -> tuple[list[Ticket], list[Ticket]]:
    """Those to serve together, and those that wait for another of the same handle: what is its own must be clear."""
    first: dict[str, Ticket] = {}
    rest = [ticket for ticket in waiting if first.setdefault(ticket.handle, ticket) is not ticket]
    return list(first.values()), rest


async def together(*work: Awaitable[object]) -> None:
    """Wait until all have ended; the first error if there is one."""
    answers = await asyncio.gather(*work, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
