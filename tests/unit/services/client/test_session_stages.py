"""A session as its client sees it, in all orders of what hub, node and user may do."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ExitStatus, SessionMode
from omnyshell.errors import ChannelException, OmnyShellException, SessionRejectedException, TransportException
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import FOLLOWING, LinkState, Stage
from omnyshell.steps import entered


class FakeChannel:
    """A channel that remembers what was said on it."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.is_closed = False
        self.budget = 1000
        self.said: list[Any] = []
        self.offsets: Any = None
        self.handler: Any = None

    def send_data(self, _opcode: DataOpcode, data: bytes) -> None:
        assert not self.is_closed
        self.said.append(data)

    def typed(self) -> None:
        assert not self.is_closed

    def send(self, message: m.ChannelMessage) -> None:
        assert not self.is_closed
        self.said.append(message)

    send_ahead = send

    def close(self, message: m.ChannelClose | None = None) -> None:
        if message is not None and not self.is_closed:
            self.said.append(message)
        self.end()

    def end(self) -> None:
        self.is_closed = True

    def consumed(self, size: int) -> None:
        """Credit goes back."""


class World:
    """A session, the channels that it had, and what its user was told."""

    def __init__(self, *, offsets: bool, resumes: bool) -> None:
        self.offsets = offsets
        self.channels = [FakeChannel(1)]
        self.is_moving = False
        self.session = RemoteSession(
            "n1", SessionMode.SHELL, channels=cast("Any", self), resumes=lambda _: resumes, moves=self.moves
        )
        self.states: list[LinkState] = []
        self.session.on_state = self.states.append
        self.typed = b""
        self.outcome: object = None

    def open(self, _session: RemoteSession) -> FakeChannel:
        if self.is_moving:
            self.channels.append(FakeChannel(len(self.channels) + 1))
        return self.channel

    def moves(self, _session: RemoteSession, _refused: SessionRejectedException) -> bool:
        self.is_moving = True
        return True

    def ask_again(self) -> None:
        if self.is_moving and not self.session.has_ended:
            self.session.ask_by(cast("Any", self), lambda _: None)
            self.is_moving = False

    @property
    def channel(self) -> FakeChannel:
        return self.channels[-1]

    def hear(self, message: m.ChannelMessage) -> None:
        if not self.channel.is_closed:
            self.session.message_received(message)

    def opened(self) -> m.SessionOpened:
        return m.SessionOpened(session_id="s", pty=True, offsets=self.offsets, output_offset=0, input_offset=0)

    def lose(self) -> None:
        if not self.channel.is_closed:
            self.session.channel_lost(TransportException("lost"))

    def resume(self) -> None:
        if self.session.is_suspended:
            self.channels.append(FakeChannel(len(self.channels) + 1))
            self.session.resumed(cast("Any", self.channel), self.opened())

    def type(self) -> None:
        try:
            self.session.send(b"x")
        except ChannelException:
            assert self.channel.is_closed
            assert not self.session.is_suspended
            assert not self.is_moving or self.session.has_ended
        else:
            self.typed += b"x"

    def check(self) -> None:
        session = self.session
        ended = session._ended
        assert ended.done() is session.has_ended
        assert not (session.has_ended and session.is_suspended)
        if session.has_ended or session.is_suspended:
            assert self.channel.is_closed
            assert not session.is_stuck
        if session.has_ended:
            assert session.opened.done()
            outcome = ended.exception() or ended.result()
            assert self.outcome in (None, outcome), "it ended a second time"
            self.outcome = outcome
            assert session._closing is None
        if self.offsets and not session.has_ended and session.opened.done() and not self.channel.is_closed:
            sent = b"".join(each for each in self.channel.said if isinstance(each, bytes))
            assert sent == self.typed


