"""The console of somebody with few rights: what is not allowed is dimmed and says why, and nobody is asked."""

from support.arriving import arrive
from support.console import NOW, a_day_at_work, console, delta, node, say, session
from support.looks import in_sizes
from support.overview import settled, text_of
from support.pictures import check_picture
from support.scripted import ScriptedClient
from support.stack import until
from support.terminals import notices
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot

from omnyshell.model.admin import RightInfo
from omnyshell.model.live import OwnRights, Scope
from omnyshell.protocol.messages.events import EventsSnapshot
from omnyshell.tui import messages
from omnyshell.tui.actions.live import other_holder
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.rights import ref_of

ADMIN = RightInfo(right="expose", allowed=False, why="it is a right of its own", needed=("admin",))
NO_OTHERS = RightInfo(right="others", allowed=False, why="it is more than allow-roles gives", needed=("admin",))
NO_SHELL = RightInfo(right="shell", allowed=False, why="grant 2 denies it to the role viewer")
NO_EXEC = RightInfo(right="exec", allowed=False, why="no grant gives it", needed=("dba", "ops"))
NO_WATCH = RightInfo(right="watch", allowed=False, why="no grant gives it", needed=("ops",))
FEW = (NO_SHELL, NO_EXEC, ADMIN, NO_OTHERS)


def few_rights() -> EventsSnapshot:
    """A day at work, as a viewer sees it."""
    told = a_day_at_work()
    nodes = {one.node_id: one for one in told.nodes}
    for name in ("web-1", "web-2", "build-mac"):
        nodes[name].denied = FEW
    nodes["db-1"].denied = (ADMIN, NO_OTHERS, NO_WATCH)
    for one in told.nodes:
        one.principal = one.address = ""
        one.sessions = one.latency_micros = one.last_heard_at = None
    told.scope, told.metrics = Scope.OWN, None
    told.parts = tuple(part for part in told.parts if part != "metrics")
    told.own = OwnRights(principal="ann", roles=("viewer",), denied=(ADMIN,))
    told.nodes = tuple(nodes[name] for name in ("web-1", "web-2", "db-1", "build-mac"))
    told.sessions = tuple(one for one in told.sessions if one.principal == "ann")
    told.tunnels = tuple(one for one in told.tunnels if one.principal == "ann")
    told.records = tuple(one for one in told.records if one.principal == "ann")
    return told


def dimmed(app: ConsoleApp) -> set[str]:
    """The actions whose keys are dimmed."""
    return {bound.binding.action for bound in app.screen.active_bindings.values() if not bound.enabled}


async def presses(pilot: Pilot[int], *keys: str) -> str:
    """Press keys, and return what is told."""
    pilot.app.clear_notifications()
    await pilot.press(*keys)
    return notices(pilot.app)


async def test_what_is_not_allowed_is_dimmed_and_says_why() -> None:
    async with console(few_rights()) as (app, pilot):
        app.hub._client = client = ScriptedClient()
        await until(lambda: dimmed(app) >= {"shell", "command", "fan_out", "invite"})
        async for size in in_sizes(pilot, (80, 24), (120, 40)):
            await check_picture(app, f"overview-few-rights-{size}")
        told = {
            "o": "You may not open or take up shells on build-mac: grant 2 denies it to the role viewer; an admin",
            "x": "You may not run commands on build-mac: it takes the role dba or ops, and you have viewer; an admin",
            "c": "You may not open or take up shells on build-mac: grant 2 denies it",
            "t": "You may not open public ports on build-mac: it takes the role admin, and you have viewer",
            "i": "It takes the role admin, and you have viewer; an admin of this hub can give it.",
            "L": "It takes the role admin",
            "u": "It takes the role admin",
        }
        for key, why in told.items():
            assert why in await presses(pilot, key), key
            assert app.screen is app.overview
        shown = [app.overview.nodes.columns[at].title for at in app.overview.nodes.table.visible_columns]
        assert not {"LATENCY", "HEARD", "ADDRESS"} & set(shown)
        # On the next node it is another matter.
        await pilot.press("down")
        await until(lambda: "open" not in dimmed(app))
        assert "invite" in dimmed(app)
        assert client.asked == 0


