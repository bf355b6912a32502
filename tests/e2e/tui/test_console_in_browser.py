"""`omnyshell-console --web` as a browser sees it."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from support.commands import run_command
from support.deadline import DEADLINE
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

BIN = Path(sys.executable).parent
DRIVER = shutil.which("chromedriver")


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return result


@pytest.fixture
def env(local_console: dict[str, str]) -> Iterator[dict[str, str]]:
    """Where hub and node are up, without any session, before and afterwards."""
    yield local_console
    for session in sessions(local_console):
        killed = run_command("sessions", "kill", session["nodeId"], session["sessionId"], env=local_console)
        assert killed.returncode == 0, killed.stderr


@contextmanager
def served(env: dict[str, str], ended_by: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """The console served; gives the link, and sees that nothing is left of it."""
    server = subprocess.Popen([BIN / "omnyshell-console", "--web"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.send_signal(ended_by)
        assert server.wait(DEADLINE) == (-ended_by if ended_by is signal.SIGKILL else 0)
    finally:
        server.kill()
        server.communicate(timeout=DEADLINE)
    until(lambda: not consoles(env["OMNYSHELL_HOME"]))


def consoles(home: str) -> list[str]:
    """The processes of consoles that were served."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            if b"--client-only" in line and home.encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetch(url: str, **headers: str) -> tuple[int, Any, str]:
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=DEADLINE) as response:
            return response.status, response.headers, response.read().decode("utf-8", "replace")
    except HTTPError as exc:
        return exc.code, exc.headers, exc.read().decode("utf-8", "replace")


def test_the_link_opens_once_and_shows_a_console_that_is_only_a_client(env: dict[str, str]) -> None:
    with served(env) as link:
        origin = link.partition("/enter/")[0]
        assert fetch(origin + "/")[0] == 403
        assert fetch(origin + "/static/js/textual.js")[0] == 403
        status, headers, _ = fetch(link)
        assert status == 303
        (cookie,) = SimpleCookie(headers["Set-Cookie"]).values()
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert fetch(link)[0] == 403
        pair = f"{cookie.key}={cookie.value}"
        status, headers, page = fetch(origin + "/", Cookie=pair)
        assert status == 200
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        addresses = re.findall(r"(?:https?|wss?)://[^\"'\s)]+", page)
        assert addresses
        assert all(address.split("://")[1].startswith(origin.split("://")[1] + "/") for address in addresses), addresses
        page_end_url = origin.replace("http", "ws") + "/ws?width=100&height=30"
        for wrong in ({}, {"Cookie": pair, "Origin": "http://evil.example"}):
            with pytest.raises(InvalidStatus, match="403"):
                connect(page_end_url, additional_headers=wrong, proxy=None)
        with connect(
            page_end_url, additional_headers={"Cookie": pair, "Origin": origin}, proxy=None, max_size=None
        ) as page_end:
            shown = b""
            while b"online" not in shown:
                message = page_end.recv(timeout=DEADLINE)
                shown += message if isinstance(message, bytes) else b""
            (console,) = consoles(env["OMNYSHELL_HOME"])[:1]
            assert b"This machine" not in shown
            assert console
            # What no page says closes it, and nothing else.
            page_end.send('["resize", {"width": "wide"}]')
            with pytest.raises(ConnectionClosedError, match="1003"):
                read_on(page_end)
        until(lambda: not consoles(env["OMNYSHELL_HOME"]))
        assert fetch(origin + "/", Cookie=pair)[0] == 200


def read_on(page_end: ClientConnection) -> None:
    """Read until the connection is closed."""
    while True:
        page_end.recv(timeout=DEADLINE)


