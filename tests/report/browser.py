"""A headless Chromium over the DevTools protocol: what a page shows, logs, asks the network for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip
SECONDS = 30


class Browser:
    """One page. Blocking calls; the socket lives on a thread of its own."""

    def __init__(self, address: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.ids = itertools.count(1)
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.session_id: str | None = None
        self._run(self._connect(address))
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session_id = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(SECONDS)

    async def _connect(self, address: str) -> None:
        self.http = ClientSession()
        self.socket: ClientWebSocketResponse = await self.http.ws_connect(address, max_msg_size=0)
        self.reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type != WSMsgType.TEXT:
                break
            data = message.json()
            if "id" in data:
                self.waiting.pop(data["id"]).set_result(data)
            else:
                self.events.append(data)

    def call(self, method: str, **parameters: Any) -> Any:
        async def send() -> Any:
            number = next(self.ids)
            future = self.waiting[number] = self.loop.create_future()
            body: dict[str, Any] = {"id": number, "method": method, "params": parameters}
            if self.session_id is not None:
                body["sessionId"] = self.session_id
            await self.socket.send_json(body)
            return await future

        answer = self._run(send())
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        async def end() -> None:
            self.reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.reader
            await self.socket.close()
            await self.http.close()

        self._run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    # what a test says

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file and forget what the page before said."""
        self.view(width=width, height=height, dark=dark)
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        until = time.monotonic() + SECONDS  # not by a script: a page may have to do without
        while not any(e["method"] == "Page.loadEventFired" for e in list(self.events)):
            assert time.monotonic() < until, "the page did not load"
            time.sleep(0.01)

    def view(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script: str) -> Any:
        """The JSON value of an expression; a promise is awaited (which never ends where scripts are disabled)."""
        wait = "new Promise" in script
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=wait)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({selector!r}).innerText"))

    def texts(self, selector: str) -> list[str]:
        return list(self.run(f"[...document.querySelectorAll({selector!r})].map(x => x.innerText)"))

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({selector!r}).click()")

    def key(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13, "ArrowRight": 39}
        for kind in ("keyDown", "keyUp"):
            extra = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **extra,
            )

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions, CSP violations."""
        out = []
        for event in self.events:
            p = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                out.append(str(p["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled" and p["type"] in (
                "error",
                "warning",
                "assert",
            ):
                out.append(str(p["args"]))
            elif event["method"] == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
                out.append(p["entry"]["text"])
        return out

    def requests(self) -> list[str]:
        """What was asked for beside the document itself."""
        sent = [
            e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in sent[1:] if not url.startswith("data:")]

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"]))


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is no Chromium, unless ``ROBUSTTEST_NEED_CHROMIUM`` says that there must be."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("ROBUSTTEST_NEED_CHROMIUM"):
            pytest.fail("no chromium is installed, and ROBUSTTEST_NEED_CHROMIUM is set", pytrace=False)
        pytest.skip("no chromium is installed")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with open(Path(profile) / "stderr", "w+b") as log:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
            browser = None
            try:
                browser = Browser(_address(process, Path(profile)))
                yield browser
            finally:
                if browser is not None:
                    browser.close()
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _address(process: subprocess.Popen[bytes], profile: Path) -> str:
    """Chromium writes the port it chose into its profile."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, (profile / "stderr").read_text(errors="replace")
        with contextlib.suppress(OSError, ValueError):
            port, path = (profile / "DevToolsActivePort").read_text().splitlines()[:2]
            return f"ws://127.0.0.1:{int(port)}{path}"
        time.sleep(0.05)
    raise AssertionError("chromium did not start: " + (profile / "stderr").read_text(errors="replace"))


def main() -> None:
    """``python tests/report/browser.py REPORT.html PICTURE.png [WIDTH HEIGHT [dark]]``: the beginning of a page."""
    import sys

    page, picture, *size = sys.argv[1:]
    width, height = (int(x) for x in size[:2]) if size else (1180, 900)
    with chromium() as browser:
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(Path(page), width=width, height=height, dark="dark" in size)
        browser.screenshot(Path(picture))


if __name__ == "__main__":
    main()
