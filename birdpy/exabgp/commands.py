"""Edge: commands to ExaBGP and their answers.

An answer is a bare `done` or `error` without any number, so it belongs to the oldest command without one. That holds
among route commands, which ExaBGP answers in order; others (show, reload, End-of-RIB) may overtake them and are
therefore sent alone, with nothing else under way. More than `WINDOW` commands under way make ExaBGP quadratic.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from felixpy.model.errors import Unreachable

WINDOW = 200
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether ExaBGP carried the command out, and what it printed before it said so."""

    ok: bool
    lines: tuple[str, ...] = ()


@dataclass(slots=True)
class _Pending:
    answer: "asyncio.Future[Answer]"
    lines: list[str] = field(default_factory=list)


class Commands:
    """The commands of one ExaBGP.

    `write` puts bytes on the way to it and never blocks; `give_up` ends it when it does not answer any more.
    """

    def __init__(self, write: Callable[[bytes], None], give_up: Callable[[], None]) -> None:
        self._write, self._give_up = write, give_up
        self._pending: deque[_Pending] = deque()
        self._turn = asyncio.Lock()
        self._ended = False

    def heard(self, line: bytes) -> None:
        """A line of ExaBGP that is not JSON."""
        if not self._pending:
            return  # an answer to nothing that we asked: a restart of the bridge could leave one
        if line in (b"done", b"error"):
            pending = self._pending.popleft()
            if not pending.answer.done():
                pending.answer.set_result(Answer(line == b"done", tuple(pending.lines)))
        else:
            self._pending[0].lines.append(line.decode(errors="replace"))

    def end(self) -> None:
        """ExaBGP is gone: whoever waits for an answer gets Unreachable."""
        self._ended = True
        while self._pending:
            answer = self._pending.popleft().answer
            if not answer.done():
                answer.set_exception(Unreachable("ExaBGP ended before it answered"))

    async def routes(self, texts: Sequence[str]) -> list[bool]:
        """Send route commands, at most `WINDOW` without an answer; for each whether it was carried out."""
        async with self._turn:
            answers: list[asyncio.Future[Answer]] = []
            oldest = 0
            while len(answers) < len(texts):
                part = texts[len(answers) : len(answers) + WINDOW - (len(answers) - oldest)]
                answers += self._send(part)
                await self._answer(answers[oldest])
                while oldest < len(answers) and answers[oldest].done():
                    oldest += 1
            return [(await self._answer(answer)).ok for answer in answers]

    async def alone(self, text: str) -> Answer:
        """Send one command with no other under way, and wait for its answer."""
        async with self._turn:
            return await self._answer(self._send([text])[0])

    def _send(self, texts: Sequence[str]) -> "list[asyncio.Future[Answer]]":
        if self._ended:
            raise Unreachable("ExaBGP does not run")
        loop = asyncio.get_running_loop()
        pending = [_Pending(loop.create_future()) for _ in texts]
        self._pending += pending
        self._write("".join(f"{text}\n" for text in texts).encode("ascii"))
        return [each.answer for each in pending]

    async def _answer(self, answer: "asyncio.Future[Answer]") -> Answer:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await asyncio.shield(answer)
        except TimeoutError:
            self._give_up()
            raise Unreachable(f"ExaBGP has not answered for {ANSWER_WITHIN_S:.0f} s") from None
