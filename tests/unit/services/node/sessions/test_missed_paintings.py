"""What was painted counts in no offset: whoever may have lost it with the connection is painted the screen again."""

import asyncio
from collections.abc import AsyncIterator, Generator
from typing import Any, cast

import pytest
from support.deadline import DEADLINE
from support.session_ends import FakeChannel, FakeEnd, FakeProcess

from omnyshell import SessionMode
from omnyshell.clock import SystemClock
from omnyshell.model.sessions import PtySpec
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.screens.shell_screens import FollowedScreen
from omnyshell.services.node.sessions.session import NodeSession
from omnyshell.terminal.emulator import Emulator

SIZE = PtySpec(cols=20, rows=4)


class Screen(FollowedScreen):
    """A screen whose main one takes long to paint, while the test likes it to."""

    def __init__(self) -> None:
        super().__init__(SIZE.cols, SIZE.rows)
        self.holds = False

    def painting_main(self, *, again: bool = False) -> Generator[None, None, bytes]:
        while self.holds:
            yield
        return (yield from super().painting_main(again=again))


class Process(FakeProcess):
    """A program that notes what is typed."""

    def __init__(self) -> None:
        super().__init__()
        self.typed = b""

    def type_reply(self, data: bytes) -> None:
        self.typed += data


class Channel(FakeChannel):
    """A channel to a client that follows the output on a terminal of its own."""

    def __init__(self, terminal: Emulator) -> None:
        super().__init__(0)
        self.terminal = terminal
        self.size = 0

    def send_data(self, _stream: DataOpcode, data: bytes) -> None:
        super().send_data(_stream, data)
        self.size += len(data)
        self.terminal.feed(data)

    @property
    def counted(self) -> int:
        """Bytes of output that count in the offset."""
        return self.size - sum(said.size for said in self.said if isinstance(said, m.ChannelPaint))


class Shell:
    """A shell whose program is on the alternate screen, taken up by a client with a terminal of its own."""

    def __init__(self) -> None:
        self.screen, self.process = Screen(), Process()
        self.terminal = Emulator(SIZE.cols, SIZE.rows)
        request = m.NodeSessionOpen(session_id="s", principal="ann", mode=SessionMode.SHELL)
        self.session = NodeSession(
            request,
            keeping=Keeping(),
            clock=SystemClock(),
            follower=self.screen,
            on_end=lambda _: None,
            on_confirmed=lambda _: None,
        )
        self.end: Any = FakeEnd(1)
        self.session.start(cast("Any", self.process), self.end, offsets=False)
        self.write(b"$ vi\r\n\x1b[?1049h\x1b[Hvi")
        self.offset: int | None = None

    def write(self, data: bytes) -> None:
        self.session.output(DataOpcode.STDOUT, data)

    async def resume(self, *, repaint: bool = False) -> None:
        self.end = FakeEnd(2)
        self.end.channel = Channel(self.terminal)
        request = m.NodeSessionOpen(session_id="r", principal="ann", pty=SIZE, offsets=True, output_offset=self.offset)
        request.repaint = repaint
        self.session.resume(self.end, request)
        await self.settle()
        opened = self.end.channel.said[0]
        assert opened.reset is (self.offset is None)
        self.offset = opened.output_offset

    async def end_it(self) -> None:
        self.session.exited(0, None)
        await self.settle()
        assert self.session.output_stage.screen is None

    def lose(self) -> None:
        assert self.offset is not None
        self.offset += self.end.channel.counted
        self.end.channel.is_closed = True
        self.session.channel_lost(self.end)

    async def settle(self) -> None:
        done = asyncio.Event()
        self.session.when_seen(lambda *_: done.set())
        async with asyncio.timeout(DEADLINE):
            await done.wait()

    async def shown(self) -> list[str]:
        await self.settle()
        return [line.rstrip() for line in self.terminal.display]


@pytest.fixture
async def shell() -> AsyncIterator[Shell]:
    it = Shell()
    await it.resume()
    yield it
    if not it.session.has_ended:
        it.session.exited(0, None)
    it.session.close()


LEAVES = b"\x1b[?1049l"
LEFT = ["$ vi", "$", "", ""]


