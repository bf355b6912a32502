"""A session and an emulator, without a hub."""

import asyncio

import pytest
from support.deadline import DEADLINE
from support.scripted import ScriptedSession
from support.stack import until

from omnyshell import PtySpec
from omnyshell.errors import ChannelException, NodeUnavailableException, OmnyShellException
from omnyshell.services.client.states import ExitStatus, LinkState
from omnyshell.terminal import Emulator
from omnyshell.tui.terminal.attachment import MOST_INPUT, Attachment, Phase
from omnyshell.tui.terminal.fair_following import FairFollowing


class Listener:
    def __init__(self) -> None:
        self.refused = self.phases = self.news = 0
        self.attachment: Attachment

    def screen_changed(self, events) -> None:
        self.news += not self.attachment.repaints

    def phase_changed(self) -> None:
        self.phases += 1

    def input_refused(self) -> None:
        self.refused += 1


class Bench:
    """An attachment that runs."""

    def __init__(self, **options: bool) -> None:
        self.session = ScriptedSession()
        self.screen = Emulator(20, 4, scrollback=50, answering=True)
        self.listener = Listener()
        self.attachment = Attachment(self.screen, FairFollowing(), self._open, self.listener, **options)
        self.listener.attachment = self.attachment
        self.task = asyncio.create_task(self.attachment.run())

    async def _open(self, size: PtySpec) -> ScriptedSession:
        await asyncio.sleep(0)
        return self.session

    async def ends(self, said: OmnyShellException | ExitStatus) -> Phase:
        self.session.output.put_nowait(said)
        await asyncio.wait_for(self.task, DEADLINE)
        return self.attachment.phase


async def test_output_is_shown_and_its_credit_returned_only_then():
    bench = Bench()
    bench.session.output.put_nowait(b"hello\r\n" * 3)
    await until(lambda: bench.session.taken > 0)
    assert bench.screen.display[2].rstrip() == "hello"
    assert await bench.ends(ExitStatus(3)) is Phase.EXITED
    assert bench.attachment.ending.status == ExitStatus(3)


@pytest.mark.parametrize(
    ("error", "phase"),
    [
        (ChannelException("taken", code="detached"), Phase.TAKEN),
        (ChannelException("killed", code="client_closed"), Phase.EXITED),
        (NodeUnavailableException("gone"), Phase.FAILED),
    ],
)
async def test_how_sessions_end(error: OmnyShellException, phase: Phase):
    bench = Bench()
    assert await bench.ends(error) is phase
    bench.attachment.type(b"nothing")
    assert bench.session.input == b""


async def test_what_is_typed_early_or_without_credit_goes_out_in_order():
    bench = Bench()
    bench.attachment.type(b"early ")
    bench.session.channel.budget = 0
    await until(lambda: bench.attachment.phase is Phase.LIVE)
    bench.attachment.type(b"waiting ")
    bench.session.channel.budget = 100
    bench.attachment.type(b"last")
    await until(lambda: bench.session.input == b"early waiting last")
    await bench.ends(ExitStatus(0))


async def test_input_that_nobody_reads_is_bounded_and_answers_do_not_pile_up():
    bench = Bench()
    bench.session.channel.budget = 0
    await until(lambda: bench.attachment.phase is Phase.LIVE)
    for _ in range(5):
        bench.attachment.type(b"x" * (MOST_INPUT // 4))
    assert bench.listener.refused == 1
    bench.session.output.put_nowait(b"\x1b[6n" * 1000)
    await until(lambda: bench.session.taken > 0)
    assert bench.session.input == b""
    await bench.ends(ExitStatus(0))


async def test_both_ends_follow_the_size():
    bench = Bench()
    bench.attachment.resize(30, 10)
    await until(lambda: bench.attachment.phase is Phase.LIVE)
    bench.attachment.resize(30, 10)
    bench.attachment.resize(40, 12)
    assert (bench.screen.columns, bench.screen.lines) == (40, 12)
    assert bench.session.sizes == [(30, 10), (40, 12)] or bench.session.sizes == [(40, 12)]
    await bench.ends(ExitStatus(0))


async def test_a_session_that_comes_back_with_its_screen_painted_begins_clean():
    bench = Bench()
    bench.session.output.put_nowait(b"\x1b[?1049h\x1b[31mred \x1b]2;half")
    await until(lambda: bench.session.taken > 0)
    bench.session.on_state(LinkState.RECONNECTING)
    assert bench.attachment.phase is Phase.WAITING
    bench.session.on_state(LinkState.RESET)
    bench.session.output.put_nowait(b"\x1b[H\x1b[2Jpainted")
    await until(lambda: "painted" in bench.screen.display[0])
    assert bench.attachment.phase is Phase.LIVE
    assert not bench.screen.on_alternate_screen
    assert bench.screen.title == ""
    await bench.ends(ExitStatus(0))


async def test_a_command_without_a_terminal_ends_its_lines_with_lf_and_is_not_detached():
    bench = Bench(has_terminal=False)
    bench.session.output.put_nowait(b"one\ntwo")
    await until(lambda: bench.session.taken > 0)
    assert [line.rstrip() for line in bench.screen.display[:2]] == ["one", "two"]
    with pytest.raises(ChannelException):
        await bench.attachment.detach()
    await bench.ends(ExitStatus(0))


async def test_cancelling_leaves_the_session_to_its_node():
    bench = Bench()
    await until(lambda: bench.attachment.phase is Phase.LIVE)
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)
    assert bench.session.has_ended


async def test_two_floods_take_turns():
    turns, benches = FairFollowing(), [Bench(), Bench()]
    for bench in benches:
        bench.attachment._turns = turns
        await until(lambda bench=bench: bench.attachment.phase is Phase.LIVE)
    for bench in benches:
        bench.session.output.put_nowait(b"\x1b[38;2;1;2;3mflood\r\n" * 20_000)
    await until(lambda: all(bench.session.taken for bench in benches))
    for bench in benches:
        await bench.ends(ExitStatus(0))


async def test_the_screen_that_a_resumed_session_had_before_is_no_news() -> None:
    bench = Bench()
    bench.session.history_end = 120
    bench.session.output.put_nowait(b"as it was")
    await until(lambda: "as it was" in bench.screen.display[0])
    assert bench.listener.news == 0
    bench.session.output.put_nowait(b", and more")
    await until(lambda: bench.listener.news > 0)
    assert await bench.ends(ExitStatus(0)) is Phase.EXITED
