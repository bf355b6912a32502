"""Grants with the installed program: what they allow, how it is explained, and a reload."""

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.stack import Certificates

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))

SETTINGS = """
host = "127.0.0.1"
port = 0
cert = "{0.cert}"
key = "{0.key}"
grant-token = ["admin:admin-token:admin", "box:box-token:node", "wes:wes-token:web", "eve:eve-token"]
log-level = "info"
"""
OWN = pwd.getpwuid(os.geteuid()).pw_name
GRANTS = f"""
[[grants]]
roles = ["web"]
nodes = ["web-*"]
rights = ["exec"]
logins = ["{OWN}", "~other"]
"""


class System:
    """A hub with a file of settings, and a node that names no role, as processes of their own."""

    def __init__(self, certificates: Certificates, home: Path) -> None:
        self.settings = home / "hub.toml"
        self.settings.write_text(SETTINGS.format(certificates) + GRANTS)
        self.env = {**os.environ, "OMNYSHELL_HOME": str(home), "OMNYSHELL_CA": str(certificates.ca)}
        self.hub = self.start("hub", "start", "--config", str(self.settings))
        assert self.hub.stdout is not None
        self.env["OMNYSHELL_HUB"] = self.hub.stdout.readline().split()[-1]
        self.node = self.start("node", "start", "--run-as-node-user", "--no-keeper", "--id", "web-1", who="box")
        self.heard(self.node, "is registered")

    def start(self, *words: str, who: str = "") -> "subprocess.Popen[str]":
        env = self.env | {"OMNYSHELL_PRINCIPAL": who, "OMNYSHELL_TOKEN": f"{who}-token"}
        pipe = subprocess.PIPE
        return start_command(*words, stdout=pipe, stderr=pipe, text=True, env=env)

    def run(self, who: str, *words: str) -> tuple[int, str]:
        """The exit code of a command, and what it said."""
        done = run_text(*words, env=self.env | {"OMNYSHELL_PRINCIPAL": who, "OMNYSHELL_TOKEN": f"{who}-token"})
        return done.returncode, done.stdout + done.stderr

    @staticmethod
    def heard(process: "subprocess.Popen[str]", words: str) -> None:
        """Read the log up to some words."""
        assert process.stderr is not None
        while words not in (line := process.stderr.readline()):
            assert line, "it has ended"

    def close(self) -> None:
        for process in (self.node, self.hub):
            process.terminate()
        for process in (self.node, self.hub):
            process.communicate(timeout=DEADLINE)


@pytest.fixture
def system(certificates: Certificates, tmp_path: Path) -> Iterator[System]:
    running = System(certificates, tmp_path)
    try:
        yield running
    finally:
        running.close()


def test_grants_are_kept_explained_and_reloaded(system: System) -> None:
    assert system.run("wes", "exec", "web-1", "echo hello") == (0, "hello\n")
    code, text = system.run("wes", "connect", "web-1", "--", "true")
    assert code == 255
    assert "Not authorized to open a shell on 'web-1': it takes the role admin (you have web)" in text
    assert "`omnyshell access web-1`" in text
    code, text = system.run("wes", "sessions", "list", "web-1")
    assert code == 255
    assert "Not authorized to look at sessions on 'web-1': it takes the role admin (you have web); `omnyshell" in text
    code, text = system.run("wes", "access", "@local")
    assert (code, "it is a right of its own, and no grant gives it" in text) == (0, True)
    code, text = system.run("eve", "exec", "web-1", "true")
    assert (code, "omnyshell access" in text) == (255, False)
    assert "ask an administrator" in text
    code, text = system.run("wes", "access", "web-1")
    assert (code, text.splitlines()[0]) == (0, "wes (web) on web-1")
    *lines, of_node, of_users = text.splitlines()[2:]
    assert of_users.startswith("web-1 itself says by its [users] which of these users one becomes")
    assert of_node == "web-1 itself lets nobody forward an agent: its operator allows it with --allow-agent"
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert rows["exec"] == ["yes", f"grant 1 gives it to the role web, as {OWN} or ~other alone"]
    assert rows["shell"] == ["no", "the node has no allow-roles, and no grant gives it; it takes the role admin"]
    assert list(rows) == ["shell", "exec", "ssh", "files", "agent", "watch", "kill", "forward", "expose", "others"]
    of_wes = json.loads(system.run("admin", "access", "--json", "wes", "web-1")[1])
    assert [right["right"] for right in of_wes["rights"] if right["allowed"]] == ["exec"]
    assert [right.get("logins") for right in of_wes["rights"]] == [None, [OWN, "~other"], *[None] * 8]
    assert system.run("wes", "access", "admin", "web-1")[0] == 255
    assert "no nodes are connected" in system.run("eve", "nodes", "list")[1]
    # The grant is gone: so is the command that runs by it, and the node from the list.
    running = system.start("exec", "web-1", "echo started; sleep 100", who="wes")
    assert running.stdout is not None
    assert running.stdout.readline() == "started\n"
    system.settings.write_text(system.settings.read_text().removesuffix(GRANTS))
    system.hub.send_signal(signal.SIGHUP)
    out, err = running.communicate(timeout=DEADLINE)
    assert (running.returncode, "You may not do this on the node any more" in err) == (255, True), out
    assert "no nodes are connected" in system.run("wes", "nodes", "list")[1]
    # A mistake changes nothing.
    system.settings.write_text(system.settings.read_text() + GRANTS.replace("rights", "right"))
    system.hub.send_signal(signal.SIGHUP)
    system.heard(system.hub, "there is no key 'right' in a grant")
    assert system.run("wes", "exec", "web-1", "true")[0] == 255
