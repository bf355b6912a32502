"""What `omnyshell node join` does once the node has joined: a service, a start, or the lines for later."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from omnyshell.cli.grammar.parsing import find_command, parse
from omnyshell.cli.node import joined
from omnyshell.errors import ConfigException
from omnyshell.services.join_settings import write_settings

JOIN = ("node", "join", "wss://hub.example", "--ca-fingerprint", "x")


def options_of(*words: str) -> Namespace:
    command, rest = find_command([*JOIN, *words])
    assert command is not None
    return parse(command, rest)


class Machine:
    """What is asked and done on a machine; root's, with a service manager, where somebody answers yes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_root = self.has_manager = self.is_asked = True
        self.answer = "y"
        self.asked: list[str] = []
        self.done: list[str] = []
        monkeypatch.setattr(joined, "_is_root", lambda: self.is_root)
        monkeypatch.setattr(joined, "_has_manager", lambda: self.has_manager)
        monkeypatch.setattr(joined, "is_asked", lambda: self.is_asked)
        monkeypatch.setattr(joined, "ask_line", self._ask)
        monkeypatch.setattr("omnyshell.cli.service.commands.install", lambda given: self._do("install", given))
        monkeypatch.setattr("omnyshell.cli.node.start.start", lambda given: self._do("start", given))

    def _ask(self, question: str) -> str:
        self.asked.append(question)
        return self.answer

    def _do(self, what: str, given: Namespace) -> int:
        self.done.append(f"{what} --user" if getattr(given, "user", False) else what)
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def settings(tmp_path: Path, text: str = "run-as-node-user = true\n") -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'id = "n1"\nhub = "wss://hub.example"\n{text}')
    return path


@pytest.mark.parametrize(
    ("words", "changes", "asked", "done"),
    [
        ((), {}, 1, ["install"]),
        ((), {"is_root": False}, 1, ["install --user"]),
        ((), {"answer": ""}, 1, ["start"]),
        ((), {"is_asked": False}, 0, ["start"]),
        ((), {"has_manager": False}, 0, ["start"]),
        (("--no-service",), {}, 0, ["start"]),
        (("--service",), {"is_asked": False}, 0, ["install"]),
        (("--no-start",), {}, 0, []),
        (("--no-start", "--no-service"), {}, 0, []),
    ],
)
def test_a_service_is_offered_where_there_can_be_one(
    machine: Machine, tmp_path: Path, words: tuple[str, ...], changes: dict[str, Any], asked: int, done: list[str]
) -> None:
    for name, value in changes.items():
        setattr(machine, name, value)
    assert joined.go_on(options_of(*words), settings(tmp_path)) == 0
    assert (len(machine.asked), machine.done) == (asked, done)


def test_the_next_steps_are_printed(machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = settings(tmp_path)
    joined.go_on(options_of("--no-start"), path)
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"start it with: omnyshell node start --config {path}",
        f"have it start with the machine: omnyshell service install node --config {path}",
    ]


def test_root_is_told_what_is_missing_and_offered_no_service_before(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joined.go_on(options_of(), settings(tmp_path, f'state-dir = "{tmp_path}"\n'))
    assert "refuses all sessions" in capsys.readouterr().err
    assert (machine.asked, machine.done) == ([], ["start"])


@pytest.mark.parametrize(
    ("words", "changes", "why"),
    [
        (("--service", "--no-service"), {}, "contradict"),
        (("--service", "--no-start"), {}, "contradict"),
        (("--become", "ann=ann", "--run-as-node-user"), {}, "contradict"),
        (("--become", "ann"), {}, "KEY=VALUE"),
        (("--become", "ann=1:2"), {}, "no user's name"),
        (("--service",), {}, "say whose the sessions are"),
        (("--service", "--run-as-node-user"), {"has_manager": False}, "no systemd"),
    ],
)
def test_what_would_fail_later_is_said_before_the_invite_is_spent(
    machine: Machine, tmp_path: Path, words: tuple[str, ...], changes: dict[str, Any], why: str
) -> None:
    for name, value in changes.items():
        setattr(machine, name, value)
    with pytest.raises(ConfigException, match=why):
        joined.check_before(options_of(*words), tmp_path)


def test_what_is_right_is_not_refused(machine: Machine, tmp_path: Path) -> None:
    for words in ((), ("--service", "--become", "*={principal}"), ("--service", "--run-as-node-user")):
        joined.check_before(options_of(*words), tmp_path)
    machine.is_root = False
    joined.check_before(options_of("--service"), tmp_path)


def test_users_are_written_once_and_never_over_others(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    users = {"ann": ["ann", "deploy"], "role:dba": ["postgres"], "*": ["{principal}"]}
    for _ in range(2):
        write_settings(path, {"id": "n1"}, {}, (), users)
        assert path.read_text().count("[users]") == 1
    assert '"role:dba" = ["postgres"]' in path.read_text()
    before = path.read_text()
    with pytest.raises(ConfigException, match="already"):
        write_settings(path, {"id": "n1"}, {}, (), {"ann": ["bea"]})
    assert path.read_text() == before
