"""A node's page: what it shows, what its keys do, how it looks."""

from typing import Any

import pytest
from support.console import a_day_at_work, console, delta, node, say, session, vitals
from support.looks import SIZES, in_sizes
from support.overview import caught, settled, text_of, toasts
from support.pictures import check_picture

from omnyshell.errors import AuthorizationException
from omnyshell.model.admin import RightInfo
from omnyshell.model.live import NodePresence, OwnRights
from omnyshell.model.sessions import SessionState
from omnyshell.model.vitals import NodeProcesses, SessionProcess
from omnyshell.services.client.node_sessions import NodeSessionRequests
from omnyshell.tui import messages
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.screens.node import NodeScreen

HOSTILE = "\x1b[31mred\x1b[0m [bold]loud[/] \u202egnol"
MIB = 1024**2


def process(pid: int, parent: int, command: str, number: int = 1, **changes: Any) -> SessionProcess:
    values = {"session_id": session(number).session_id, "user": "ann", "memory": 6 * MIB, "cpu_millis": 400}
    return SessionProcess(**values | {"pid": pid, "parent": parent, "command": command} | changes)


PROCESSES = (
    process(4100, 900, "-bash"),
    process(4188, 4100, "vim deploy.yaml", memory=21 * MIB),
    process(4100 + 1, 4188, "[git] <defunct>"),
    process(4220, 4100, "tail -F /var/log/app.log"),
    process(4300, 900, "-bash", 2, user="bob"),
    process(4311, 4300, "htop", 2, user="bob"),
    process(4500, 900, "bash -l", 6, user="bob"),
    process(4512, 4500, "make -j8", 6, user="bob"),
    process(
        4513, 4512, "cc1 -quiet -I /usr/include/very/long/path/for/headers main.c", 6, user="bob", memory=312 * MIB
    ),
    process(4514, 4512, "cc1 -quiet util.c", 6, user="bob", memory=290 * MIB),
)


class Client:
    """What the page needs of a client."""

    def sessions_of(self, node_id: str) -> NodeSessionRequests:
        return NodeSessionRequests(node_id, lambda *_: pytest.fail("asked"), lambda: pytest.fail("linked"))


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The nodes that were asked for processes; each takes a second of processor time between two answers."""
    found: list[str] = []

    async def answer(requests: NodeSessionRequests) -> NodeProcesses:
        found.append(requests._node_id)
        busy = 900 if len(found) == 1 else 1_800
        told = (*PROCESSES[:-1], process(4514, 4512, "cc1 -quiet util.c", 6, user="bob", cpu_millis=busy))
        return NodeProcesses(told, 0)

    monkeypatch.setattr(NodeSessionRequests, "processes", answer)
    monkeypatch.setattr(HubLink, "client", property(lambda _: Client()))
    return found


def page(app: ConsoleApp) -> NodeScreen:
    assert isinstance(app.screen, NodeScreen)
    return app.screen


async def opened(app: ConsoleApp, pilot: Any, node_id: str = "web-1", **changes: Any) -> NodeScreen:
    """Open a node's page after it has said for a while how busy it is."""
    for load in (20, 35, 180, 420, 610, 350, 90, 42):
        say(app.hub.state, delta(nodes=(node(node_id, sessions=3, vitals=vitals(load), **changes),)))
        app.overview.nodes.sample()
    app.overview.nodes.rows.find(node_id)
    await pilot.press("enter")
    await settled(pilot)
    shown = page(app)
    # The second answer tells how much time each process took in between.
    app.clock.advance(3)
    app.overview._keep_on()
    await shown._ask()
    shown._tick()
    await settled(pilot)
    return shown


async def test_a_nodes_page() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        shown = await opened(app, pilot)
        assert [item.node_id for item in shown.sessions.rows.shown] == ["web-1"] * 3
        assert {item.node_id for item in shown.tunnels.rows.shown} == {"web-1"}
        assert {item.node_id for item in shown.audit.rows.shown} == {"web-1"}
        async for size in in_sizes(pilot, *reversed(SIZES)):
            assert "37%, 12G of 32G" in text_of(app)
            assert "▁▁▂▅▇▄▁▁" in text_of(app)
            await check_picture(app, f"node-{size}")
        await pilot.press("5")
        await settled(pilot)
        assert "├─ vim deploy.yaml" in text_of(app)
        await check_picture(app, "node-processes-80x24")


async def test_enter_twice_opens_a_shell_and_o_at_once_and_esc_leads_back() -> None:
    async with console(a_day_at_work(), toasts=True) as (app, pilot):
        shells = caught(app, messages.OpenShell)
        app.overview.nodes.rows.find("web-1")
        await pilot.press("enter", "enter")
        page(app)
        await pilot.press("o")
        assert [message.node_id for message in shells] == ["web-1"] * 2
        await pilot.press("escape")
        assert app.screen is app.overview
        assert app.overview.nodes.table.has_focus
        await pilot.press("o")
        assert [message.node_id for message in shells] == ["web-1"] * 3
        await pilot.press("enter", "2", "f2")
        assert app.screen is app.overview
        # From a terminal the overview is the overview, and back is the page.
        await pilot.press("enter")
        for message, leads_to_page in ((messages.GoBack(), True), (messages.ShowOverview(), False)):
            app.switch_mode("terminals")
            app.post_message(message)
            await pilot.pause()
            assert isinstance(app.screen, NodeScreen) is leads_to_page
        assert app.screen is app.overview
        app.overview.nodes.rows.find("laptop")
        await pilot.press("o", "enter", "enter")
        await settled(pilot)
        assert len(shells) == 3
        assert "laptop is offline" in toasts(app)


