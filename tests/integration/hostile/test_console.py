"""The console on a hub that says what no hub may say: nothing of it is obeyed, hidden, or taken for markup."""

import base64
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.file_tree import FileTree
from support.hostile import HOSTILE_NUMBERS, HOSTILE_TEXTS, HOSTILE_TIMES, INVISIBLE, saturated, unprintable
from support.hostile_hub import ANSWERS, HostileHub
from support.settling import settle, settling
from support.stack import Certificates, until
from textual.pilot import Pilot
from textual.worker import Worker

from omnyshell import HubAccess, HubAddress, PrincipalId, TokenCredentialProvider
from omnyshell.paths import bound_hubs_file
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, admin
from omnyshell.services.client.live.state import Link
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.hub_places import RemoteHub
from omnyshell.tui.keeping.file import layout_file
from omnyshell.tui.settings import ConsoleSettings

pytestmark = pytest.mark.timeout(600)

CONTROLS, MARKUP = HOSTILE_TEXTS[:2]
TAGS = re.findall(r"\[[^]]*\]|[^[]+", MARKUP)
MARKED_CONTROLS = "".join(f"{tag}{CONTROLS[place :: len(TAGS)]}" for place, tag in enumerate(TAGS))
"""Both between each other, so that both are seen where there is room for little."""

WIDE, LONG = HOSTILE_TEXTS[-2], HOSTILE_TEXTS[-1]

VALUES = (
    (MARKED_CONTROLS + LONG, HOSTILE_NUMBERS[-2], HOSTILE_TIMES[1]),
    (WIDE + MARKED_CONTROLS, HOSTILE_NUMBERS[0], HOSTILE_TIMES[2]),
)
"""A text, a number and a time each, said wherever one may stand: a walk takes seconds."""

BACK = ("ctrl+right_square_bracket", "o")
TOUR = (
    *("1", "d", "down", "up", "slash", "n", "escape", "escape", "s", "S", "z", "z"),
    *("c", "@SessionDialog", "escape", "l", "@LabelsDialog", "escape"),
    *("i", "@InviteDialog", "enter", "@LineDialog", "c", "escape", "@OverviewScreen"),
    *("R", "@Question", "enter", "@OverviewScreen", "t", "@TunnelDialog", "8", "0", "enter", "escape"),
    *("1", "x", "@CommandDialog", "t", "enter", "@FanOutScreen", "g", "escape"),
    *("@OverviewScreen", "enter", "@NodeScreen", "enter", "@TerminalsScreen", *BACK, "@OverviewScreen"),
    *("2", "d", "v", "down", "w", "@TerminalsScreen", "escape", *BACK, "@OverviewScreen", "D"),
    *("x", "@Question", "enter", "@OverviewScreen", "enter", "@TerminalsScreen", *BACK, "@OverviewScreen"),
    *("3", "d", "x", "@Question", "enter", "@OverviewScreen", "4", "d", "p", "R", "@Question", "escape", "enter"),
    *(*BACK, "u", "@AccessScreen", "down", "space", "x", "@Question", "enter", "@AccessScreen", "escape"),
    *("H", "@HubsScreen", "down", "escape", "@OverviewScreen"),
    *("f4", "@WallScreen", "right", "x", "@Question", "escape", "escape"),
    *("f2", "ctrl+p", "@CommandPalette", "n", "1", "escape", "f1", "@HelpScreen", "escape"),
)
"""Keys that go through every panel, screen and dialog; behind an @, the screen that they lead to at an honest hub."""


SHORTLY = 0.3
"""Seconds to wait for what a hub that answers as it likes may never lead to."""

KEPT = "\N{ZERO WIDTH JOINER}\ue000\U0010ffff"
"""What a program may print that is not printable by its name, but moves nothing: joiners, symbols of a font."""

PRINTED = (
    "\r\n".join((*HOSTILE_TEXTS[:-1], *(f"to be seen{char}here" for char in INVISIBLE)))
    .translate(str.maketrans("", "", KEPT))
    .encode()
)
"""What a program prints, in the middle of the console."""


