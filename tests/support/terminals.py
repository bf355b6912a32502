"""The console with real terminals: a hub, a node and the application in one loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.deadline import DEADLINE
from support.stack import Certificates, access, until
from textual import events
from textual.pilot import Pilot

from omnyshell.services.dial import HubAccess
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.keys import character_of
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane


class KnownHub:
    """A hub that runs already."""

    label = "test"

    def __init__(self, found: HubAccess) -> None:
        self._found = found

    own_node = trouble = ""

    def begin(self) -> None:
        pass

    async def access(self) -> HubAccess:
        return self._found

    def revive(self) -> None:
        pass

    def tend(self) -> str:
        return ""

    def leave(self) -> list[str]:
        return []


@asynccontextmanager
async def console_at(
    certificates: Certificates, port: int, *, size: tuple[int, int] = (80, 24), **settings: Any
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    """The console, connected to a hub; what is live in it is detached at the end."""
    app = ConsoleApp(ConsoleSettings(**settings), KnownHub(access(certificates, port, "admin")))
    async with app.run_test(size=size) as pilot:
        await asyncio.wait_for(app.hub.connected.wait(), DEADLINE)
        yield app, pilot
        await app.terminals.detach_all()
        await app.hub.close()


async def open_terminal(app: ConsoleApp, spec: OpenSpec) -> TerminalPane:
    """Open a session and wait until it is live and on screen."""
    pane = app.terminals.open(spec)
    app.switch_mode("terminals")
    await until(lambda: pane.attachment.phase is not Phase.OPENING)
    assert pane.attachment.phase is Phase.LIVE, pane.attachment.ending
    return pane


async def shell(app: ConsoleApp, node_id: str = "n1") -> TerminalPane:
    """A plain shell with a prompt that is known."""
    pane = await open_terminal(app, OpenSpec(node_id=node_id, command="env PS1='ready> ' sh -i"))
    await shows(pane, "ready>")
    return pane


def text(pane: TerminalPane) -> str:
    """What the terminal shows; each line begins with a line end, and blanks at its end are left out."""
    return "".join(f"\n{line.rstrip()}" for line in pane.emulator.display)


async def shows(pane: TerminalPane, expected: str, *, times: int = 1) -> str:
    """Wait until the terminal shows something; returns the screen."""
    try:
        await until(lambda: text(pane).count(expected) >= times)
    except TimeoutError:
        raise AssertionError(f"{expected!r} is not in{text(pane)}") from None
    return text(pane)


async def type_line(pilot: Pilot[int], line: str) -> None:
    """Type a line and Enter, as the keyboard does."""
    for character in line:
        await pilot.press(character if character != " " else "space")
    await pilot.press("enter")


async def run(pane: TerminalPane, line: str, done: str) -> str:
    """Send a line at once, and wait for what it prints."""
    pane.terminal.paste(line + "\r")
    return await shows(pane, done)


LEADER = "ctrl+right_square_bracket"


def burst(app: ConsoleApp, *keys: str) -> None:
    """Press keys without waiting for any of them."""
    for key in keys:
        app.post_message(events.Key(key, character_of(key)))


def notices(app: ConsoleApp) -> str:
    """What toasts say."""
    return "\n".join(str(notice.message) for notice in app._notifications)


def bottom(app: ConsoleApp) -> str:
    """The prompt's strip, as text."""
    strip = app.terminals._strip
    return strip.render().plain if strip.prompt is not None else ""
