"""A real, headless Chromium, driven by its DevTools protocol over a pipe: nothing but the browser is needed."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0
CLOSING_S = 5.0
FLAGS = (
    "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--mute-audio",
    "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-default-apps", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip


class Browser:
    """One process of the browser; `pages` share it."""

    def __init__(self, profile: Path) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(it, fcntl.F_DUPFD, 100) for it in (theirs_in, theirs_out)]
        quiet = os.open(os.devnull, os.O_RDWR)
        env = {**os.environ, "HOME": str(profile), "TMPDIR": str(profile)}
        argv = [shutil.which("chromium") or "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        actions = [
            (os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2),
            (os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4),
        ]  # fmt: skip
        self.pid = os.posix_spawn(argv[0], argv, env, file_actions=actions, setpgroup=0)
        for descriptor in (theirs_in, theirs_out, *high, quiet):
            os.close(descriptor)
        self._in, self._out = ours_in, ours_out
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        """One command and its answer; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        give_up = time.monotonic() + PATIENCE_S
        while True:
            answer = self._next(give_up, method)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _next(self, give_up: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            readable, _, _ = select.select([self._in], [], [], max(0.0, give_up - time.monotonic()))
            assert readable, f"chromium does not answer {method}"
            data = os.read(self._in, 1 << 16)
            assert data, "chromium ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))

    def page(self, width: int = 1440, height: int = 900) -> "Page":
        """A new, empty page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        made = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            made.call(f"{domain}.enable")
        made.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return made

    def close(self) -> None:
        """End it and wait for it; itself it ends its own children first."""
        with suppress(AssertionError, OSError):
            self.call("Browser.close")
        give_up = time.monotonic() + CLOSING_S
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > give_up:
                os.killpg(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)
        os.close(self._in)
        os.close(self._out)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **params: Any) -> Any:
        """One command to this tab."""
        return self.browser.call(method, self.session, **params)

    def prefer(self, *, dark: bool = False, calm: bool = False) -> None:
        """What the user's system prefers."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def open(self, url: str) -> None:
        """Go there; the picture is drawn when this returns."""
        self.call("Page.navigate", url=url)
        self.until("document.getElementById('picture')?.dataset.taken")

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script: str, seconds: float = PATIENCE_S) -> None:
        """Return as soon as `script` is true."""
        give_up = time.monotonic() + seconds
        while not self.run(f"!!({script})"):
            assert time.monotonic() < give_up, f"not in time: {script}\n{self.complaints()}\n{self.text('body')}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """What can be read in an element."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def key(self, name: str, shift: bool = False) -> None:
        """Press and release one key."""
        codes = {
            "Tab": 9,
            "Enter": 13,
            "ArrowRight": 39,
            "ArrowLeft": 37,
            "ArrowUp": 38,
            "ArrowDown": 40,
            "Escape": 27,
        }
        given = {"key": name, "code": name, "windowsVirtualKeyCode": codes[name], "modifiers": 8 if shift else 0}
        extra = {"text": "\r"} if name == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **given, **extra)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """What is to be seen, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the browser has complained of: errors of scripts, of the policy, of what could not be loaded."""
        self.run("0")
        found = []
        for event in self.browser.events:
            params = event.get("params", {})
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
            if event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(str([it.get("value", it.get("description")) for it in params["args"]]))
        return found

    def asked(self) -> list[str]:
        """The addresses that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event["method"] == "Network.requestWillBeSent" and event.get("sessionId") == self.session
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, gone at the end."""
    profile = Path(tempfile.mkdtemp(prefix="felixpy-chromium-"))
    made = Browser(profile)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(profile, ignore_errors=True)