class Tour:
    """One walk through the console: where it must arrive, there is nothing hostile to look for."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], *, must_arrive: bool) -> None:
        self._app, self._pilot, self._must_arrive = app, pilot, must_arrive
        self._lasting = set(app.workers)

    async def go(self) -> None:
        for step in TOUR:
            if step.startswith("@"):
                await self._arrive(step[1:])
            else:
                await self._pilot.press(step)
            await self._rest()
            if not self._must_arrive:
                self._look(step)

    async def _rest(self) -> None:
        """Have what was asked for be shown; what a hub never answers is waited for shortly."""
        await settle(self._app)
        with suppress(TimeoutError):
            await until(lambda: all(worker.is_finished for worker in self._begun()), SHORTLY)
        await settle(self._app)
        self._lasting.update(self._app.workers)

    def _begun(self) -> list[Worker[Any]]:
        return [worker for worker in self._app.workers if worker not in self._lasting]

    async def _arrive(self, name: str) -> None:
        """Be where the keys lead; a hub that refuses everything leads elsewhere."""
        with suppress(*() if self._must_arrive else (TimeoutError,)):
            await until(lambda: type(self._app.screen).__name__ == name, DEADLINE if self._must_arrive else SHORTLY)

    def _look(self, step: str) -> None:
        for strip in self._app.screen._compositor.render_strips():
            assert unprintable(strip.text) == [], (step, strip.text)
        assert unprintable(self._app.title + self._app.sub_title) == [], step
        for note in self._app._notifications:
            assert unprintable(f"{note.title}{note.message}") == [], step
            assert "mistake in OmnyShell" not in note.message, step


async def walk(hub: HostileHub, certificates: Certificates, *, must_arrive: bool = False) -> None:
    credentials = TokenCredentialProvider(PrincipalId("ann"), "secret")
    access = HubAccess(address=HubAddress("127.0.0.1", hub.port), credentials=credentials, ca=certificates.ca)
    app = ConsoleApp(ConsoleSettings(), RemoteHub(access))
    app.animation_level = "none"
    with settling(app):
        async with app.run_test(size=(140, 45), notifications=True) as pilot:
            await until(app.hub.connected.is_set)
            await until(lambda: app.hub.state.link is not Link.CONNECTING)
            await Tour(app, pilot, must_arrive=must_arrive).go()


async def test_an_honest_hub_lets_the_tour_see_everything(
    hostile: HostileHub, machine: Path, certificates: Certificates
) -> None:
    await walk(hostile, certificates, must_arrive=True)


@pytest.mark.parametrize(
    ("values", "refuses"),
    [(VALUES[0], False), (VALUES[1], True)],
    ids=("answering", "refusing"),
)
async def test_whatever_a_hub_says_is_shown_without_harm(
    hostile: HostileHub, machine: Path, certificates: Certificates, values: tuple[Any, ...], refuses: bool
) -> None:
    before = FileTree.of(machine)

    def alter(kind: type[ControlMessage], whole: dict[str, Any]) -> dict[str, Any]:
        whole = whole | {"ok": False} if refuses and "ok" in whole else whole
        whole = whole if kind is m.Hello else saturated(kind, whole, *values)
        return whole | {"screen": base64.b64encode(PRINTED).decode()} if "screen" in whole else whole

    hostile.alter, hostile.output = alter, PRINTED
    if refuses:
        hostile.instead = {"session.open": m.SessionRejected, "tunnel.open.request": m.TunnelRejected}
        hostile.instead |= {name: admin.AdminResult for name in ANSWERS if name.startswith("admin.")}
    await walk(hostile, certificates)
    layout = layout_file(hostile.url, "ann")
    own = {path for file in (bound_hubs_file(), layout, layout.with_suffix(".lock")) for path in (file, *file.parents)}
    assert set(before.changes()) <= own
