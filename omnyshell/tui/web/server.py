"""Serves the console to a browser on this machine, with `textual-serve`: a console a page, each a client of the hub."""

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import WSCloseCode, web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from omnyshell.errors import ConfigException
from omnyshell.tui.web.gate import HEADERS, Gate, Verdict
from omnyshell.tui.web.served import ServedConsole

HOST = "127.0.0.1"
TITLE = "OmnyShell"
PAGE = Path(__file__).parent / "page"
MAX_PORT = 65_535
START = "from omnyshell.tui.main import main; main()"
STOP_TIMEOUT = 1.0
"""Seconds for pages to close after their consoles have ended, when the server stops."""

MAX_PAGES = 20
HEARTBEAT = 15.0
"""Seconds between checks whether a page is still there."""


REFUSAL = (
    "This console opens, once, by the link that `omnyshell-console --web` printed. Start it again for another one.\n"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleServer(Server):
    """The web server for the pages, with the gate in front of them."""

    def __init__(self, words: list[str], gate: Gate) -> None:
        super().__init__(
            TITLE,
            host=HOST,
            port=gate.port,
            public_url=gate.address,
            templates_path=PAGE,
        )
        self.gate = gate
        self._command = [sys.executable, "-P", "-c", START, *words, "--client-only"]
        self._consoles: set[ServedConsole] = set()

    async def application(self) -> web.Application:
        """The web application; every request passes the gate."""
        app = await self._make_app()
        app.router.add_get("/focus.js", _focus)
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(_add_headers)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the link is enough."""

    async def on_shutdown(self, app: web.Application) -> None:  # noqa: ARG002
        """End all consoles."""
        await asyncio.gather(*(console.stop() for console in self._consoles))

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run a console for a page, until either ends."""
        if len(self._consoles) >= MAX_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MAX_PAGES} pages are open already\n")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT)
        await socket.prepare(request)
        console = ServedConsole(self._command, socket, self.download_manager)
        self._consoles.add(console)
        try:
            await console.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            await console.follow(socket)
        except (AttributeError, LookupError, TypeError, ValueError):
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"not what a page of ours says")
        finally:
            await console.stop()
            self._consoles.discard(console)
        return socket

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        verdict = self.gate.judge(
            request.path,
            host=request.headers.get("Host", ""),
            origin=request.headers.get("Origin"),
            cookie=request.cookies.get(self.gate.cookie_name),
        )
        if verdict is Verdict.REFUSE:
            return web.Response(status=403, text=REFUSAL)
        if verdict is Verdict.SERVE:
            return await handler(request)
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(self.gate.cookie_name, self.gate.cookie, httponly=True, samesite="Strict", path="/")
        return response


async def _focus(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "focus.js")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def serve(words: list[str], port: int) -> int:
    """Serve until SIGINT or SIGTERM; `words` are the console's own options. Port 0 takes a free one.

    Raises `ConfigException` if the port is not available.
    """
    if not 0 <= port <= MAX_PORT:
        raise ConfigException(f"--port: 0 to {MAX_PORT}")
    _check_release()
    try:
        listener = socket.create_server((HOST, port))
    except OSError as exc:
        raise ConfigException(f"cannot listen on {HOST}:{port}: {exc.strerror}; choose another --port") from exc
    with listener:
        asyncio.run(_serve(ConsoleServer(words, Gate(listener.getsockname()[1])), listener))
    return 0


def _check_release() -> None:
    """Refuse to serve with another release of textual-serve.

    The gate and the pages' processes use private parts of it.
    """
    for kind, name in ((Server, "_make_app"), (AppService, "_open_app_process")):
        if not hasattr(kind, name):
            raise ConfigException("this release of textual-serve does not fit: pip install 'omnyshell[web]'")


async def _serve(server: ConsoleServer, listener: socket.socket) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(await server.application(), access_log=None, shutdown_timeout=STOP_TIMEOUT)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        print(f"open     {server.gate.link}")
        print("once, in a browser on this machine; ctrl+c ends it", flush=True)
        await stopped.wait()
    finally:
        await runner.cleanup()