async def test_sessions_tunnels_and_the_audit_of_somebody_with_few_rights() -> None:
    others = [session(8, principal="bob"), session(9, "db-1", principal="bob")]
    told = few_rights()
    told.sessions = (*told.sessions, *others)
    async with console(told) as (app, pilot):
        app.hub._client = client = ScriptedClient()
        await pilot.press("2")
        app.overview.sessions.rows.find(others[0].key)
        app.overview.sessions.judge()
        assert "other people's sessions on web-1: it takes the role admin" in await presses(pilot, "w")
        assert "other people's sessions" in await presses(pilot, "x")
        assert "open or take up shells on web-1: grant 2" in await presses(pilot, "enter")
        # What may be ended of all that is selected is, and the rest is left out.
        await pilot.press("a")
        assert "4 of 6 are left out" in await presses(pilot, "D")
        await pilot.press("escape")
        # A preview that may not be shown is not asked for, and can be closed.
        app.overview.sessions.rows.find(told.sessions[0].key)
        app.overview._say()
        await pilot.press("v")
        app.overview.sessions.rows.find(others[1].key)
        app.overview._say()
        await until(lambda: "may not look at sessions on db-1" in str(app.overview.preview._title.content))
        await pilot.press("v")
        assert not app.overview.has_class("-preview")
        assert "may not look" in await presses(pilot, "v")
        await pilot.press("4")
        assert "yours alone" in str(app.overview.audit.border_title)
        assert "It takes the role admin" in await presses(pilot, "R")
        await pilot.press("3")
        assert "open public ports" not in await presses(pilot, "x", "escape")
        assert client.asked <= 1


async def test_rights_that_change_are_followed() -> None:
    async with console(few_rights()) as (app, pilot):
        await until(lambda: "shell" in dimmed(app))
        state = app.hub.state
        state.apply(delta(nodes=(node("build-mac", denied=(NO_OTHERS,)),)))
        await until(lambda: "shell" not in dimmed(app) and "invite" in dimmed(app))
        state.apply(delta(own=OwnRights(principal="ann", roles=("admin",))))
        # The session under the other panel's cursor is on a node where it may not be looked at.
        await until(lambda: dimmed(app) == {"toggle_preview"})
        locked = RightInfo(right="shell", allowed=False, why="the node is locked by root: rebuilt today")
        state.apply(delta(nodes=(node("build-mac", denied=(locked,)),)))
        await until(lambda: dimmed(app) == {"shell", "toggle_preview"})
        assert "the node is locked by root: rebuilt today" in await presses(pilot, "o")


async def test_columns_that_only_admins_are_told_are_for_who_asks_for_them_and_say_why_they_are_empty() -> None:
    async with console(few_rights()) as (app, pilot):
        table = app.overview.nodes.table
        assert "latency" not in table.usual
        await pilot.press("C")
        assert "LATENCY    the hub tells admins alone: round trip" in text_of(app)
        await pilot.press("enter")
        assert not app.settings.own.columns.get("nodes")
        await pilot.press("colon", *"columns node latency", "enter")
        await until(lambda: table.chosen == ["node", "latency"])
        assert "LATENCY: the hub tells admins alone" in notices(app)
        # An admin has them, as long as nothing else is asked for.
        await pilot.press("colon", *"columns all", "enter")
        told = a_day_at_work()
        told.own = OwnRights(principal="ann", roles=("admin",))
        say(app.hub.state, told)
        await until(lambda: "latency" in table.chosen)


async def test_the_palette_dims_what_is_not_allowed_and_says_why() -> None:
    async with console(few_rights(), width=100, height=34) as (app, pilot):
        await pilot.press("ctrl+p")
        found = (await arrive(app, CommandPalette)).query_one(CommandList)
        await until(lambda: found.option_count > 9)
        await pilot.press(*"Shell: web")
        await until(lambda: found.option_count == 2)
        await check_picture(app, "palette-few-rights")
        await pilot.press("down", "enter", "enter")
        await until(lambda: "You may not open or take up shells on web-" in notices(app))
        assert not app.terminals.live_terminals