async def test_the_main_screen_is_painted_once_the_program_leaves_also_after_the_hub_was_lost(shell: Shell) -> None:
    shell.write(b"m")
    shell.lose()
    await shell.resume()
    assert await shell.shown() == ["vim", "", "", ""]
    shell.write(LEAVES + b"$ ")
    assert await shell.shown() == LEFT


async def test_the_main_screen_is_painted_where_the_program_left_while_nobody_was_there(shell: Shell) -> None:
    shell.lose()
    shell.write(LEAVES + b"$ \x1b[5n")
    await shell.resume()
    assert await shell.shown() == LEFT
    assert shell.process.typed == b"\x1b[0n"


@pytest.mark.parametrize("repaint", [False, True])
async def test_the_last_screen_is_painted_where_program_and_shell_ended_while_nobody_was_there(
    shell: Shell, *, repaint: bool
) -> None:
    shell.lose()
    shell.write(LEAVES + b"\x1b[>1u$ exit\r\n")
    await shell.end_it()
    for _ in range(2):
        await shell.resume(repaint=repaint)
        assert await shell.shown() == ["$ vi", "$ exit", "", ""]
        assert isinstance(shell.end.channel.said[-1], m.ChannelExit)
        shell.lose()
    assert shell.terminal.main_keyboard.stack == [0, 1]


async def test_the_end_is_told_behind_the_main_screen_and_all_output(shell: Shell) -> None:
    shell.screen.holds = True
    shell.write(LEAVES + b"bye")
    shell.session.exited(3, None)
    assert not any(isinstance(said, m.ChannelExit) for said in shell.end.channel.said)
    shell.screen.holds = False
    assert await shell.shown() == ["$ vi", "bye", "", ""]
    assert [said.exit_code for said in shell.end.channel.said if isinstance(said, m.ChannelExit)] == [3]


async def test_nobody_is_painted_a_last_screen_that_he_has(shell: Shell) -> None:
    shell.write(LEAVES)
    await shell.settle()
    shell.write(b"$ ")
    shell.lose()
    shell.write(b"exit\r\n")
    await shell.end_it()
    await shell.resume()
    assert not any(isinstance(said, m.ChannelPaint) for said in shell.end.channel.said)
    assert await shell.shown() == ["$ vi", "$ exit", "", ""]


async def test_what_was_kept_of_a_last_screen_is_given_up_with_the_rest_of_the_output(shell: Shell) -> None:
    shell.lose()
    shell.write(LEAVES)
    await shell.end_it()
    assert shell.session.output_stage.last_for_follower is not None
    shell.session.let_go()
    assert shell.session.output_stage.last_for_follower is None


async def test_a_client_that_is_lost_while_the_main_screen_is_painted_gets_it_later(shell: Shell) -> None:
    shell.screen.holds = True
    shell.write(LEAVES + b"$ \x1b[6n\x1b[5")
    shell.lose()
    assert shell.session.budget() == 0
    shell.screen.holds = False
    await shell.settle()
    shell.write(b"n")
    await shell.resume()
    assert await shell.shown() == LEFT
    # What is asked is answered where it was asked, as nobody else does.
    assert shell.process.typed == b"\x1b[2;3R\x1b[0n"


async def test_what_a_client_has_on_its_main_stack_is_not_pushed_there_once_more(shell: Shell) -> None:
    for repaint in (False, True):
        shell.write(LEAVES + b"\x1b[>1u\x1b[?1049h")
        await shell.settle()
        shell.lose()
        await shell.resume(repaint=repaint)
        await shell.settle()
    shell.write(LEAVES)
    await shell.settle()
    assert shell.terminal.main_keyboard.stack == [0, 1, 1]


@pytest.mark.parametrize(("then", "again"), [(b"", True), (b"m", False)])
async def test_who_has_output_from_behind_the_painting_has_the_painting(
    shell: Shell, then: bytes, *, again: bool
) -> None:
    shell.write(then)
    await shell.settle()
    shell.lose()
    await shell.resume()
    assert any(isinstance(said, m.ChannelPaint) for said in shell.end.channel.said) is again
    assert (await shell.shown())[0] == "vi" + then.decode()
