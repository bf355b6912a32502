"""Commands of the command line, run in this process, and what they must never do whatever a peer says."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.declarations import every_message
from support.file_tree import FileTree
from support.hostile import UUID, unprintable
from support.hostile_hub import OUTPUT

from omnyshell import FrameCodec, ProtocolException
from omnyshell.cli.grammar import parsing
from omnyshell.cli.grammar.command import Command, Rest
from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.main import run
from omnyshell.cli.sessions import connect
from omnyshell.paths import bound_hubs_file, known_hubs_file, logins_file
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services import dial, failover
from omnyshell.services.access_options import ACCESS
from omnyshell.services.client import admin, session
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.live import feed
from omnyshell.services.dial import HubAccess

PATIENCE = DEADLINE
SHORTLY = 0.1
"""Seconds to wait for an answer: one that comes, and one that does not or that counts as if it had not."""

ARGUMENTS = {
    "node": "n1", "session": UUID[:8], "port": "80", "ref": "t", "name": "ann", "id": "c1",
    "peer": "p1", "tunnel": "t", "key_text": "k", "who": "ann", "kind": "node",
    "forwards": "--stdio=localhost:80",
}  # fmt: skip
OPTIONS = {"audit list": ["--cluster"], "hub drain": ["--within", "0s", "--wait", "1s"]}
"""What has a command ask a hub that would otherwise look on this machine, or wait for a minute."""

RAW = ("exec", "connect", "run", "sessions resume", "forward")
"""Commands whose output is that of a program, which is passed on as it is."""


def asks_a_hub(command: Command) -> bool:
    """A node is no command that ends; those of ssh need a node that proves its keys (`test_ssh_session.py`), and a copy
    one that speaks SFTP (`integration/files/test_false_nodes.py`)."""
    names = {option.name for option in command.options}
    others = ("node start", "ssh-config", "ssh-proxy", "cp")
    return {option.name for option in ACCESS} <= names and command.name not in others


ASKING = [command for command in COMMANDS if asks_a_hub(command)]
ANYWHERE = [
    command._replace(declared=tuple(option for option in command.options if option.name != "node"))
    for command in ASKING
    if command.name in ("sessions list", "sessions peek")
]
"""Commands with their node left out, which ask for it."""

RUNS = [(command, False) for command in (*ASKING, *ANYWHERE)] + [
    (command, True) for command in ASKING if any(option.name == "--json" for option in command.options)
]
WAITS = (
    (admin, "REQUEST_TIMEOUT"),
    (session, "CLOSE_TIMEOUT"),
    (feed, "ANSWER_TIMEOUT"),
    (feed, "PING_PERIOD"),
    (connect, "RECONNECT_TIMEOUT"),
)
"""Constants of modules that say how long a command waits for its hub."""

RUNS_BY_NAME = {
    f"{command.name}{' --json' * as_json}{' anywhere' * (command in ANYWHERE)}": (command, as_json)
    for command, as_json in RUNS
}
every_command = pytest.mark.parametrize(("command", "as_json"), RUNS, ids=RUNS_BY_NAME)


CODEC = FrameCodec().learn(every_message())


def reads(declared: type[ControlMessage], whole: dict[str, Any]) -> Exception | None:
    """How our peers take a body: what is wrong with it, or nothing."""
    try:
        CODEC.decode_control(json.dumps({"t": declared.TYPE, "c": 1, "d": whole}).encode())
    except ProtocolException as exc:
        return exc
    return None


def keep_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands wait as long as ever again once the test is over.

    What does not depend on a hub's words is made once for all runs: parsers, and what is trusted.
    """
    monkeypatch.setattr(parsing, "build_parser", cache(parsing.build_parser))
    monkeypatch.setattr(dial, "client_context", cache(dial.client_context))
    for config in (ClientConfig, HubAccess):
        monkeypatch.setattr(config.__init__, "__kwdefaults__", dict(config.__init__.__kwdefaults__))
    for module, name in WAITS:
        monkeypatch.setattr(module, name, PATIENCE)
    # The other hub of which this one tells is the same.
    monkeypatch.setattr(failover, "SPREAD", 0.0)


def wait_at_most(seconds: float) -> None:
    """Have everything that commands wait for come within that time, or not at all."""
    times = ("request_timeout", "open_timeout", "reconnect_timeout", "node_timeout")
    for config, shorter in (
        (ClientConfig, dict.fromkeys(times, seconds)),
        (HubAccess, {"connect_timeout": 2 * seconds}),
    ):
        config.__init__.__kwdefaults__ = config.__init__.__kwdefaults__ | shorter
    for module, name in WAITS:
        setattr(module, name, seconds)


class Victim:
    """Runs one command again and again, and looks at what it printed and wrote."""

    def __init__(
        self,
        command: Command,
        capfd: pytest.CaptureFixture[str],
        place: Path,
        *,
        as_json: bool,
        more: tuple[str, ...] = (),
    ) -> None:
        """`more` are options besides those that the command needs."""
        arguments = [ARGUMENTS[option.name] for option in command.options if option.is_argument]
        if command.keeps in (Rest.BEHIND_NODE, Rest.FROM_FIRST_WORD):
            arguments.append("true")
        arguments += [*OPTIONS.get(command.name, ()), *more]
        self._words = [*command.words, *(["--json"] if as_json else []), *arguments]
        self._is_raw = command.name in RAW and not as_json
        self._is_lines = command.name in ("events", "audit list")
        self.as_json = as_json
        # Directories on the way count too. Which hubs have announced the newest proof is remembered.
        own = [bound_hubs_file(), known_hubs_file(), *([logins_file()] if command.name == "login" else [])]
        self._may_write = {path for file in own for path in (file, *file.parents)}
        self._capfd = capfd
        self._before = FileTree.of(place)

    def run(self, what: object = "", *, waits: float = PATIENCE) -> int:
        """Run it, and see that it did no harm; returns its exit code."""
        wait_at_most(waits)
        self._capfd.readouterr()
        code = run(list(self._words))
        printed = self._capfd.readouterr()
        assert "Traceback" not in printed.err, (what, printed.err[-2000:])
        assert unprintable(printed.err) == [], what
        out = printed.out.replace(OUTPUT.decode(), "") if self._is_raw else printed.out
        assert unprintable(out) == [], (what, out[:500])
        if self.as_json and code == 0:
            for text in printed.out.splitlines() if self._is_lines else [printed.out]:
                json.loads(text)
        assert set(self._before.changes()) <= self._may_write, what
        return code
