"""The node's screen counts columns as the terminal that is attached; another one has what was left where it was."""

from pathlib import Path

import pytest
from support.screen_reader import Screen
from support.stack import Certificates, stack, within

from omnyshell import PtySpec, SessionMode, Widths
from omnyshell.terminal.emulator import Emulator

KITTY, XTERM = PtySpec(term="xterm-kitty", widths=Widths.CLUSTERS), PtySpec(widths=Widths.SEPARATE)
OLD_KITTY, OLD_XTERM = PtySpec(term="xterm-kitty"), PtySpec()
LINE = "a👩\u200d🔬b❤\ufe0fc👍🏽d1\ufe0f\u20e3e"
COLUMNS = {Widths.CLUSTERS: [0, 3, 6, 9, 12], Widths.SEPARATE: [0, 5, 7, 12, 14]}
RAW = b"stty raw -echo; printf '\\033[2J\\033[5Ho''n'; exec cat\n"


def columns_of(painted: bytes, widths: Widths) -> list[int]:
    screen = Emulator(80, 24, widths=widths)
    screen.feed(painted)
    return [at for row in screen.rows for at, cell in enumerate(row.cells) if cell and cell in "abcde"][:5]


@pytest.mark.parametrize(
    ("first", "answers", "second", "written", "shown"),
    [
        (KITTY, b"", XTERM, Widths.CLUSTERS, Widths.SEPARATE),
        (XTERM, b"", KITTY, Widths.SEPARATE, Widths.CLUSTERS),
        (OLD_KITTY, b"", OLD_XTERM, Widths.CLUSTERS, Widths.SEPARATE),
        (OLD_XTERM, b"", OLD_KITTY, Widths.SEPARATE, Widths.CLUSTERS),
        (OLD_XTERM, b"\x1bP>|kitty(0.36.4)\x1b\\", OLD_XTERM, Widths.CLUSTERS, Widths.SEPARATE),
    ],
)
async def test_columns_are_those_of_the_terminal_that_was_left(
    certificates: Certificates,
    tmp_path: Path,
    first: PtySpec,
    answers: bytes,
    second: PtySpec,
    written: Widths,
    shown: Widths,
) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_session("n1", mode=SessionMode.SHELL, pty=first, env={"SHELL": "/bin/sh"}))
        screen = Screen(session)
        await session.write(RAW)
        await screen.shows(b"on")
        await session.write(answers + b"\x1b[H" + LINE.encode() + b"\x1b[9H.")
        await screen.shows(b"\x1b[9H.")
        await within(session.detach())
        again = await within(client.resume("n1", session.id, pty=second))
        resumed = Screen(again)
        await again.write(b"\x1b[3H" + LINE.encode() + b"=END=")
        painted, _, live = (await resumed.shows(b"=END=")).rpartition(b"\x1b[3H")
        assert columns_of(painted, shown) == COLUMNS[written]
        await within(again.detach())
        once_more = await within(client.resume("n1", session.id, pty=first))
        looking = Screen(once_more)
        await once_more.write(b"=SEEN=")
        repainted = await looking.shows(b"=SEEN=")
        both = Emulator(80, 24, widths=written)
        both.feed(repainted)
        assert columns_of(repainted, written) == COLUMNS[written]
        assert [at for at, cell in enumerate(both.rows[2].cells) if cell and cell in "abcde"] == COLUMNS[shown]
        assert live == LINE.encode()
        once_more.close()
