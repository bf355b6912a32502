"""When the child is forked that the next program of another user waits for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from omnyshell.keeper import ready as module
from omnyshell.keeper.ready import Ready

PROGRAM: Any = None


class ScriptedPoller:
    """Notes after how many seconds something is to be done, and does it when it is told to."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Any]] = []

    def call_later(self, seconds: float, action: Any) -> None:
        self.due.append((seconds, action))

    def go_on(self) -> float:
        (seconds, action), *self.due = self.due
        action()
        return seconds


class ScriptedSpare:
    pid = 7

    def __init__(self, *_: object) -> None:
        """Forks nothing."""

    def give(self, *_: object) -> int:
        return self.pid

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "Spare", ScriptedSpare)
    return clock


def test_the_next_child_waits_for_an_end_to_be_heard_of_unless_starts_follow_at_once(now: list[float]) -> None:
    poller = ScriptedPoller()
    groups: Any = SimpleNamespace(is_vacant=True, nest=SimpleNamespace(spare=0))
    ready = Ready(cast("Any", poller), groups, cast("Any", None))
    groups.when_vacant()
    assert not poller.due
    assert ready.give(PROGRAM, ()) == 0
    ready.became(b"ann\n\n\n")
    assert poller.go_on() > 0
    for pause, is_at_once in ((1.0, False), (0.001, True), (0.002, True), (1.0, False)):
        now[0] += pause
        assert ready.give(PROGRAM, ()) == ScriptedSpare.pid
        groups.when_vacant()
        assert (poller.go_on() == 0) is is_at_once
        assert groups.nest.spare == ScriptedSpare.pid
