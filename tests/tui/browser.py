"""A real browser without a screen, driven through its DevTools protocol."""

import asyncio
import base64
import shutil
import subprocess
import time
from contextlib import asynccontextmanager

import aiohttp

PROGRAM = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), "chromium")
OPTIONS = [
    "--headless=new",
    "--no-sandbox",  # root has none; what is shown is ours
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1200,800",
    "--remote-debugging-port=0",
]
HOOK = """
// What textual-serve keeps to itself: its terminal.
Object.defineProperty(Object.prototype, "websocket_url", {
  set(url) {
    window.screenOfTest = this;
    Object.defineProperty(this, "websocket_url", {value: url});
  }
});
"""
SCREEN = """
(() => {
  const terminal = window.screenOfTest?.terminal;
  const line = (y) => terminal.buffer.active.getLine(y)?.translateToString(true) ?? "";
  const lines = Array.from({length: terminal?.rows ?? 0}, (_, y) => line(y));
  return [document.body?.innerText ?? "", ...lines].join("\\n");
})()
"""
KEYS = {"Enter": (13, "\r"), "Escape": (27, "\x1b"), "Tab": (9, "\t")}


class Page:
    """A page of a browser; `requests` are the addresses that it asked for, `errors` what it complains of."""

    def __init__(self, socket, session_id):
        self.requests = []
        self.errors = []
        self._socket = socket
        self._session_id = session_id
        self._number = 0

    async def call(self, method, **parameters):
        """Call a method of the DevTools protocol; events that come meanwhile are noted."""
        self._number += 1
        session = {} if self._session_id is None else {"sessionId": self._session_id}
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters, **session})
        while True:
            answer = await self._socket.receive_json(timeout=20)
            self._note(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _note(self, event):
        parameters = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(parameters["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded":
                self.errors.append(parameters["entry"]["text"])

    async def go(self, address):
        """Open an address; give the status of its answer in the end."""
        await self.call("Page.navigate", url=address)
        return await self.evaluate("performance.getEntriesByType('navigation')[0]?.responseStatus")

    async def evaluate(self, script):
        """Run a script in the page."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def shown(self, text):
        """Wait for a text on the screen; give all of it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            screen = await self.evaluate(SCREEN)
            if text in (screen or ""):
                return screen
            await asyncio.sleep(0.05)
        raise AssertionError(f"{text!r} is not on screen:\n{screen}\n{self.errors}")

    async def press(self, *keys):
        """Press keys."""
        for key in keys:
            code, text = KEYS.get(key, (ord(key[0].upper()), key))
            named = {"key": key, "windowsVirtualKeyCode": code, "text": text}
            await self.call("Input.dispatchKeyEvent", type="keyDown", **named)
            await self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    async def picture(self):
        """Take a picture, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browsing(folder):
    """Start a browser whose files are in a folder; give a page."""
    command = [PROGRAM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        place = folder / "DevToolsActivePort"
        deadline = time.monotonic() + 30
        while not (place.exists() and place.read_text().count("\n")) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        port, path = place.read_text().split()
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
        ):
            first = Page(socket, None)
            target = await first.call("Target.createTarget", url="about:blank")
            session = await first.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page = Page(socket, session["sessionId"])
            for domain in ("Page", "Network", "Runtime", "Log"):
                await page.call(f"{domain}.enable")
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=HOOK)
            yield page
            await first.call("Browser.close")
    finally:
        browser.terminate()
        browser.wait(20)
