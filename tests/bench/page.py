"""The page of `felixpy ui` with 200 nodes, in a real browser: until it is painted, drawn, and drawn anew."""

import asyncio
import time
from statistics import median

from felixpy.ui.live import Live
from tests.bench.table import Bench, Goal, Row, Series
from tests.browser import Page, browser
from tests.ui_world import Paper, meshed, racked, served, troubled

NODES = 200
MARK = "performance.getEntriesByName('{}').at(-1)?.startTime"


def many_nodes(bench: Bench) -> Row:
    """Ten racks with two switches each, and a full mesh; the network itself is on paper and costs nothing."""
    with browser() as made:
        racks = asyncio.run(_measured(Paper(racked(NODES, 20)), made.page(), bench.rounds))
        mesh = asyncio.run(_measured(Paper(meshed(NODES)), made.page(), bench.rounds))
    names = "first paint", "drawn", "update until drawn"
    series = [
        Series(f"{name}, {kind}", "ms", tuple(samples))
        for kind, measured in (("racks", racks), ("mesh", mesh))
        for name, samples in zip(names, measured, strict=True)
    ]
    goals = [
        Goal(f"{it.name}, ms", median(it.samples), 200.0 if it.name.startswith("update") else 2000.0) for it in series
    ]
    return Row(f"page of {NODES} nodes", series, goals)


async def _measured(paper: Paper, page: Page, rounds: int) -> tuple[list[float], list[float], list[float]]:
    well, ill = paper.view, troubled(paper.view)
    painted, drawn, updated = list[float](), list[float](), list[float]()
    async with served(paper, interval_s=3600.0) as (url, live):
        for turn in range(rounds):
            await asyncio.to_thread(page.open, f"{url}?{turn}")
            await asyncio.to_thread(page.until, MARK.format("drawn"))
            painted.append(page.run(MARK.format("first-contentful-paint")))
            drawn.append(page.run(MARK.format("drawn")))
            for view in (ill, well) * 2:
                paper.view = view
                updated.append(await _update(live, page))
    return painted, drawn, updated


async def _update(live: Live, page: Page) -> float:
    """Milliseconds from the look at a network in which four nodes turned to the picture that shows it."""
    page.run("performance.clearMarks('redrawn')")
    began = time.time()
    await live.refresh()
    await asyncio.to_thread(page.until, MARK.format("redrawn"))
    return float(page.run(f"performance.timeOrigin + {MARK.format('redrawn')}")) - began * 1000
