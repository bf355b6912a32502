"""Starts that are left to the next keeper, or to a later question."""

import os
from typing import Any, cast

from omnyshell.keeper.held import Held
from omnyshell.keeper.poller import Poller
from omnyshell.keeper.starting import Starting
from omnyshell.keeper.wire import PIPES, START, Request


class FakeConnection:
    def __init__(self) -> None:
        self.is_closed = False
        self.sent: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def close(self) -> None:
        self.is_closed = True


def test_what_was_not_answered_is_asked_again_when_there_is_no_other_keeper_after_all() -> None:
    poller, failed, over = Poller(), list[Held](), list[int]()
    starting = Starting(poller, cast("Any", None), failed.append)
    starting.when_over = lambda: over.append(1)
    first, second, third = (FakeConnection() for _ in range(3))
    assert not starting.is_held(cast("Any", first))
    held = Held(b"node", b"s", PIPES, 0, {})
    held.is_reaped, held.pidfd = True, os.pidfd_open(os.getpid())
    poller.watch(held.pidfd, 0, lambda _: None)
    report, telling = os.pipe()
    starting.add(report, cast("Any", first), Request(START, b"1", ()), held)
    starting.hold()
    assert starting.is_held(cast("Any", second))
    starting.give_up()
    assert (len(starting), failed, over, first.sent) == (0, [held], [1], [])
    assert not first.is_closed
    for _ in range(2):
        starting.release()
    assert [each.is_closed for each in (first, second, third)] == [True, True, False]
    assert not starting.is_held(cast("Any", third))
    os.close(telling)
    os.close(held.pidfd)
