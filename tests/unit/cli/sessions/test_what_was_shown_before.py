"""What a terminal shows before a session is taken up in it is not painted over, but scrolls out of the screen."""

import sys
from types import SimpleNamespace
from typing import cast

import pytest

from omnyshell import PtySpec, RemoteSession
from omnyshell.cli.sessions.connect import _room_above
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint


def opened(*, alt_screen: bool) -> RemoteSession:
    answer = SimpleNamespace(alt_screen=alt_screen)
    return cast("RemoteSession", SimpleNamespace(opened=SimpleNamespace(result=lambda: answer)))


@pytest.mark.parametrize("before", [1, 3, 6, 20])
@pytest.mark.parametrize("program", [b"remote> ", b"\x1b[?1049hprogram"])
def test_it_is_there_still(before: int, program: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    session = Emulator(30, 6)
    session.feed(program)
    terminal = Emulator(30, 6, scrollback=100)
    terminal.feed(b"".join(b"before %d\r\n" % number for number in range(before)))
    room = _room_above(opened(alt_screen=session.on_alternate_screen), PtySpec(cols=30, rows=6))
    terminal.feed(room + paint(session))
    rows = [*terminal.scrollback, *terminal.main_rows]
    assert [text for row in rows if (text := "".join(row.cells).rstrip()).startswith("before")] == [
        f"before {number}" for number in range(before)
    ]


def test_what_is_no_terminal_gets_the_session_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert _room_above(opened(alt_screen=False), PtySpec()) == b""
