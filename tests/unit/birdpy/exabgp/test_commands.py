"""Commands under way and the answers without numbers."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from birdpy.exabgp import commands as module
from birdpy.exabgp.commands import WINDOW, Answer, Commands
from felixpy.model.errors import Unreachable


class Other:
    """ExaBGP's side: what was written, and answers on demand."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.given_up = False
        self.commands = Commands(self.write, self.give_up)
        self.most = 0

    def write(self, data: bytes) -> None:
        self.written += data.decode().splitlines()

    def give_up(self) -> None:
        self.given_up = True
        self.commands.end()

    async def answer_all(self, of: int, say: Callable[[str], bytes] = lambda _: b"done") -> None:
        answered = 0
        while answered < of:
            await asyncio.sleep(0)
            self.most = max(self.most, len(self.written) - answered)
            if answered < len(self.written):
                self.commands.heard(say(self.written[answered]))
                answered += 1


def run(body: Callable[[Other], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(body(Other()), 20)

    asyncio.run(limited())


def test_each_answer_belongs_to_the_oldest_command() -> None:
    async def body(other: Other) -> None:
        texts = [f"announce {i}" for i in range(1000)]
        task = asyncio.create_task(other.commands.routes(texts))
        await other.answer_all(1000, lambda text: b"error" if text.endswith("7") else b"done")
        assert await task == [not text.endswith("7") for text in texts]
        assert other.written == texts
        assert other.most <= WINDOW

    run(body)


def test_what_may_overtake_is_sent_alone() -> None:
    async def body(other: Other) -> None:
        routes = asyncio.create_task(other.commands.routes(["a", "b"]))
        alone = asyncio.create_task(other.commands.alone("show"))
        await asyncio.sleep(0.01)
        assert other.written == ["a", "b"]
        for _ in range(2):
            other.commands.heard(b"done")
        assert await routes == [True, True]
        await asyncio.sleep(0.01)
        for line in (b"one", b"two", b"done"):
            other.commands.heard(line)
        assert await alone == Answer(ok=True, lines=("one", "two"))

    run(body)


def test_the_end_of_exabgp_wakes_everybody() -> None:
    async def body(other: Other) -> None:
        waiting = [asyncio.create_task(other.commands.routes([str(i)] * 3)) for i in range(2)]
        await asyncio.sleep(0.01)
        other.commands.end()
        for task in waiting:
            with pytest.raises(Unreachable):
                await task
        with pytest.raises(Unreachable):
            await other.commands.alone("show")

    run(body)


def test_an_exabgp_that_does_not_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_WITHIN_S", 0.05)

    async def body(other: Other) -> None:
        with pytest.raises(Unreachable, match="not answered"):
            await other.commands.alone("show")
        assert other.given_up

    run(body)


def test_an_answer_to_nothing_is_ignored() -> None:
    async def body(other: Other) -> None:
        other.commands.heard(b"done")
        other.commands.heard(b"reload in progress")
        task = asyncio.create_task(other.commands.alone("x"))
        await asyncio.sleep(0.01)
        other.commands.heard(b"error")
        assert not (await task).ok

    run(body)


def test_nothing_to_send_is_nothing_to_wait_for() -> None:
    async def body(other: Other) -> None:
        assert await other.commands.routes([]) == []

    run(body)
