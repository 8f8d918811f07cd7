"""`felixpy ui` over a lab that runs: its topology, its sessions as they turn, a trace on the picture."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Page, browser
from tests.lab.conftest import Running

pytestmark = [pytest.mark.root, pytest.mark.lab]
CY = "document.getElementById('picture')._cyreg.cy"


@pytest.fixture(scope="module")
def page(quickstart: Running) -> Iterator[Page]:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium: containerlab/install.sh --tests")
    process = subprocess.Popen(
        [sys.executable, "-m", "felixpy", "ui", "--lab", quickstart.name, "--port", "0"],
        env=quickstart.labs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        with browser() as made:
            page = made.page()
            page.prefer()
            page.open(url)
            yield page
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert (process.returncode, said) == (0, "felixpy: Ctrl-C ends it\n")


def test_the_picture_is_the_topology_file_with_its_sessions(page: Page) -> None:
    assert page.run(f"{CY}.nodes('.spot').map(it => it.id()).sort().join()") == "n1,n2,n3,out,tor"
    page.until(f"{CY}.edges('.cable.up').length === 3 && {CY}.edges('.free.up').length === 3")
    assert page.run(f"{CY}.edges('.none').map(it => it.source().id() + it.target().id()).join()") == "outtor"
    assert "9 of 9 session ends up" in page.text("#totals")
    screenshots = os.environ.get("FELIXPY_SCREENSHOTS")
    if screenshots:
        page.screenshot(Path(screenshots) / "quickstart.png")


def test_a_node_shows_its_routes_and_the_round_that_decided(page: Page) -> None:
    page.run("location.hash = '#show=node&name=n2'")
    page.until("document.querySelector('#node-answer h3')?.innerText.startsWith('n2')")
    answer = page.text("#node-answer")
    assert "198.51.100.0/24" in answer and "only path" in answer and "default/c" in answer and "blackhole" in answer


def test_a_prefix_shows_its_owner(page: Page, quickstart: Running) -> None:
    page.run(f"location.hash = '#show=prefix&prefix={quickstart.pods()['a'].address}'")
    page.until("document.querySelectorAll('#prefix-answer table').length === 2")
    assert page.run(f"{CY}.nodes('.owner').map(it => it.id()).join()") == "n1"


def test_a_trace_is_drawn_over_the_switch_both_ways(page: Page) -> None:
    page.run("location.hash = '#show=trace&from=a&to=default/c'")
    page.until("document.querySelectorAll('#trace-answer .said.good').length === 2")
    marked = page.run(f"{CY}.edges('.way.forth.back').map(it => it.target().id()).sort().join()")
    assert (marked, page.run(f"{CY}.nodes('.way').map(it => it.id()).sort().join()")) == ("n1,n2", "n1,n2,tor")


def test_the_slider_goes_back_to_what_the_nodes_logs_say(page: Page) -> None:
    page.run("location.hash = '#show=node&name=n1'")
    page.run("document.getElementById('past').click()")
    page.until("!document.getElementById('when').hidden")
    to = "(w => {{ w.value = {}; w.dispatchEvent(new Event('change')) }})(document.getElementById('when'))"
    page.run(to.format("w.max"))
    page.until(f"document.body.classList.contains('past') && {CY}.edges('.up').length === 6")
    page.until("document.getElementById('node-answer').innerText.includes('Mesh_172_20_0_12')")
    newest = page.text("#live")
    page.run(to.format("w.min"))
    page.until(f"document.getElementById('live').innerText !== {json.dumps(newest)}")
    assert page.text("#live") == f"as of {page.text('#moment')}"
    page.run("document.getElementById('now').click()")
    page.until("!document.body.classList.contains('past')")
    assert page.complaints() == []


def test_a_router_that_hangs_is_seen_without_a_reload_and_so_is_its_recovery(page: Page, quickstart: Running) -> None:
    page.run("location.hash = '#show=network'")
    page.run("window.same = true")

    def signalled(name: str) -> None:
        quickstart.exec("n3", "sh", "-c", f"kill -{name} $(cut -d' ' -f1 /run/felixpy/birdpy.pid)")

    signalled("STOP")
    try:
        page.until(f"{CY}.getElementById('n3').hasClass('trouble')")
        assert "birdpy does not answer" in page.text("#network-panel")
        assert page.run(f"{CY}.getElementById('n2').hasClass('fine')")
    finally:
        signalled("CONT")
    page.until(f"{CY}.getElementById('n3').hasClass('fine') && {CY}.edges('.up').length === 6", seconds=60)
    assert page.run("window.same") and page.complaints() == []
