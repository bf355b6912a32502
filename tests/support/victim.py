"""Commands of the command line, run in this process, and what they must never do whatever a peer says."""

import json
import time
from pathlib import Path

import pytest
from support.file_tree import FileTree
from support.hostile import UUID, unprintable
from support.hostile_hub import OUTPUT

from omnyshell.cli.main import run
from omnyshell.cli.spec import COMMANDS
from omnyshell.cli.spec_base import Command
from omnyshell.paths import bound_hubs_file, logins_file
from omnyshell.services.client.options import ACCESS

WITHIN = 8.0
"""Seconds that a command may take, where it waits at most a second for an answer."""

ARGUMENTS = {
    "node": "n1", "session": UUID[:8], "command": "true", "port": "80", "ref": "t", "name": "ann", "id": "c1",
    "peer": "p1", "tunnel": "t", "key_text": "k", "who": "ann", "kind": "node",
}  # fmt: skip
RAW = ("exec", "connect", "sessions resume")
"""Commands whose output is that of a program, which is passed on as it is."""


def asks_a_hub(command: Command) -> bool:
    """A node is no command that ends."""
    names = {option.name for option in command.options}
    return {option.name for option in ACCESS} <= names and command.name != "node start"


ASKING = [command for command in COMMANDS if asks_a_hub(command)]
RUNS = [(command, False) for command in ASKING] + [
    (command, True) for command in ASKING if any(option.name == "--json" for option in command.options)
]
every_command = pytest.mark.parametrize(
    ("command", "as_json"), RUNS, ids=[f"{command.name}{' --json' * as_json}" for command, as_json in RUNS]
)


class Victim:
    """Runs one command again and again, and looks at what it printed and wrote."""

    def __init__(self, command: Command, capfd: pytest.CaptureFixture[str], place: Path, *, as_json: bool) -> None:
        arguments = [ARGUMENTS[option.name] for option in command.options if option.is_argument]
        self._words = [*command.words, *arguments, *(["--json"] if as_json else [])]
        self._is_raw = command.name in RAW
        self._is_lines = command.name == "events"
        self._as_json = as_json
        # Directories on the way count too. Which hubs have announced the newest proof is remembered.
        own = [bound_hubs_file(), *([logins_file()] if command.name == "login" else [])]
        self._may_write = {path for file in own for path in (file, *file.parents)}
        self._capfd = capfd
        self._before = FileTree.of(place)

    def run(self, what: object = "") -> int:
        """Run it, and see that it did no harm; returns its exit code."""
        self._capfd.readouterr()
        started = time.monotonic()
        code = run(list(self._words))
        assert time.monotonic() - started < WITHIN, what
        printed = self._capfd.readouterr()
        assert "Traceback" not in printed.err, (what, printed.err[-2000:])
        assert unprintable(printed.err) == [], what
        out = printed.out.replace(OUTPUT.decode(), "") if self._is_raw else printed.out
        assert unprintable(out) == [], (what, out[:500])
        if self._as_json and code == 0:
            for text in printed.out.splitlines() if self._is_lines else [printed.out]:
                json.loads(text)
        assert set(self._before.changes()) <= self._may_write, what
        return code