async def test_its_parts_have_the_same_keys_as_the_panels() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        shown = await opened(app, pilot)
        kinds = (messages.AttachSession, messages.KillSessions, messages.CloseTunnels, messages.FanOut, messages.Lock)
        said = caught(app, kinds)
        await pilot.press("x", "L", "tab", "enter", "space", "space", "x", "tab", "x")
        kills = said[3].sessions
        assert [type(message) for message in said] == [kinds[3], kinds[4], kinds[0], kinds[1], kinds[2]]
        assert (said[0].node_ids, said[1].name, len(kills)) == (("web-1",), "web-1", 2)
        await pilot.press("2", "escape")
        assert (shown.sessions.rows.selected, app.screen) == (set(), shown)
        await pilot.press("slash", *"vim", "enter", "escape")
        assert (len(shown.sessions.rows.shown), app.screen) == (3, shown)
        await pilot.press("3", "enter")
        assert shown.has_class("-details")
        assert "localhost:8080" in text_of(app)
        await pilot.press("z", "shift+tab", "shift+tab", "question_mark")
        await settled(pilot)
        assert "A node's page" in text_of(app)
        await pilot.press("escape", "escape")
        assert app.screen is app.overview


async def test_processes_are_trees_that_are_asked_for_while_something_runs(asked: list[str]) -> None:
    async with console(a_day_at_work()) as (app, pilot):
        said = caught(app, messages.AttachSession)
        shown = await opened(app, pilot)
        rows = shown.processes.rows.shown
        assert [row.branch + row.process.command for row in rows][:4] == [
            "-bash", "├─ vim deploy.yaml", "│  └─ [git] <defunct>", "└─ tail -F /var/log/app.log",
        ]  # fmt: skip
        assert [row.cpu for row in rows if row.process.pid == 4514] == [30.0]
        await pilot.press("5", "enter")
        assert said[0].session.session_id == session(1).session_id
        count = len(asked)
        await pilot.press("escape")
        await pilot.press("enter")
        app.screen.dismiss(None)
        app.overview.nodes.rows.find("build-mac")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "No session runs here." in text_of(app)
        assert set(asked[count:]) <= {"web-1"}


async def test_what_is_refused_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_requests: NodeSessionRequests) -> NodeProcesses:
        raise AuthorizationException("Not authorized to look at sessions on 'web-1'")

    monkeypatch.setattr(NodeSessionRequests, "processes", refuse)
    async with console(a_day_at_work()) as (app, pilot):
        await opened(app, pilot)
        assert "Not authorized to look at sessions on 'web-1'" in text_of(app)


async def test_from_an_audit_record_to_its_session_here_or_elsewhere() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        shown = await opened(app, pilot, "db-1")
        await pilot.press("4", "home", "g")
        assert shown.sessions.rows.current.short_id == session(4).short_id
        assert shown.sessions.table.has_focus
        say(app.hub.state, delta(sessions=(session(4, "db-1", gone=True, state=SessionState.CLOSED),)))
        await settled(pilot)
        await pilot.press("4", "home", "g")
        await settled(pilot)
        assert app.screen is app.overview
        assert app.overview.nodes.rows.current.node_id == "db-1"


async def test_a_node_that_leaves_stays_on_its_page_and_what_it_says_is_not_obeyed() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await opened(app, pilot)
        say(app.hub.state, delta(nodes=(node("web-1", state=NodePresence.OFFLINE, display_name=HOSTILE),)))
        await settled(pilot)
        assert "offline" in text_of(app)
        assert "\x1b" not in text_of(app)
        say(app.hub.state, delta(nodes=(node("web-1", gone=True),)))
        await settled(pilot)
        assert "Node web-1" in text_of(app)


async def test_what_ones_rights_do_not_allow_is_dimmed_and_says_why() -> None:
    why = RightInfo(right="shell", allowed=False, why="grant 2 denies it to the role viewer")
    async with console(a_day_at_work()) as (app, pilot):
        say(app.hub.state, delta(own=OwnRights(principal="ann", roles=("viewer",))))
        say(app.hub.state, delta(nodes=(node("web-1", denied=(why,)),)))
        said = caught(app, (messages.OpenShell, messages.AttachSession))
        await opened(app, pilot, denied=(why,))
        for keys in (("enter",), ("o",), ("5", "enter")):
            app.clear_notifications()
            await pilot.press(*keys)
            assert "grant 2 denies it" in toasts(app), keys
        assert said == []
