"""The page of `felixpy ui` in a real browser, and its server as an attacker meets it; networks are on paper."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import pytest

from felixpy.insight.view import NodeView
from felixpy.model.status import EndpointsStatus, EndpointStatus
from tests.browser import Browser, Page, browser
from tests.ui_world import Paper, changed, meshed, peer, racked, rib, served, troubled, with_peers

T = TypeVar("T")
PREFIX = "/api/v1/namespaces/felixpy/services/felixpy-ui:page/proxy"
CY = "document.getElementById('picture')._cyreg.cy"
HOSTILE = '"><img src=x onerror=window.hit=1><script>window.hit=1</script>'


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium: containerlab/install.sh --tests")
    with browser() as made:
        yield made


def with_page(paper: Paper, act: Callable[[str], T]) -> T:
    """Serve `paper` while `act` runs in a thread of its own."""

    async def run() -> T:
        async with served(paper) as (url, _):
            return await asyncio.to_thread(act, url)

    return asyncio.run(run())


def looked_at(chromium: Browser, paper: Paper, act: Callable[[Page], None], where: str = "") -> None:
    """Open the page, let `act` look; the browser must have nothing to complain of."""

    def visit(url: str) -> None:
        page = chromium.page()
        page.prefer()
        page.open(url + where)
        act(page)
        assert page.complaints() == []
        assert [it for it in page.asked() if not it.startswith(url)] == []
        page.call("Page.close")

    with_page(paper, visit)


def classes(page: Page, name: str) -> list[str]:
    return list(page.run(f"{CY}.getElementById({json.dumps(name)}).classes()") or [])


def test_it_draws_who_is_there_and_asks_nobody_else(chromium: Browser) -> None:
    def act(page: Page) -> None:
        assert page.run(f"{CY}.nodes('.spot').length") == 10 and page.run(f"{CY}.edges().length") == 10
        assert "6 nodes, 2 not ready; 8 of 10 session ends up" in page.text("header")
        tables = page.text("#network-panel")
        assert (
            "connection refused" in tables and "no Secret bgp/key" in tables and "no daemon answers there" in tables
        )
        assert page.run(f"{CY}.edges('.down').length") == page.run(f"{CY}.edges('.held').length") == 1

    looked_at(chromium, Paper(troubled(racked(6, 3))), act)


def test_a_session_that_goes_down_is_red_dashed_and_said_without_a_reload(chromium: Browser) -> None:
    paper = Paper(racked(6, 3))
    line = "cable:172.21.0.1|n1|0"

    def act(page: Page) -> None:
        assert "up" in classes(page, line)
        page.run("window.same = true")
        paper.view = troubled(paper.view)
        page.until(f"{CY}.getElementById('{line}').hasClass('down')")
        style = page.run(f"(e => [e.style('line-style'), e.style('label')])({CY}.getElementById('{line}'))")
        assert style == ["dashed", "\u2715"]
        assert "session down" in page.text("#said")
        assert "connection refused" in page.text("#network-panel") and page.run("window.same")
        paper.view = racked(6, 3)
        page.until(f"{CY}.getElementById('{line}').hasClass('up')")
        assert "Every session is up." in page.text("#network-panel")

    looked_at(chromium, paper, act)


def test_a_node_is_opened_by_a_click_and_by_keys_alone(chromium: Browser) -> None:
    def act(page: Page) -> None:
        x, y = page.run(
            f"(b => (p => [b.left + p.x, b.top + p.y])({CY}.getElementById('n2').renderedPosition()))"
            "(document.getElementById('picture').getBoundingClientRect())"
        )
        page.click(x, y)
        page.until("document.querySelector('#node-answer h3')?.innerText.startsWith('n2')")
        answer = page.text("#node-answer")
        assert "10.68.3.0/24" not in answer and "10.65.3.0/24" in answer and "the next hop is not resolved" in answer
        page.run("document.querySelector('.skip').focus()")
        for expected in ("fit", "closer", "farther", "picture"):
            page.key("Tab")
            assert page.run("document.activeElement.id") == expected
        at = page.run(f"{CY}.nodes('.at').id()")
        page.key("ArrowLeft")
        assert page.run(f"{CY}.nodes('.at').id()") != at and page.text("#said").startswith("n")
        page.key("Enter")
        chosen = page.run(f"{CY}.nodes('.at').id()")
        page.until(f"document.querySelector('#node-answer h3')?.innerText.startsWith('{chosen}')")

    looked_at(chromium, Paper(racked(6, 3)), act)


def test_the_tabs_go_by_arrow_keys_and_everything_that_can_be_used_has_a_name(chromium: Browser) -> None:
    def act(page: Page) -> None:
        page.run("document.getElementById('tab-network').focus()")
        page.key("ArrowRight")
        page.key("ArrowRight")
        assert page.run("document.activeElement.id") == "tab-prefix"
        hidden = page.run(
            "[...document.querySelectorAll('[role=tabpanel]')].filter(it => !it.hidden).map(it => it.id)"
        )
        assert hidden == ["prefix-panel"]
        page.key("ArrowLeft")
        page.call("Accessibility.enable")
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
        used = {"button", "textbox", "searchbox", "combobox", "tab", "tabpanel", "table", "application", "link"}
        found = [
            (it["role"]["value"], it.get("name", {}).get("value", "")) for it in tree
            if not it.get("ignored") and it.get("role", {}).get("value") in used
        ]  # fmt: skip
        assert [it for it in found if not it[1]] == []
        assert {"application", "tab", "combobox", "searchbox", "link"} <= {role for role, _ in found}

    looked_at(chromium, Paper(racked(6, 3)), act)


def test_a_prefix_marks_its_owner_and_the_lines_it_won_by(chromium: Browser) -> None:
    paper = Paper(racked(4, 2, switches=1))
    paper.ribs = {
        "n0": rib("10.65.0.0/24", (None, True), ("172.21.0.1", False)),
        "n1": rib("10.65.0.0/24", ("172.21.0.1", True)),
    }

    def act(page: Page) -> None:
        page.until("document.querySelector('#prefix-answer table')")
        answer = page.text("#prefix-answer")
        assert (
            "it lives there" in answer and "wins: shortest AS path" in answer and "lost: shortest AS path" in answer
        )
        assert "owner" in classes(page, "n0") and "way" in classes(page, "cable:172.21.0.1|n1|0")
        assert "dim" in classes(page, "n3")

    looked_at(chromium, paper, act, "#show=prefix&prefix=10.65.0.7")


def test_of_a_large_mesh_the_sessions_of_the_opened_node_are_drawn(chromium: Browser) -> None:
    def act(page: Page) -> None:
        page.until(f"{CY}.edges('.revealed').length === 39")
        page.run("location.hash = '#show=network'")
        page.until(f"{CY}.edges().length === 0")
        assert "780 pairs without a cable" in page.text("#network-panel")

    looked_at(chromium, Paper(meshed(40)), act, "#show=node&name=n7")


def test_the_slider_shows_the_past_until_it_is_live_again(chromium: Browser) -> None:
    paper = Paper(racked(4, 2))

    def act(page: Page) -> None:
        page.run("document.getElementById('past').click()")
        page.until("document.activeElement.id === 'when'")
        page.key("ArrowLeft")
        page.until(f"document.body.classList.contains('past') && {CY}.edges('.down').length === 6")
        assert page.text("#live").startswith("as of ") and "0 of 6 session ends up" in page.text("#totals")
        assert "the disk was full" in page.text("#network-panel") and "it was dark" in page.text("#network-panel")
        page.run("window.taken = document.getElementById('picture').dataset.taken")
        page.until("document.getElementById('picture').dataset.taken !== window.taken")  # it goes on behind the past
        assert page.run(f"{CY}.edges('.down').length") == 6
        page.run("document.getElementById('now').click()")
        page.until(f"{CY}.edges('.up').length === 8")
        assert page.text("#live").startswith("live") and page.run("document.activeElement.id") == "past"

    looked_at(chromium, paper, act)


def test_what_cannot_be_answered_is_said_where_it_was_asked(chromium: Browser) -> None:
    def act(page: Page) -> None:
        page.until("document.querySelector('#prefix-answer [role=alert]')")
        assert "no prefix" in page.text("#prefix-answer")

    def visit(url: str) -> None:
        page = chromium.page()
        page.open(f"{url}#show=prefix&prefix=nonsense")
        act(page)  # the browser itself notes the 503
        page.call("Page.close")

    with_page(Paper(racked(2, 2)), visit)


def hostile() -> Paper:
    """Markup wherever a resource or a peer could have written it."""
    view = racked(3, 3, switches=1)
    bad = peer("172.21.0.1", state="connect", reason=HOSTILE, last_error=HOSTILE)
    pods = (
        EndpointStatus(
            name=HOSTILE,
            pod=f"default/{HOSTILE}",
            device="c",
            addresses=("10.65.0.9/32",),
            mac=None,
            state="down",
            reason=HOSTILE,
        ),
    )
    node = NodeView("n1", endpoints=EndpointsStatus(node="n1", endpoints=pods), health=view.nodes["n1"].health)
    named = NodeView(HOSTILE, why={"felixpy": HOSTILE, "birdpy": HOSTILE})
    return Paper(changed(view, with_peers(node, [bad]), named), HOSTILE)


def test_what_resources_say_is_text_and_never_markup(chromium: Browser) -> None:
    made = "document.querySelectorAll('img:not([src=\"icon.svg\"]), script:not([src]), iframe').length"

    def act(page: Page) -> None:
        assert HOSTILE in page.text("#network") and HOSTILE in page.text("#network-panel")
        page.run("location.hash = '#show=node&name=n1'")
        page.until("document.querySelector('#node-answer h3')?.innerText.startsWith('n1')")
        assert HOSTILE in page.text("#node-answer")
        assert page.run("document.title").startswith(HOSTILE)
        assert (page.run(made), page.run("window.hit ?? 0")) == (0, 0)
        # The controls: what is looked for would be found, and the page's policy forbids markup on its own account.
        page.run("document.body.append(document.createElement('iframe'))")
        assert page.run(made) == 1
        tried = page.run(
            "(() => { try { document.body.innerHTML = '<b>'; return 'done' } catch (e) { return e.name } })()"
        )
        assert tried == "TypeError"
        page.browser.events.clear()

    looked_at(chromium, hostile(), act)


def test_it_works_under_any_path_of_a_proxy(chromium: Browser) -> None:
    async def forward(upstream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", upstream)
        with suppress(asyncio.CancelledError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, rest = head.split(" ", 2)
            if path.startswith(PREFIX + "/"):
                out.write(f"{method} {path.removeprefix(PREFIX)} {rest}".encode())
                while data := await there.read(1 << 16):
                    writer.write(data)
                    await writer.drain()
        out.close()
        writer.close()

    def visit(url: str) -> None:
        page = chromium.page()
        page.open(f"{url}{PREFIX}/#show=node&name=n1")
        page.until("document.querySelector('#node-answer h3')?.innerText.startsWith('n1')")
        assert page.complaints() == []
        assert [it for it in page.asked() if not it.startswith(url + PREFIX)] == []
        page.call("Page.close")

    async def run() -> None:
        async with served(Paper(racked(3, 3))) as (url, _):
            port = int(url.rstrip("/").rpartition(":")[2])
            proxy = await asyncio.start_server(lambda r, w: forward(port, r, w), "127.0.0.1", 0)
            async with proxy:
                await asyncio.to_thread(visit, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")

    asyncio.run(run())


def test_light_dark_and_calm_are_as_the_system_has_them(chromium: Browser) -> None:
    paper = Paper(racked(4, 2))

    def act(page: Page) -> None:
        ground = "getComputedStyle(document.body).backgroundColor"
        ink = f"{CY}.nodes('.spot').first().style('color')"
        light = page.run(ground), page.run(ink)
        page.prefer(dark=True, calm=True)
        page.until(f"{ground} !== '{light[0]}'")
        page.until(f"{ink} !== '{light[1]}'")
        page.run(
            f"window.flashed = 0; {CY}.on('style', 'edge', e => window.flashed += e.target.hasClass('changed')); 0"
        )
        paper.view = troubled(paper.view)
        page.until(f"{CY}.edges('.down').length")
        assert page.run("window.flashed") == 0

    looked_at(chromium, paper, act)


@pytest.mark.parametrize(
    "paper", [Paper(racked(20, 10)), Paper(racked(200, 20)), Paper(meshed(200))], ids=["20", "200", "mesh"]
)
def test_no_box_covers_another_and_every_name_fits_its_box(chromium: Browser, paper: Paper) -> None:
    def act(page: Page) -> None:
        boxes = page.run(
            f"{CY}.nodes('.spot').map(n => [n.boundingBox({{includeLabels: false, includeUnderlays: false}}),"
            " n.boundingBox({includeNodes: false, includeEdges: false, includeUnderlays: false})]"
            ".map(b => [b.x1, b.x2, b.y1, b.y2]))"
        )
        assert len(boxes) >= 20
        spots = sorted(box for box, _ in boxes)
        for at, (x1, x2, y1, y2) in enumerate(spots):
            for a1, a2, b1, b2 in spots[at + 1 :]:
                if a1 >= x2:
                    break
                assert a2 <= x1 or b1 >= y2 or b2 <= y1
        assert [it for it in boxes if it[1][1] - it[1][0] > it[0][1] - it[0][0] + 1] == []
        drawn = page.run(f"(b => [b.x1, b.y1, b.x2, b.y2])({CY}.elements().renderedBoundingBox())")
        wide, high = page.run(f"[{CY}.width(), {CY}.height()]")
        assert drawn[0] >= 0 and drawn[1] >= 0 and drawn[2] <= wide and drawn[3] <= high

    looked_at(chromium, paper, act)


async def answer(url: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))
    try:
        writer.write(request)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionResetError:  # closed before all that was sent had been read
        return b""
    finally:
        writer.close()


def answers(*requests: bytes) -> list[bytes]:
    async def run() -> list[bytes]:
        async with served(Paper(racked(2, 2))) as (url, _):
            return [await answer(url, it) for it in requests]

    return asyncio.run(run())


def get(path: str, host: str = "localhost") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def test_files_that_are_not_shipped_cannot_be_asked_for() -> None:
    tried = (
        "/../server.py",
        "/%2e%2e/server.py",
        "/vendor/../../http.py",
        "//etc/passwd",
        "/vendor/SHA256SUMS",
        "/x",
    )
    assert {it.split(b"\r\n")[0] for it in answers(*map(get, tried))} == {b"HTTP/1.1 404 Not Found"}
    assert answers(get("/"))[0].startswith(b"HTTP/1.1 200 OK")


def test_bad_requests_are_answered_and_the_next_is_served() -> None:
    said = answers(
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", get("/", "evil.example"), b"\x16\x03\x01\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", get("/prefix?prefix=%00"),
        get("/pods?" + "a=1&" * 99), get("/"),
    )  # fmt: skip
    codes = [int(it.split(b" ")[1]) if it else 0 for it in said]
    assert codes[:3] == [405, 421, 400] and codes[3] in (0, 400) and codes[4:] == [503, 400, 200]


def test_whoever_only_connects_takes_no_place_for_ever() -> None:
    async def run() -> list[bytes]:
        async with served(Paper(racked(2, 2))) as (url, _):
            port = int(url.rstrip("/").rpartition(":")[2])
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
            await asyncio.sleep(0.05)
            full = await answer(url, get("/"))
            for _, writer in idle:
                writer.close()
            while not (after := await answer(url, get("/"))).startswith(b"HTTP/1.1 200"):
                await asyncio.sleep(0.05)
            return [full, after]

    full, after = asyncio.run(run())
    assert full == b"" or full.startswith(b"HTTP/1.1 503")
    assert b"felixpy" in after