class RawPage:
    """What the page of `textual-serve` says and hears, without a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self._shown = b""

    def type(self, text: str) -> None:
        self.socket.send(json.dumps(["stdin", text]))

    def shows(self, expected: bytes) -> None:
        """Read until it was painted, since this was asked last."""
        while expected not in self._shown:
            message = self.socket.recv(timeout=DEADLINE)
            self._shown += message if isinstance(message, bytes) else b""
        self._shown = b""

    def open_shell(self, env: dict[str, str]) -> None:
        self.shows(b"online")
        self.type("o")
        until(lambda: sessions(env))
        self.type("echo is-$((6*7))\r")
        self.shows(b"is-42")


@contextmanager
def raw_page(link: str) -> Iterator[RawPage]:
    """Opens the link, and the page's WebSocket."""
    origin = link.partition("/enter/")[0]
    (cookie,) = SimpleCookie(fetch(link)[1]["Set-Cookie"]).values()
    headers = {"Cookie": f"{cookie.key}={cookie.value}", "Origin": origin}
    url = origin.replace("http", "ws") + "/ws?width=80&height=24"
    with connect(url, additional_headers=headers, proxy=None, max_size=None, close_timeout=1) as connection:
        yield RawPage(connection)


def sessions(env: dict[str, str]) -> list[dict[str, Any]]:
    return list(json.loads(run_command("sessions", "list", "--json", env=env).stdout))


def test_a_page_that_is_closed_leaves_its_session_and_no_process_even_while_it_is_flooded(env: dict[str, str]) -> None:
    with served(env) as link, raw_page(link) as page:
        page.open_shell(env)
        page.type("yes flood\r")
        page.shows(b"flood")
        # Nothing is read any more, so that the console has much to paint when its page goes.
        page.socket.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: not consoles(env["OMNYSHELL_HOME"]))
        (session,) = sessions(env)
        assert session["state"] == "detached"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_console_is_left_of_a_server_that_ends(env: dict[str, str], number: signal.Signals) -> None:
    with ExitStack() as stack, served(env, ended_by=number) as link:
        stack.enter_context(raw_page(link)).open_shell(env)
    (session,) = sessions(env)
    assert session["state"] == "detached"


def test_without_a_hub_it_says_what_to_do(tmp_path: Path) -> None:
    env = {**os.environ, "OMNYSHELL_HOME": str(tmp_path)}
    done = subprocess.run(
        [BIN / "omnyshell-console", "--web"], env=env, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 1
    assert "omnyshell up" in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Browser:
    """Headless Chromium, over WebDriver."""

    def __init__(self, port: str) -> None:
        self._base = f"http://127.0.0.1:{port}"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._base += "/session/" + self.ask("POST", "/session", wanted)["sessionId"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=DEADLINE) as response:
            return json.load(response)["value"]

    def run(self, script: str) -> Any:
        return self.ask("POST", "/execute/sync", {"script": f"return {script}", "args": []})

    def type(self, text: str) -> None:
        """Press keys, which go to what has the keyboard by itself: nothing is clicked."""
        presses = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": presses}]})

    def is_drawn(self) -> bool:
        return len(base64.b64decode(self.ask("GET", "/screenshot"))) > 20_000


@contextmanager
def browser() -> Iterator[Browser]:
    assert DRIVER is not None
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert driver.stdout is not None
        port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        page = Browser(port)
        yield page
        page.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.communicate(timeout=DEADLINE)


@pytest.mark.skipif(DRIVER is None, reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)")
def test_a_shell_in_a_browser(env: dict[str, str], tmp_path: Path) -> None:
    with served(env) as link:
        with browser() as page:
            use_a_shell(env, link, page, tmp_path / "seen")
        until(lambda: not consoles(env["OMNYSHELL_HOME"]))


def use_a_shell(env: dict[str, str], link: str, page: Browser, file: Path) -> None:
    page.ask("POST", "/url", {"url": link})
    until(lambda: page.run("document.body.classList.contains('-first-byte')"))
    until(page.is_drawn)
    until(lambda: consoles(env["OMNYSHELL_HOME"]))

    def shell_runs() -> bool:
        page.type("\ue007")
        return bool(sessions(env))

    until(shell_runs)
    until(lambda: (page.type(f"echo seen > {file}\ue007"), file.exists())[1])
    assert file.read_text() == "seen\n"
    origin = link.partition("/enter/")[0]
    fetched = page.run("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert fetched
    assert all(name.startswith((origin, "data:")) for name in fetched), fetched