async def test_panels_say_that_they_are_not_shown() -> None:
    nothing = EventsSnapshot(
        at=NOW,
        subscription_id="s",
        seq=1,
        first=True,
        last=True,
        scope=Scope.OWN,
        parts=("nodes", "sessions", "tunnels", "audit"),
        own=OwnRights(principal="eve", roles=(), denied=(ADMIN,)),
    )
    async with console(nothing) as (app, pilot):
        await settled(pilot)
        panels = (app.overview.nodes, app.overview.tunnels, app.overview.audit)
        opening = "it takes the role admin, and you have none; an admin of this hub can give it."
        texts = [panel.empty_text() for panel in panels]
        assert texts == [
            "There is no node that you may use. An admin of this hub gives rights on nodes.",
            f"No tunnels and no forwards. You may not open public ports anywhere: {opening}",
            "No records of yours yet. Those of others are shown to admins alone.",
        ]


async def test_a_hub_that_tells_no_rights_dims_nothing() -> None:
    told = few_rights()
    told.own = None
    async with console(told) as (app, pilot):
        await settled(pilot)
        assert dimmed(app) == set()
        assert app.overview._refusals == {}


async def test_who_watches_is_shown_to_the_owner() -> None:
    told = few_rights()
    told.own = OwnRights(principal="ann", roles=("dev",))
    async with console(told, width=120, height=40) as (app, pilot):
        mine = told.sessions[0]
        watched = session(1, command="vim deploy.yaml", watched_by=("root",), taken_by="")
        pane = app.terminals.attach("web-1", mine.session_id)
        pane.attachment.session = type("Live", (), {"id": mine.session_id, "detached": None})()
        app.hub.state.apply(delta(sessions=(watched,)))
        await until(lambda: pane.watched_by == ("root",))
        await until(lambda: "root watches your session 00000001 on web-1." in notices(app))
        assert pane.watchers == "◉ root"
        await pilot.press("2", "d")
        app.overview.sessions.rows.find(watched.key)
        app.overview._say()
        await settled(pilot)
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "◉ attached" in shown
        assert "watched by" in shown
        app.hub.state.apply(delta(sessions=(mine,)))
        await until(lambda: pane.watched_by == ())
        other = session(2, principal="bob", watched_by=("root",))
        app.clear_notifications()
        app.hub.state.apply(delta(sessions=(other,)))
        assert "root watches" not in notices(app)
        pane.attachment.session = None


async def test_what_another_person_has_is_taken_over_only_when_that_is_meant() -> None:
    told = a_day_at_work()
    theirs = session(2, principal="bob", command="vim <hosts>")
    told.own = OwnRights(principal="ann", roles=("admin",))
    told.sessions = (session(1, principal="ann"), theirs)
    async with console(told, width=120, height=40) as (app, pilot):
        taken: list[str] = []
        app.terminals.attach = lambda _node, ref, owner: taken.append(f"{owner} {ref[:8]}")
        app.switch_mode = lambda _mode: None
        await pilot.press("2")
        app.overview.sessions.rows.find(theirs.key)
        await pilot.press("enter")
        await arrive(app, Question)
        words = "\n".join(str(part.render()) for part in app.screen.query(".text"))
        assert "vim <hosts> (bob)" in words
        assert "bob has it now, and loses it." in words
        await pilot.press("enter")
        await until(lambda: app.screen is app.overview)
        assert taken == [], "Enter alone takes nothing"
        await pilot.press("enter", "tab", "enter")
        await until(lambda: taken == ["bob 00000002"])
        # One's own is taken up as ever, wherever it is attached, unless an administrator has it.
        left = []
        app.post_message(
            messages.AttachSession(ref_of(told.sessions[0], app.hub.state), then=lambda: left.append("it"))
        )
        await until(lambda: taken[1:] == [" 00000001"])
        assert left == ["it"]
        app.hub.state.apply(delta(sessions=(session(1, principal="ann", taken_by="root"),)))
        assert other_holder(app.hub, SessionRef("web-1", told.sessions[0].session_id)) == "root"
        app.hub.state.apply(delta(sessions=(session(2, principal="bob", taken_by="ann"),)))
        assert other_holder(app.hub, SessionRef("web-1", theirs.session_id, "bob")) == ""
