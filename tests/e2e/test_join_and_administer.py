"""An operator, a new machine and a new person, each with an environment of their own and pasted lines alone."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.in_one_test import in_one_test
from support.stack import Certificates

from omnyshell.services.node.keeper.asking import end_keeper

PATH = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))


@dataclass
class Person:
    """Someone with a home directory of their own."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNYSHELL_")}
        return {**kept, "OMNYSHELL_HOME": str(self.home), "OMNYSHELL_NO_PROMPT": "1"}

    def run(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return run_text(*words, env=self.env | env)

    def paste(self, line: str, *more: str) -> "subprocess.CompletedProcess[str]":
        """Run a line in a shell, as whoever pastes it does."""
        return subprocess.run(
            shlex.join(["exec", "sh", "-c", f"{line} {shlex.join(more)}"]),
            shell=True, capture_output=True, text=True, timeout=DEADLINE, check=False, env=self.env | PATH,
        )  # fmt: skip

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return start_command(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)

    def start_line(self, line: str) -> "subprocess.Popen[str]":
        """Go on in a shell with a line, which is then the process itself."""
        assignment, _, command = line.partition(" ")
        return subprocess.Popen(
            f"export {assignment}; exec {command}",
            shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env | PATH,
        )  # fmt: skip


@dataclass
class Site:
    """A hub, its operator, and where its state is."""

    hub: "subprocess.Popen[str]"
    operator: Person
    state: Path
    tmp: Path

    def person(self, name: str) -> Person:
        return Person(self.tmp / name)


@pytest.fixture
def site(certificates: Certificates, tmp_path: Path) -> Iterator[Site]:
    operator = Person(tmp_path / "operator")
    operator.home.mkdir()
    state = tmp_path / "hub"
    grants = tmp_path / "grants"
    grants.write_text("root:root-token:admin\n")
    (tmp_path / "token").write_text("root-token")
    config = tmp_path / "hub.toml"
    config.write_text(
        f'host = "127.0.0.1"\nport = 0\ncert = "{certificates.cert}"\nkey = "{certificates.key}"\n'
        f'grant-token-file = "{grants}"\nstate-dir = "{state}"\n'
    )
    hub = operator.start("hub", "start", "--config", str(config))
    assert hub.stdout is not None
    url = hub.stdout.readline().split()[-1]
    token = str(tmp_path / "token")
    done = operator.run(
        "login", "--hub", url, "--principal", "root", "--token-file", token, "--ca", str(certificates.ca)
    )
    assert done.returncode == 0, done.stderr
    try:
        yield Site(hub, operator, state, tmp_path)
    finally:
        hub.terminate()
        hub.communicate(timeout=DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_invite_is_used_with_its_token_in_any_place(site: Site, tmp_path: Path) -> None:
    for invite, more in (("nodes", ("--no-start",)), ("users", ())):
        for way in ("environment", "file", "option"):
            whom = ("--id", way) if invite == "nodes" else (way,)
            assignment, _, *words = shlex.split(site.operator.run(invite, "invite", *whom).stdout)
            name, _, token = assignment.partition("=")
            assert name == "OMNYSHELL_TOKEN"
            assert token not in words
            guest = site.person(f"{words[0]}-{way}")
            missing = guest.run(*words, *more)
            assert (missing.returncode, "OMNYSHELL_TOKEN" in missing.stderr) == (255, True)
            file = tmp_path / "invite"
            file.write_text(f"{token}\n")
            given = {"file": ("--token-file", str(file)), "option": ("--token", token)}.get(way, ())
            env = {"OMNYSHELL_TOKEN": token} if way == "environment" else {}
            joined = guest.run(*words, *more, *given, **env)
            assert joined.returncode == 0, joined.stderr
            assert not [path for path in guest.home.rglob("*") if path.is_file() and token in path.read_text()]


def test_a_machine_and_a_person_join_with_one_line_each(site: Site) -> None:
    invited = site.operator.run("nodes", "invite", "--id", "db-1", "--label", "allow-roles=developer")
    assert invited.returncode == 0, invited.stderr
    line = invited.stdout.strip()
    assert " omnyshell node join wss://127.0.0.1:" in line
    assert " --ca-fingerprint sha256:" in line
    machine = site.person("machine")
    wrong = machine.paste(line, "--id", "db-2", "--no-start")
    assert wrong.returncode == 255
    assert "for the node id 'db-1', not 'db-2'" in wrong.stderr
    assert list((machine.home / "config" / "nodes").iterdir()) == []
    node = machine.start_line(f"{line} --run-as-node-user")
    try:
        assert node.stdout is not None
        assert "as node db-1" in node.stdout.readline()
        assert "its key, which clients of ssh pin: SHA256:" in node.stdout.readline()
        until(lambda: "db-1" in site.operator.run("nodes", "list").stdout)
        settings = machine.home / "config" / "nodes" / "db-1"
        for file in ("node.toml", "key.pem", "ca.pem"):
            assert (settings / file).stat().st_mode & 0o777 == 0o600
        again = site.person("other").paste(line)
        assert again.returncode == 255
        assert "was used on" in again.stderr

        invited = site.operator.run("users", "invite", "ann", "--role", "developer", "--display-name", "Ann")
        ann = site.person("ann")
        joined = ann.paste(invited.stdout.strip())
        assert joined.returncode == 0, joined.stderr
        assert "as ann (roles: developer)" in joined.stdout
        assert ann.run("exec", "db-1", "echo hello").stdout == "hello\n"
        listed = json.loads(site.operator.run("users", "list", "--json").stdout)
        listed = [one for one in listed if one.get("source") != "configuration"]
        assert [(one["principal"], one["roles"]) for one in listed] == [("ann", ["developer"]), ("node:db-1", ["node"])]

        busy = ann.start("exec", "db-1", "echo started; sleep 600")
        assert busy.stdout is not None
        assert busy.stdout.readline() == "started\n"
        assert site.operator.run("users", "revoke", "ann").returncode == 0
        assert busy.wait(timeout=DEADLINE) == 255
        busy.communicate(timeout=DEADLINE)
        refused = ann.run("whoami")
        assert refused.returncode == 255
        assert "Authentication failed" in refused.stderr
        # The node of a revoked principal ends, as with any refused credential.
        assert site.operator.run("users", "revoke", "node:db-1").returncode == 0
        assert node.wait(timeout=DEADLINE) == 1
    finally:
        node.kill()
        node.communicate(timeout=DEADLINE)
        end_keeper(machine.home / "state/nodes/db-1")


@in_one_test(
    "change, words",
    [
        (lambda line: line.replace("sha256:", "sha256:0000")[:-4], "shows no certificate with this fingerprint"),
        (lambda line: line.replace("TOKEN=", "TOKEN=x"), "does not know this token"),
        (lambda line: line.split(" --ca-fingerprint")[0] + " --ca-fingerprint md5:1", "64 hexadecimal digits"),
        (lambda line: line.replace("wss://127.0.0.1", "wss://localhost"), ""),
    ],
)
def test_a_line_that_is_wrong_says_what_is_wrong(site: Site, change: Callable[[str], str], words: str) -> None:
    line = site.operator.run("nodes", "invite").stdout.strip()
    machine = site.person(f"machine-{words}")
    done = machine.paste(change(line), "--id", "n1", "--no-start")
    assert done.returncode == (255 if words else 0)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    # What helps with a login does not help with an invite.
    assert "--principal" not in done.stderr


def test_what_is_granted_may_end(site: Site) -> None:
    operator = site.operator
    added = operator.run("users", "add", "bob", "--role", "developer")
    assert " until " not in added.stdout
    given = operator.run("users", "roles", "bob", "--role", "ops", "--ttl", "8h")
    assert given.stdout.startswith("bob also has the roles ops until 2"), given.stderr
    key = "oJ0OquEPpRFJMRbuSTGxVPQe9dKcIg5DDOjLxtaiLE8"
    added = operator.run("keys", "add", "bob", key, "--ttl", "30d")
    assert added.stdout.startswith("bob may log in with this key until 2"), added.stderr
    added = operator.run("users", "add", "eve", "--role", "ops", "--role", "dba", "--ttl", "1h")
    assert "with the roles ops, dba until 2" in added.stdout
    shown = operator.run("users", "list").stdout
    assert "developer,ops (until 2" in shown
    assert "dba (until 2" in shown
    (bob,) = (one for one in json.loads(operator.run("users", "list", "--json").stdout) if one["principal"] == "bob")
    assert [one["role"] for one in bob["timedRoles"]] == ["ops"]
    assert "expiresAt" in bob["credentials"][0]
    for words in (("users", "add", "x"), ("users", "roles", "bob"), ("keys", "add", "bob", key)):
        wrong = operator.run(*words, "--ttl", "soon")
        assert (wrong.returncode, "--ttl 'soon'" in wrong.stderr) == (255, True)
    invited = operator.run("users", "invite", "ann", "--role", "ops", "--role-ttl", "8h", "--key-ttl", "2d")
    assert site.person("ann").paste(invited.stdout.strip()).returncode == 0
    (ann,) = (one for one in json.loads(operator.run("users", "list", "--json").stdout) if one["principal"] == "ann")
    assert ([one["role"] for one in ann["timedRoles"]], "expiresAt" in ann["credentials"][0]) == (["ops"], True)
    assert operator.run("nodes", "invite", "--key-ttl", "90d").returncode == 0


def test_tokens_audit_and_metrics_from_the_command_line(site: Site) -> None:
    operator = site.operator
    assert operator.run("users", "add", "bob", "--role", "developer").returncode == 0
    made = operator.run("tokens", "add", "bob", "--label", "ci")
    token = made.stdout.strip()
    assert len(token) == 43
    env = {"OMNYSHELL_PRINCIPAL": "bob", "OMNYSHELL_TOKEN": token}
    hub = json.loads(operator.run("whoami", "--json").stdout)["hub"]
    ca = json.loads((operator.home / "config" / "logins.json").read_text())["sessions"][0]["caPath"]
    whoami = run_text("whoami", "--hub", hub, "--ca", ca, env=operator.env | env)
    assert whoami.stdout.startswith("bob (roles: developer)")
    rotated = operator.run("tokens", "rotate", "bob", "--overlap", "10m")
    assert len(rotated.stdout.strip()) == 43
    assert operator.run("users", "revoke", "nobody").returncode == 255
    assert "root" in operator.run("hub", "peers").stdout
    assert operator.run("hub", "info").returncode == 0
    assert operator.run("nodes", "label", "n9", "--label", "env=x").returncode == 0
    assert "env=x" in operator.run("nodes", "known").stdout
    directory = ("--state-dir", str(site.state))
    follow = operator.start("audit", "list", "--follow", "--json", "--action", "principal.*", *directory)
    assert follow.stdout is not None
    assert json.loads(follow.stdout.readline())["detail"] == "bob roles developer"
    assert operator.run("users", "roles", "bob", "--role", "operator").returncode == 0
    assert json.loads(follow.stdout.readline())["detail"] == "bob roles developer -> operator"
    follow.kill()
    follow.communicate(timeout=DEADLINE)
    shown = operator.run("audit", "list", "--since", "1h", "--action", "token.*", "--principal", "root", *directory)
    assert [line.split()[4] for line in shown.stdout.splitlines()] == ["token.add", "token.rotate"]
    exported = operator.run("audit", "export", *directory).stdout
    assert token not in exported
    assert all(json.loads(line)["hash"] for line in exported.splitlines())
    verified = operator.run("audit", "verify", *directory)
    assert (verified.returncode, "whole" in verified.stdout) == (0, True)
    head = json.loads(operator.run("audit", "head", *directory).stdout)
    site.hub.send_signal(signal.SIGKILL)
    site.hub.wait(DEADLINE)
    known = f"{head['seq']}:{head['hash']}"
    verified = operator.run("audit", "verify", "--expect", known, "--public-key", head["publicKey"], *directory)
    assert verified.returncode == 0, verified.stdout
    mistyped = operator.run("audit", "verify", "--public-key", head["publicKey"][:-5], *directory)
    assert (mistyped.returncode, mistyped.stderr) == (
        255,
        "omnyshell: --public-key: that is no Ed25519 key in base64\n",
    )
    import sqlite3

    db = sqlite3.connect(site.state / "audit.sqlite3")
    db.execute("UPDATE records SET record = replace(record, 'root', 'r00t') WHERE seq = 3")
    db.commit()
    db.close()
    verified = operator.run("audit", "verify", *directory)
    assert verified.returncode == 1
    assert "record 3 altered" in verified.stdout
