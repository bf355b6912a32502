"""How long keys wait for widgets, without a console."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from textual import events

from omnyshell.tui import key_order
from omnyshell.tui.key_order import KeyOrder


class Pump:
    """A widget that handles what is queued in its turn, unless it is stuck."""

    message_queue_size = 0

    def __init__(self, *, is_stuck: bool = False) -> None:
        self._is_stuck = is_stuck

    def call_later(self, callback: Callable[[], None]) -> bool:
        if not self._is_stuck:
            asyncio.get_running_loop().call_soon(callback)
        return True


class App:
    """With one widget, which is always the next to get keys."""

    def __init__(self, *, is_stuck: bool) -> None:
        self.focused = SimpleNamespace(ancestors_with_self=[Pump(is_stuck=is_stuck), Pump()])
        self.got: list[str] = []
        self.order = KeyOrder(cast("Any", self), self._dispatch, lambda _: False, self._arrive)
        self.seen = asyncio.Event()

    def call_later(self, callback: Callable[[], Any]) -> None:
        self.last = asyncio.ensure_future(callback())

    async def _dispatch(self, event: events.Event) -> None:
        self.got.append(cast("events.Key", event).key)
        if len(self.got) == 2:
            self.seen.set()

    async def _arrive(self) -> bool:
        return False


@pytest.mark.parametrize("is_stuck", [False, True])
async def test_a_key_waits_for_the_one_before_it_but_not_for_a_widget_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch, *, is_stuck: bool
) -> None:
    monkeypatch.setattr(key_order, "LOOK", 0.005)
    app = App(is_stuck=is_stuck)
    await app.order.take(events.Key("a", "a"))
    await app.order.take(events.Key("b", "b"))
    assert app.got == ["a"]
    await app.seen.wait()
    assert app.got == ["a", "b"]
    app.order.close()
