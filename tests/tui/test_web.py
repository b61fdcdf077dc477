"""The screen in a browser: who may look, what is asked of whom, and what becomes of the processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dissector import UsageError, limits
from dissector.tui.web import WebServer, listening

from .. import outputs
from ..cli.command import COMMAND
from ..lab import truth
from .browser import browsing
from .pilot import driven

DEMO = truth.captures()["demo"]


@contextmanager
def served(*arguments):
    """Serve a capture as a user does; give the process and the address that it prints."""
    command = [COMMAND, "tui", "--web", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"osloshark: open (http://\S+) in a browser on this machine; Ctrl-C ends it\n", line)
        assert found, line
        yield process, found[1]
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def asked(*command):
    """Serve a command within this process; give the server, and a client that has no cookie yet."""
    server = WebServer(command or [COMMAND, "tui", str(DEMO)], listening(None), title="<title>")
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, server._listener).start()
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(server.url.partition("?")[0], cookie_jar=jar) as client:
            yield server, client
    finally:
        await runner.cleanup()


def children(process_id):
    return [int(word) for word in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def is_running(process_id):
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(process_ids):
    deadline = time.monotonic() + 15
    while any(map(is_running, process_ids)) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return not any(map(is_running, process_ids))


@pytest.mark.browser
@driven
async def test_a_browser_shows_the_same_screen_and_asks_nobody_else(tmp_path):
    with served(DEMO) as (process, url):
        place, _, token = url.partition("?token=")
        async with browsing(tmp_path) as page:
            assert await page.go(place) == 403
            assert "with its token" in await page.shown("403")
            assert await page.go(f"{place}?token={token[:-1]}") == 403
            await page.go(url)
            screen = await page.shown("all read · 82 messages")
            assert "packet 389: publish" in screen
            assert "_context_auth_token: ***" in screen
            assert await page.evaluate("location.href") == place
            assert await page.evaluate("document.cookie") == ""
            await page.press("j")
            await page.shown("packet 391: deliver")
            await page.press("2")
            await page.shown("25 calls")
            await page.press("Enter")
            assert "│── call report_state ──" in re.sub("─+", "──", await page.shown("in all 11.34 ms"))
            assert (await page.picture()).startswith(b"\x89PNG")
            assert await page.evaluate("fetch('http://127.0.0.2:1/').catch(() => 'refused')") == "refused"
            refusals = [error for error in page.errors if "status of 403" not in error]
            assert refusals
            assert [error for error in refusals if "Content Security Policy" not in error] == []
            hosts = {re.match(r"\w+://([^/]+)", one)[1] for one in page.requests if "127.0.0.2" not in one}
            assert hosts == {re.match(r"http://([^/]+)", place)[1]}
            windows = children(process.pid)
            assert len(windows) == 1
            process.send_signal(signal.SIGINT)
            await page.shown("has ended")
            assert await ended(windows)
            assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("path", "named", "status"),
    [
        ("/", {}, 403),
        ("/?token=", {}, 403),
        ("/?token=wrong", {}, 403),
        ("/?token=%ff%00", {}, 403),
        ("/ws", {}, 403),
        ("/static/js/textual.js", {}, 403),
        ("/?token={token}", {"headers": {"Host": "evil.example"}}, 403),
        ("/?token={token}", {"headers": {"Host": "10.0.0.1"}}, 403),
        ("/?token={token}", {"headers": {"Host": "[::"}}, 403),
        ("/?token={token}", {"headers": {"Host": "localhost:1"}}, 303),
        ("/static/js/textual.js", {"headers": {"Cookie": "{cookie}=wrong"}}, 403),
        ("/static/js/textual.js", {"headers": {"Cookie": "{cookie}={token}"}}, 200),
        ("/static/js/textual.js", {"headers": {"Cookie": "{cookie}={token}", "Host": "evil.example"}}, 403),
        ("/ws", {"headers": {"Cookie": "{cookie}={token}"}}, 403),
        ("/ws", {"headers": {"Cookie": "{cookie}={token}", "Origin": "http://evil.example"}}, 403),
        ("/ws", {"headers": {"Cookie": "{cookie}={token}", "Origin": "http://127.0.0.1:1"}}, 403),
        ("/ws", {"headers": {"Cookie": "{cookie}={token}", "Origin": "null"}}, 403),
        ("/static/../server.py", {"headers": {"Cookie": "{cookie}={token}"}}, 404),
        ("/nothing", {"headers": {"Cookie": "{cookie}={token}"}}, 404),
    ],
)
@driven
async def test_who_may_ask(path, named, status):
    async with asked("false") as (server, client):
        known = {"token": server._token, "cookie": server._cookie}
        headers = {name: value.format(**known) for name, value in named.get("headers", {}).items()}
        async with client.get(path.format(**known), headers=headers, allow_redirects=False) as answer:
            assert answer.status == status
            assert server._token not in await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            if status == 303:
                cookie = answer.headers["Set-Cookie"]
                assert cookie == f"{server._cookie}={server._token}; HttpOnly; Path=/; SameSite=Strict"
            else:
                assert "Set-Cookie" not in answer.headers


@driven
async def test_a_window_is_a_process_that_ends_with_it(monkeypatch):
    async with asked() as (server, client):
        async with client.get(server.url) as answer:
            assert "<title>&lt;title&gt;</title>" in await answer.text()
        origin = {"Origin": server.url.partition("/?")[0]}
        before = set(children(os.getpid()))
        async with client.ws_connect("/ws?width=120&height=40", headers=origin) as socket:
            shown = b""
            while b"82 messages" not in shown:
                shown += await socket.receive_bytes(timeout=20)
            (window,) = set(children(os.getpid())) - before
            monkeypatch.setattr(limits, "WEB_WINDOWS", 1)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/ws", headers=origin)
            assert refused.value.status == 503
        assert await ended([window])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
@driven
async def test_no_process_stays(sent):
    with served("-Y", "oslo.failure", DEMO) as (process, url):
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            await (await client.get(url)).read()
            place = url.partition("/?")[0]
            async with client.ws_connect(f"{place}/ws", headers={"Origin": place}) as socket:
                shown = b""
                while b"2 of 82 messages" not in shown:
                    shown += await socket.receive_bytes(timeout=20)
                windows = children(process.pid)
                assert len(windows) == 1
                process.send_signal(sent)
                async for _ in socket:
                    pass
                assert await ended(windows)
                process.wait(10)


def test_where_it_listens():
    for text, host in ((None, "127.0.0.1"), ("0", "127.0.0.1"), ("localhost:0", "127.0.0.1"), ("127.0.0.9:0", None)):
        with listening(text) as listener:
            assert listener.getsockname()[0] == (host or "127.0.0.9")
            taken = f"{listener.getsockname()[0]}:{listener.getsockname()[1]}"
            with pytest.raises(UsageError, match="Address already in use"):
                listening(taken)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "8000", DEMO], "--listen goes with --web; see 'osloshark tui --help'"),
        (["--web", "--listen", "0.0.0.0:80", DEMO], "--listen 0.0.0.0: no loopback address, and it is for this"),
        (["--web", "--listen", "[::]:80", DEMO], "--listen ::: no loopback address"),
        (["--web", "--listen", "example.org:80", DEMO], "ssh -L 80:127.0.0.1:80 HOST"),
        (["--web", "--listen", "nonsense", DEMO], "--listen nonsense: not [ADDRESS:]PORT, as 8000 or [::1]:8000"),
        (["--web", "--listen", "127.0.0.1:65536", DEMO], "not [ADDRESS:]PORT"),
        (["--web", "-"], "-: no file; every window of the browser reads it for itself"),
        (["--web", "no-such.pcap"], "no-such.pcap: No such file or directory"),
        (["--web", "-Y", "oslo.method ==", DEMO], "a value is expected"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, said):
    done = outputs.run(["tui", *map(str, arguments)])
    assert (done.status, done.output) == (2, b"")
    assert said in done.errors.decode().splitlines()[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_serves_no_interface():
    assert b"--web as root would have root serve the browser" in outputs.run(["tui", "--web", "-i", "lo"]).errors


def test_without_textual_serve_the_remedy_is_told(tmp_path):
    (tmp_path / "hide.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'textual_serve' else find(name, *more)\n"
        "from dissector.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, str(tmp_path / "hide.py"), "tui", "--web", str(DEMO)]
    environment = {**os.environ, "PYTHONPATH": str(truth.PCAPS.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 2
    assert done.stderr == (
        "osloshark: the terminal UI in a browser needs the \"web\" extra: pip install 'osloshark[web]'\n"
    )
