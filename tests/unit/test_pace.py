"""Rounds that come alone are not delayed; a stream of them becomes one every so often."""

import asyncio
import time

from birdpy.due import Due, Pace


def test_a_chain_of_causes_never_waits_and_a_stream_does() -> None:
    pace = Pace(0.01, free=4)
    assert [pace.delay(1.0) for _ in range(4)] == [0.0] * 4
    assert 0.009 < pace.delay(1.0) < 0.011
    assert pace.delay(2.0) == 0.0


def test_a_stream_is_one_round_every_so_often_and_loses_nothing() -> None:
    async def run() -> tuple[int, int]:
        due, rounds, made, seen = Due(Pace(0.02, free=2)), 0, 0, 0
        end = time.monotonic() + 0.3

        async def work() -> None:
            nonlocal rounds, seen
            while True:
                await due.wait()
                rounds, seen = rounds + 1, made

        task = asyncio.create_task(work())
        while time.monotonic() < end:
            made += 1
            due.mark()
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        task.cancel()
        return rounds, made - seen

    rounds, missed = asyncio.run(run())
    assert 2 <= rounds <= 20
    assert missed == 0
