"""The same screen in a browser on this machine: each window is a process of its own, whose terminal is a websocket.

What draws in the browser and speaks with the processes is textual-serve's; who may ask at all is decided here.
"""

import asyncio
import hmac
import secrets
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from ipaddress import ip_address
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from dissector import limits
from dissector.errors import UsageError

LOOPBACK: Final = "127.0.0.1"
_HERE: Final = Path(__file__).parent
_PAGE: Final = Template((_HERE / "web.html").read_text())
_HEADERS: Final = {
    # Whatever the page and its scripts may want, nothing is asked of other hosts. xterm.js makes style elements.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TOKEN_BYTES: Final = 32
_ENDING_S: Final = 5.0
"""How long processes may take to end."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def listening(address: str | None) -> socket.socket:
    """Listen at ``[ADDRESS:]PORT``; None is 127.0.0.1 and a free port.

    Raises `UsageError` where that is no place on this machine alone, or is taken.
    """
    host, port = _place(address)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(f"--listen {address or LOOPBACK}: {error.strerror}") from error


def _place(address: str | None) -> tuple[str, int]:
    if address is None:
        return LOOPBACK, 0
    try:
        parts = urlsplit(f"//{address}" if not address.isdecimal() else f"//{LOOPBACK}:{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or address.rpartition(":")[0].strip("[]").lower() not in ("", host):
        raise UsageError(f"--listen {address}: not [ADDRESS:]PORT, as 8000 or [::1]:8000")
    if not _is_loopback(host):
        raise UsageError(
            f"--listen {host}: no loopback address, and it is for this machine alone; from another one: "
            f"ssh -L {port or 8000}:{LOOPBACK}:{port or 8000} HOST"
        )
    return LOOPBACK if host == "localhost" else host, port


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class WebServer(Server):
    """Serves the screen of a command to who knows `url`. Every window of a browser starts the command."""

    def __init__(self, command: Sequence[str], listener: socket.socket, *, title: str) -> None:
        """``listener`` listens already; ``title`` is what the browser calls the window."""
        # A shell starts it; with exec, none stays between.
        super().__init__(f"exec {shlex.join(command)}", title=title)
        self._listener = listener
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        host, port = listener.getsockname()[:2]
        # Browsers give cookies to all ports of a host.
        self._cookie = f"osloshark-{port}"
        self._windows: set[asyncio.Task[object]] = set()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/?token={self._token}"
        """Where the browser finds it; it gives the right to look."""

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, then end all processes."""
        web.run_app(self.application(), sock=self._listener, print=None, access_log=None, shutdown_timeout=_ENDING_S)

    def application(self) -> web.Application:
        """Make what answers."""
        application = web.Application(middlewares=[self._guard])
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/web.js", self._script),
                web.get("/ws", self.handle_websocket),
                web.static("/static", self.statics_path),
            ]
        )
        application.on_response_prepare.append(self._add_headers)
        application.on_shutdown.append(self.on_shutdown)
        return application

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Start a process, and carry what it draws and what is typed; ends with either of them."""
        task = asyncio.current_task()
        assert task is not None
        self._windows.add(task)
        try:
            return await super().handle_websocket(request)
        finally:
            self._windows.discard(task)

    async def on_shutdown(self, app: web.Application) -> None:
        """End all processes."""
        windows = list(self._windows)
        for window in windows:
            window.cancel()
        if windows:
            await asyncio.wait(windows, timeout=_ENDING_S)

    async def _page(self, request: web.Request) -> web.Response:
        text = _PAGE.substitute(title=escape(self.title), websocket=f"ws://{escape(request.host)}/ws")
        return web.Response(text=text, content_type="text/html")

    @staticmethod
    async def _script(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "web.js")

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Answer only who knows the token, and only where the browser knows that it asks this machine.

        A page from elsewhere has neither token nor cookie. Should its host's name be made to lead here (DNS rebinding),
        the Host header tells; a websocket opened by such a page, or by one of another port here, its Origin.
        """
        try:
            host = urlsplit(f"//{request.host}").hostname
        except ValueError:
            host = None
        if host is None or not _is_loopback(host):
            raise web.HTTPForbidden(text="403: this is served to this machine alone\n")
        if request.path == "/" and self._knows(request.query.get("token")):
            # The token goes out of the address, and so out of what is shown and bookmarked.
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict")
            raise answer
        if not self._knows(request.cookies.get(self._cookie)):
            raise web.HTTPForbidden(text="403: open the address that osloshark printed, with its token\n")
        if request.path == "/ws":
            if request.headers.get("Origin") != f"http://{request.host}":
                raise web.HTTPForbidden(text="403: a page of another origin\n")
            if len(self._windows) >= limits.WEB_WINDOWS:
                raise web.HTTPServiceUnavailable(text="503: too many windows; close one\n")
        return await handler(request)

    def _knows(self, token: str | None) -> bool:
        return token is not None and hmac.compare_digest(token.encode(errors="replace"), self._token.encode())

    @staticmethod
    async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)
