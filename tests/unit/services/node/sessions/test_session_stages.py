"""A node's session in all orders of what its process, its client and its node may do."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from support.session_ends import FakeEnd, FakeProcess

from omnyshell import SessionMode
from omnyshell.clock import SystemClock
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol import messages as m
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.sessions.session import NodeSession
from omnyshell.services.node.sessions.stage import FOLLOWING, Stage
from omnyshell.steps import entered


class World:
    """A command's session, the channels that it had, and what its owner was told."""

    def __init__(self, *, offsets: bool) -> None:
        self.offsets = offsets
        self.told: list[str] = []
        self.process = FakeProcess()
        self.session = NodeSession(
            m.NodeSessionOpen(session_id="s", principal="ann", mode=SessionMode.EXEC),
            keeping=Keeping(),
            clock=SystemClock(),
            follower=None,
            on_end=lambda _: self.told.append("ended"),
            on_confirmed=lambda _: self.told.append("confirmed"),
        )
        self.ends = [FakeEnd(1)]
        self.session.start(cast("Any", self.process), self.end, offsets=offsets)

    @property
    def end(self) -> Any:
        return self.ends[-1]

    @property
    def open_ends(self) -> list[FakeEnd]:
        return [end for end in self.ends if not end.channel.is_closed]

    def hear(self, message: m.ChannelMessage) -> None:
        if not self.end.channel.is_closed:
            self.session.message_received(self.end, message)

    def lose(self) -> None:
        if not self.end.channel.is_closed:
            self.end.channel.is_closed = True
            self.session.channel_lost(self.end)

    def resume(self) -> None:
        self.ends.append(FakeEnd(len(self.ends) + 1))
        request = m.NodeSessionOpen(session_id="r", principal="ann", offsets=self.offsets, output_offset=0)
        self.session.resume(self.end, request)

    def exit(self) -> None:
        if not self.session.has_ended:
            self.session.exited(3, None)

    def check(self) -> None:
        session = self.session
        assert (session.exit is not None) is session.has_ended
        assert self.told.count("ended") == session.has_ended
        if not session.has_ended:
            assert "confirmed" not in self.told
        if session.stage is Stage.ENDING:
            assert self.process.kills
        assert len(self.open_ends) <= 1, "two clients are attached"


EVENTS: dict[str, Callable[[World], object]] = {
    "exit": World.exit,
    "lost": World.lose,
    "resumed": World.resume,
    "killed": lambda it: it.session.kill(),
    "stopped": lambda it: it.session.stop(),
    "let go": lambda it: it.session.let_go(),
    "input": lambda it: it.session.input_received(it.end, b"x"),
    "input ends": lambda it: it.hear(m.ChannelEof()),
    "client lost": lambda it: it.hear(m.ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED)),
    "closed": lambda it: it.hear(m.ChannelClose()),
}


def play(events: tuple[str, ...], *, offsets: bool = True) -> World:
    async def run() -> World:
        it = World(offsets=offsets)
        for event in events:
            EVENTS[event](it)
            it.check()
        it.session.stop()
        it.exit()
        it.session.close()
        it.check()
        assert not it.open_ends
        return it

    return asyncio.run(run())


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=20), st.booleans())
def test_in_any_order_a_session_ends_once_and_leaves_no_client(events: list[str], offsets: bool) -> None:
    play(tuple(events), offsets=offsets)


def test_an_end_and_its_confirmation_are_told_apart() -> None:
    assert play(("exit",)).told == ["ended"]
    assert play(("exit", "closed")).told == ["ended", "confirmed"]
    assert play(("closed", "exit")).told == ["ended"]


def test_whoever_missed_the_end_is_told_it_and_whoever_comes_to_a_killed_session_is_refused() -> None:
    said = play(("lost", "exit", "resumed")).end.channel.said
    assert [type(message) for message in said] == [m.NodeSessionOpened, m.ChannelExit, m.ChannelClose]
    for events in (("killed", "resumed"), ("killed", "exit", "resumed")):
        (rejected,) = play(events).end.channel.said
        assert (type(rejected), rejected.reason) == (m.NodeSessionRejected, "not_found")


def test_only_what_may_follow_a_stage_does_and_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "omnyshell.node")
    allowed = set()
    for before, to in itertools.product(Stage, Stage):
        try:
            entered(to, before, FOLLOWING, "session", logging.getLogger("omnyshell.node"), session_id="s")
        except RuntimeError:
            continue
        allowed.add((before, to))
    assert {to for before, to in allowed if before is Stage.ENDED} == set()
    assert {before for before, to in allowed if to is Stage.RUNNING} == {Stage.STARTING}
    assert {before for before, to in allowed if to is Stage.ENDED} == {Stage.RUNNING, Stage.ENDING}
    assert [record.__dict__["session_id"] for record in caplog.records] == ["s"] * len(allowed)
