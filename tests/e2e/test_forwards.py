"""Forwards with the installed program."""

import json
import signal
import socket
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.system import System


class Site(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_words: object) -> None:
        """Keep quiet."""


@pytest.fixture(name="site")
def _site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def fetched(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read().partition(b"\r\n\r\n")[2]


def test_a_port_leads_there_until_a_signal_comes(system: System, site: int) -> None:
    words = ("forward", "n1", f"0:localhost:{site}", "--socks", "0")
    forward = start_command(*words, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert forward.stdout is not None
        lines = [forward.stdout.readline().rstrip("\n") for _ in range(2)]
        place, _, there = lines[0].partition(" -> ")
        assert there == f"localhost:{site} at n1"
        assert lines[1].endswith(" -> socks at n1")
        port = int(place.rpartition(":")[2])
        assert fetched(port, "/a") == b"/a"
        assert " forward " in run_text("hub", "sessions", env=system.env).stdout
        (found,) = json.loads(run_text("forwards", "list", "--json", env=system.env).stdout)
        assert (found["nodeId"], found["connections"]) == ("n1", 0)
        assert found["bytesOut"] > 0
        assert f"localhost:{site}" in run_text("forwards", "list", env=system.env).stdout
    finally:
        forward.send_signal(signal.SIGTERM)
        _, errors = forward.communicate(timeout=DEADLINE)
    assert (forward.returncode, errors) == (0, "")
    with pytest.raises(ConnectionRefusedError):
        fetched(port, "/a")


def test_it_is_closed_from_elsewhere(system: System, site: int) -> None:
    words = ("forward", "n1", f"0:localhost:{site}")
    forward = start_command(*words, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert forward.stdout is not None
        forward.stdout.readline()
        (found,) = json.loads(run_text("forwards", "list", "--json", env=system.env).stdout)
        assert run_text("forwards", "close", "nonsense", env=system.env).stderr.endswith(
            "[not_found]; `omnyshell forwards list` shows yours\n"
        )
        assert run_text("forwards", "close", found["sessionId"][:8], env=system.env).stdout == "closed\n"
        _, errors = forward.communicate(timeout=DEADLINE)
        assert (forward.returncode != 0, "closed from elsewhere" in errors) == (True, True)
        assert run_text("forwards", "list", env=system.env).stdout == "you have no forwards\n"
    finally:
        forward.kill()
        forward.communicate(timeout=DEADLINE)


def test_stdin_and_stdout_are_a_connection(system: System, site: int) -> None:
    words = ("forward", "n1", "--stdio", f"localhost:{site}")
    done = run_text(*words, env=system.env, stdin=b"GET /b HTTP/1.0\r\n\r\n")
    assert (done.returncode, done.stdout.endswith("\r\n\r\n/b"), done.stderr) == (0, True, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stdio", "localhost:1"), "cannot connect to localhost:1: Connection refused [dial_failed]"),
        (
            ("--stdio", "192.0.2.1:80"),
            "192.0.2.1:80 is not among the targets that this node allows [forbidden]; its operator names targets",
        ),
        ((), "say what leads where, as in `omnyshell forward NODE 5432:localhost:5432`, or --socks PORT"),
        (("80",), "'80' is no forward"),
        (("--stdio", "localhost:1", "1:localhost:1"), "--stdio stands alone"),
        (("1:localhost:1", "--socks", "x"), "'x' is no port: ports are 1 to 65535"),
    ],
)
def test_what_cannot_be_had_is_said(system: System, words: tuple[str, ...], said: str) -> None:
    done = run_text("forward", "n1", *words, env=system.env)
    assert done.returncode != 0
    assert done.stderr.startswith(f"omnyshell: {said}")
