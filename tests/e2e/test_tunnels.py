"""Tunnels with the installed program."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.ports import free_range
from support.registered import until_registered
from support.stack import Certificates

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))


class System:
    """A hub and a node as processes of their own, and the environment that reaches them."""

    def __init__(self, certificates: Certificates, home: Path) -> None:
        grants = home / "grants"
        grants.write_text("admin:admin-token:admin\nbox:box-token:node\ndev:dev-token:developer\n")
        self.ports = free_range()
        self.env = {**os.environ, "OMNYSHELL_HOME": str(home), "OMNYSHELL_CA": str(certificates.ca)}
        self._hub_words = (
            *("hub", "start", "--host", "127.0.0.1", "--log-level", "error"),
            *("--cert", str(certificates.cert), "--key", str(certificates.key), "--grant-token-file", str(grants)),
            *("--tunnel-port-range", str(self.ports)),
        )
        self.start_hub(0)
        self.env |= {"OMNYSHELL_PRINCIPAL": "box", "OMNYSHELL_TOKEN": "box-token"}
        self.node = self.start(
            "node", "start", "--no-keeper", "--run-as-node-user", "--id", "n1", "--log-level", "error"
        )
        self.env |= {"OMNYSHELL_PRINCIPAL": "admin", "OMNYSHELL_TOKEN": "admin-token"}
        until_registered(certificates, int(self.env["OMNYSHELL_HUB"].rpartition(":")[2]), "n1")

    def start_hub(self, port: int) -> None:
        self.hub = self.start(*self._hub_words, "--port", str(port))
        assert self.hub.stdout is not None
        self.env["OMNYSHELL_HUB"] = self.hub.stdout.readline().split()[-1]

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return start_command(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)

    def run(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return run_text(*words, env=self.env | env)

    def close(self) -> None:
        for process in (self.node, self.hub):
            process.terminate()
        for process in (self.node, self.hub):
            process.communicate(timeout=DEADLINE)


def until(condition) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module", name="system")
def _system(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests that leave it as it was."""
    with closing(System(certificates, tmp_path_factory.mktemp("system"))) as system:
        yield system


@pytest.fixture(name="own_system")
def _own_system(certificates: Certificates, tmp_path: Path) -> Iterator[System]:
    """One to end parts of."""
    with closing(System(certificates, tmp_path)) as system:
        yield system


class Site(BaseHTTPRequestHandler):
    """Answers with the headers it was asked with."""

    def do_GET(self) -> None:
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def site() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def fetch(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while piece := sock.recv(65_536):
            data += piece
    return data


def test_a_tunnel_is_opened_used_listed_and_closed(system: System) -> None:
    with site() as port:
        opened = system.run("tunnel", "open", "n1", str(port), "--http", "--public-port", str(system.ports.first))
        assert opened.returncode == 0, opened.stderr
        where, tunnel_id = opened.stdout.split()
        assert where == f"127.0.0.1:{system.ports.first}"
        assert b"X-OmnyShell-Node: n1" in fetch(system.ports.first)
        plain = system.run("tunnel", "open", "n1", str(port)).stdout.split()[0]
        assert b"X-OmnyShell" not in fetch(int(plain.rpartition(":")[2]))
    shown = system.run("tunnel", "list").stdout
    assert tunnel_id[:8] in shown
    assert tunnel_id not in shown
    listed = json.loads(system.run("tunnel", "list", "--json").stdout)
    assert [info["publicPort"] for info in listed] == [system.ports.first, system.ports.first + 1]
    assert listed[0]["tunnelId"] == tunnel_id
    assert system.run("tunnel", "close", tunnel_id[:8]).returncode == 0
    with pytest.raises(ConnectionError):
        fetch(system.ports.first)
    assert "[not_found]" in system.run("tunnel", "close", tunnel_id[:8]).stderr


def test_a_tunnel_to_this_machine_stays_until_ctrl_c(own_system: System) -> None:
    with site() as port:
        tunnel = own_system.start("tunnel", "open", "--local", str(port))
        assert tunnel.stdout is not None
        public = int(tunnel.stdout.readline().split()[0].rpartition(":")[2])
        assert b"200 OK" in fetch(public)
        tunnel.send_signal(signal.SIGINT)
        _, said = tunnel.communicate(timeout=DEADLINE)
        assert (tunnel.returncode, said) == (0, "")
        with pytest.raises(ConnectionError):
            fetch(public)
        tunnel = own_system.start("tunnel", "open", "--local", str(port))
        assert tunnel.stdout is not None
        tunnel.stdout.readline()
        own_system.hub.terminate()
        _, said = tunnel.communicate(timeout=DEADLINE)
        assert tunnel.returncode == 255
        assert "the tunnel has ended" in said


def test_tunnels_come_back_after_the_hub_was_killed(own_system: System) -> None:
    """It takes the seconds until the node and the command dial again."""
    with site() as port:
        kept = own_system.run("tunnel", "open", "n1", str(port), "--persist").stdout.split()
        passing = own_system.run("tunnel", "open", "n1", str(port)).stdout.split()
        mine = own_system.start("tunnel", "open", "--local", str(port), "--persist")
        assert mine.stdout is not None
        (of_mine, _) = mine.stdout.readline().split()
        own_system.hub.kill()
        own_system.hub.communicate(timeout=DEADLINE)
        own_system.start_hub(int(own_system.env["OMNYSHELL_HUB"].rpartition(":")[2]))
        until(lambda: "kept" in own_system.run("tunnel", "list").stdout)
        assert mine.stdout.readline().split()[0] == of_mine
        for place in (kept[0], of_mine):
            assert b"200 OK" in fetch(int(place.rpartition(":")[2]))
        listed = {info["tunnelId"] for info in json.loads(own_system.run("tunnel", "list", "--json").stdout)}
        assert kept[1] in listed
        assert passing[1] not in listed
        mine.send_signal(signal.SIGTERM)
        _, said = mine.communicate(timeout=DEADLINE)
        assert mine.returncode == 0
        assert "opening it again" in said
        assert own_system.run("tunnel", "close", kept[1][:8]).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere", "80"), "[node_offline]"),
        (("n1", "80", "--public-port", "1"), "[port_out_of_range]"),
        (("n1", "0"), "1 to 65535"),
        (("n1",), "NODE PORT"),
        (("n1", "80", "--local", "80"), "either"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(system: System, words: tuple[str, ...], says: str) -> None:
    done = system.run("tunnel", "open", *words)
    assert done.returncode == 255
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_who_may_not(system: System) -> None:
    done = system.run("tunnel", "open", "n1", "80", OMNYSHELL_PRINCIPAL="dev", OMNYSHELL_TOKEN="dev-token")
    assert done.returncode == 255
    assert "[not_authorized]" in done.stderr


def test_what_up_starts_opens_tunnels_on_loopback(local_home: dict[str, str]) -> None:
    def omnyshell(*words: str) -> str:
        done = run_text(*words, env=local_home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with site() as target:
        (node,) = json.loads(omnyshell("nodes", "list", "--json"))
        opened = omnyshell("tunnel", "open", node["nodeId"], str(target))
        where, tunnel_id = opened.split()
        assert b"HTTP/1.0 200" in fetch(int(where.rpartition(":")[2]))
        omnyshell("tunnel", "close", tunnel_id[:8])