EXIT = m.ChannelExit(exit_code=3, ts=datetime(2026, 1, 2, tzinfo=UTC))
EVENTS: dict[str, Callable[[World], object]] = {
    "opened": lambda it: it.hear(it.opened()),
    "rejected": lambda it: it.hear(m.SessionRejected(reason="bad_request", message="no")),
    "unreached": lambda it: it.hear(m.SessionRejected(reason="hub_unreachable", message="no")),
    "asked for elsewhere": World.ask_again,
    "output": lambda it: it.channel.is_closed or it.session.data_received(DataOpcode.STDOUT, b"out"),
    "exit": lambda it: it.hear(EXIT),
    "closed": lambda it: it.hear(m.ChannelClose(reason=CloseReason.NORMAL)),
    "node gone": lambda it: it.hear(m.ChannelClose(reason=CloseReason.NODE_CLOSED)),
    "detached": lambda it: it.hear(m.SessionDetached(session_id="s", short_id="s")),
    "lost": World.lose,
    "resumed": World.resume,
    "given up": lambda it: it.session.is_suspended and it.session.give_up(TransportException("late")),
    "typed": World.type,
    "input ends": lambda it: it.session.eof(),
    "left": lambda it: it.session.close(),
}


def play(events: tuple[str, ...], *, offsets: bool = True, resumes: bool = True) -> World:
    async def run() -> World:
        it = World(offsets=offsets, resumes=resumes)
        for event in events:
            EVENTS[event](it)
            it.check()
        it.session.close()
        it.check()
        assert it.session.has_ended
        return it

    return asyncio.run(run())


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=20), st.booleans(), st.booleans())
def test_in_any_order_a_session_ends_once_and_nothing_waits_for_ever(
    events: list[str], offsets: bool, resumes: bool
) -> None:
    play(("opened", *events), offsets=offsets, resumes=resumes)
    play(tuple(events), offsets=offsets, resumes=resumes)


@in_one_test("end", ["closed", "lost", "node gone", "left"])
def test_an_exit_that_is_known_is_the_outcome_however_the_channel_ends(end: str) -> None:
    outcome = play(("opened", "exit", end), offsets=False).outcome
    if end == "left":
        assert isinstance(outcome, ChannelException)
    else:
        assert outcome == ExitStatus(3)


def test_input_and_its_end_are_said_again_where_the_node_has_not_heard_them() -> None:
    it = play(("opened", "typed", "lost", "typed", "input ends", "resumed"))
    assert it.channel.said == [b"x", b"x", m.ChannelEof(), m.ChannelClose(reason=CloseReason.CLIENT_CLOSED)]
    assert it.states == [LinkState.RECONNECTING, LinkState.RESUMED]


def test_input_and_its_end_are_said_to_the_hub_that_is_asked_next() -> None:
    it = play(("typed", "unreached", "typed", "input ends", "asked for elsewhere", "typed", "opened"))
    assert it.channel.said == [b"x", b"x", m.ChannelEof(), b"x", m.ChannelClose(reason=CloseReason.CLIENT_CLOSED)]
    assert not it.states


def test_only_what_may_follow_a_stage_does_and_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    allowed = set()
    with caplog.at_level(logging.DEBUG, "omnyshell.client"):
        for before, to in itertools.product(Stage, Stage):
            try:
                entered(to, before, FOLLOWING, "session", logging.getLogger("omnyshell.client"), session_id="s")
            except RuntimeError as exc:
                assert str(exc) == f"a session cannot be {to.value} after it was {before.value}"  # noqa: PT017
            else:
                allowed.add((before, to))
    assert {before for before, to in allowed if to is Stage.OPENING} == {Stage.MOVING}
    assert all(before is not Stage.ENDED for before, _ in allowed)
    assert {before for before, to in allowed if to is Stage.OPEN} == {Stage.OPENING, Stage.SUSPENDED}
    assert {before for before, to in allowed if to is Stage.ENDED} == set(Stage) - {Stage.ENDED}
    assert [record.__dict__["session_id"] for record in caplog.records] == ["s"] * len(allowed)


def test_whoever_waits_is_told_what_a_session_was_lost_by() -> None:
    outcome = play(("opened", "lost"), resumes=False).outcome
    assert isinstance(outcome, OmnyShellException)
    assert str(outcome) == "lost"
