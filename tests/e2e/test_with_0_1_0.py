"""Programs of this version with those of version 0.1.0: hub, node and client of either, logging in with keys."""

import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.stack import Certificates
from support.tmux import Terminal
from support.version_0_1_0 import NEW, Person, Site, built_once, until

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

MIXED = [who for who in itertools.product(("old", "new"), repeat=3) if set(who) == {"old", "new"}]
"""Hub, node, client."""


@pytest.fixture(scope="module", name="old")
def _old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


@pytest.fixture(name="site")
def _site(certificates: Certificates, tmp_path: Path, old: Path) -> Site:
    return Site(certificates, tmp_path, old)


@pytest.fixture(name="version")
def _version(old: Path) -> dict[str, Path]:
    return {"old": old, "new": NEW}


def save_login(site: Site, person: Person, *more: str) -> None:
    person.run("login", *site.login(), *more)


def used_before(site: Site, version: dict[str, Path]) -> None:
    """Leave a login of ann and the node's state as version 0.1.0 does, at a hub of its own."""
    ann = site.person("ann", version["old"])
    with site.hub(version["old"]):
        save_login(site, ann)
        with site.node(version["old"]):
            pass


@contextmanager
def http_site() -> Iterator[int]:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check_everything(ann: Person, directory: Path) -> None:
    """What people do with a node."""
    assert "ann" in ann.run("whoami")
    assert "n1" in ann.run("nodes", "list")
    done = ann.try_("exec", "n1", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    check_sessions(ann, directory)
    check_tunnels(ann)


def check_sessions(ann: Person, directory: Path) -> None:
    terminal = Terminal(directory, {name: ann.env[name] for name in ("PATH", "OMNYSHELL_HOME", "SHELL")})
    try:
        terminal.type("clear; omnyshell connect n1", "Enter")
        terminal.prompts()
        terminal.type("PS1='remote> '; echo in=$((6*7))", "Enter")
        terminal.shows("in=42")
        terminal.type("Enter", "~&" if ann.version == NEW else "~d")
        terminal.shows("detached; `omnyshell sessions resume n1")
        (info,) = ann.json("sessions", "list", "n1")
        assert info["state"] == "detached"
        terminal.type(f"clear; omnyshell sessions resume n1 {info['shortId']}", "Enter")
        terminal.shows("in=42")
        terminal.type("exit", "Enter")
        terminal.shows("\nlocal>")
        until(lambda: ann.json("sessions", "list", "n1") == [])
    finally:
        terminal.close()


def check_tunnels(ann: Person) -> None:
    with http_site() as target:
        opened = ann.run("tunnel", "open", "n1", str(target))
        port = int(opened.split()[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.0 200")
        ann.run("tunnel", "close", opened.split()[1])


@pytest.mark.parametrize(("hub", "node", "client"), MIXED)
def test_each_with_each(site: Site, version: dict[str, Path], hub: str, node: str, client: str) -> None:
    if hub == "old":
        # To a hub that cannot bind logins the new ones go by what they had before.
        used_before(site, version)
    ann = site.person("ann", version[client])
    with site.hub(version[hub]):
        if hub == "new":
            save_login(site, ann)
        with site.node(version[node]):
            check_everything(ann, site.directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sessions are asked for")
def test_a_node_of_roots_that_0_1_0_has_left_goes_on_and_warns(site: Site, version: dict[str, Path]) -> None:
    used_before(site, version)
    ann, box = site.person("ann", NEW), site.person("box", NEW)
    with site.hub(NEW):
        save_login(site, ann)
        for more, warns in (
            (["--log-level", "warning"], True),
            (["--run-as-node-user", "--log-level", "warning"], False),
        ):
            with box.running(*site.node_words(*more)) as node:
                site.until_registered("n1")
                assert ann.run("exec", "n1", "id -u") == "0\n"
                node.terminate()
                said = node.communicate(timeout=DEADLINE)[1]
            assert ("as with version 0.1, since nothing says whose they are" in said) == warns
        # It has said so once: without that it is as any other.
        with box.running(*site.node_words()):
            site.until_registered("n1")
            refused = ann.try_("exec", "n1", "id -u")
        assert (refused.returncode, refused.stdout) == (255, "")
        assert "run-as-node-user = true" in refused.stderr


def test_what_is_new_signs_for_an_older_hub_where_its_user_says_so(site: Site, version: dict[str, Path]) -> None:
    ann, box = site.person("ann", NEW), site.person("box", NEW)
    with site.hub(version["old"]):
        for refused in (ann.try_("login", *site.login()), box.try_(*site.node_words())):
            assert refused.returncode == 255
            assert "Nothing was signed" in refused.stderr
            assert "--allow-unbound" in refused.stderr
        assert "Nothing was signed" in ann.try_("nodes", "list", *site.login()).stderr
        assert "n1" not in ann.run("nodes", "list", "--allow-unbound", *site.login())
        save_login(site, ann, "--allow-unbound")
        with site.node(NEW, "--allow-unbound"):
            check_everything(ann, site.directory)
        # It was said for this hub, and the node's state is no older for it.
        assert "Nothing was signed" in box.try_(*site.node_words()).stderr
    with site.hub(NEW):
        assert "ann" in ann.run("whoami")
    with site.hub(version["old"]):
        for words in (["whoami"], ["whoami", "--allow-unbound"]):
            refused = ann.try_(*words)
            assert "took bound logins before" in refused.stderr
            assert str(ann.home / "config" / "bound-hubs") in refused.stderr
        (ann.home / "config" / "bound-hubs").unlink()
        assert "ann" in ann.run("whoami")


def test_a_site_is_brought_up_to_date_in_any_order(site: Site, version: dict[str, Path]) -> None:
    used_before(site, version)
    old_ann, ann = (site.person("ann", version[which]) for which in ("old", "new"))
    with site.hub(NEW):
        with site.node(version["old"]):
            assert old_ann.run("exec", "n1", "echo all but the hub") == "all but the hub\n"
            assert ann.run("exec", "n1", "echo ann too") == "ann too\n"
        # Her key has been used by the new version: what others make of it in the old way is worth nothing.
        assert "uthentication failed" in old_ann.try_("whoami").stderr
        with site.node(NEW):
            assert ann.run("exec", "n1", "echo all") == "all\n"
    # The hub remembers that, and does what its operator says.
    with site.hub(NEW):
        assert "uthentication failed" in old_ann.try_("whoami").stderr
    with site.hub(NEW, "--allow-unbound-keys", "ann"):
        assert "ann" in old_ann.run("whoami")
        assert "ann" in ann.run("whoami")


@pytest.mark.parametrize(("hub", "joiner"), [("old", "new"), ("new", "old")])
def test_an_invite_of_either_is_good_for_the_other(site: Site, version: dict[str, Path], hub: str, joiner: str) -> None:
    ann = site.person("ann", version[hub])
    allow = ["--allow-unbound"] if joiner == "new" else []
    as_root = ["--run-as-node-user"] if joiner == "new" else []
    with site.hub(version[hub]):
        save_login(site, ann)
        invite = ann.json("nodes", "invite", "--id", "n2")
        joining = ["--token", invite["token"], "--ca-fingerprint", invite["caFingerprint"]]
        machine = site.person("machine", version[joiner])
        machine.run("node", "join", site.url, *joining, "--no-start", *allow, *as_root)
        settings = machine.home / "config" / "nodes" / "n2" / "node.toml"
        assert ("allow-unbound = true" in settings.read_text()) == (joiner == "new")
        with machine.running("node", "start", "--config", str(settings), "--log-level", "error"):
            site.until_registered("n2")
            assert ann.run("exec", "n2", "echo joined") == "joined\n"
        invite = ann.json("users", "invite", "eve", "--role", "admin")
        joining = ["--token", invite["token"], "--ca-fingerprint", invite["caFingerprint"]]
        eve = site.person("eve", version[joiner])
        eve.run("login", "--join", site.url, *joining, *allow)
        assert "eve" in eve.run("whoami")


def test_what_joined_an_older_hub_without_a_word_says_what_is_missing(site: Site, version: dict[str, Path]) -> None:
    ann, eve = site.person("ann", version["old"]), site.person("eve", NEW)
    with site.hub(version["old"]):
        save_login(site, ann)
        invite = ann.json("users", "invite", "eve", "--role", "admin")
        joining = ["--token", invite["token"], "--ca-fingerprint", invite["caFingerprint"]]
        joined = eve.try_("login", "--join", site.url, *joining)
        assert joined.returncode == 0
        assert "--allow-unbound" in joined.stderr
        assert "Nothing was signed" in eve.try_("whoami").stderr
        assert "eve" in eve.run("whoami", "--allow-unbound")


def test_the_old_program_is_the_old_one(old: Path, tmp_path: Path) -> None:
    helped = subprocess.run([old / "omnyshell", "exec", "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert helped.returncode == 0
    assert "--allow-unbound" not in helped.stdout
    assert "--allow-unbound" in Person(tmp_path, NEW).run("exec", "--help")
