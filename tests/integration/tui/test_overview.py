"""The overview over states that are made up: what it shows, what its keys do, how it looks."""

from datetime import timedelta

from msgspec.structs import replace
from support.console import NOW, a_day_at_work, console, delta, node, record, say, session, snapshot, tunnel
from support.looks import in_sizes
from support.overview import caught, filtered, settled, text_of, toasts
from support.pictures import check_picture
from support.stack import until
from textual.widgets import Input

from omnyshell.model.live import NodePresence, Scope
from omnyshell.model.live_figures import SessionTraffic
from omnyshell.model.sessions import SessionState
from omnyshell.services.client.live.state import Link
from omnyshell.tui import messages
from omnyshell.tui.panels.panel import Look
from omnyshell.tui.panels.sessions import ANSWER_TIME
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.widgets.footer import KeyFooter
from omnyshell.tui.widgets.header import HubHeader

LONG = "long-name-" * 12
HOSTILE = "\x1b[31mred\x1b[0m [bold]loud[/] \u202egnol"


async def test_a_day_at_work() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        assert [item.node_id for item in app.overview.nodes.rows.shown] == [
            "build-mac", "db-1", "laptop", "web-1", "web-2", "web-10",
        ]  # fmt: skip
        async for size in in_sizes(pilot):
            await settled(pilot)
            assert "● online" in text_of(app)
            assert text_of(app).splitlines()[-1].split()[:6] == ["?", "Help", ":", "Prompt", "ctrl+p", "Commands"]
            await check_picture(app, f"overview-{size}")


async def test_themes() -> None:
    async with console(a_day_at_work(), theme="light") as (app, pilot):
        await pilot.press("2", "space", "space", "d")
        for theme in ("light", "contrast"):
            app.use_theme(theme)
            await pilot.pause()
            assert app.current_theme.name == f"omnyshell-{theme}"
            await check_picture(app, f"overview-{theme}")


async def test_nothing_yet() -> None:
    async with console(snapshot()) as (app, pilot):
        shown = text_of(app)
        assert "No nodes yet." in shown
        assert "No sessions." in shown
        assert "No tunnels and no forwards." in shown
        await check_picture(app, "overview-empty")
        for panel in "123":
            for key in ("y", "space", "x", "enter"):
                app.clear_notifications()
                await pilot.press(panel, key)
                assert app.overview.panel.why_empty() in toasts(app), (panel, key)


async def test_sessions_that_wait_in_nodes_are_looked_for() -> None:
    async with console(snapshot([node("web-1"), node("web-2", state=NodePresence.OFFLINE)])) as (app, pilot):
        assert "Looking for sessions" in text_of(app)
        app.clock.advance(ANSWER_TIME)
        app.overview._tick()
        await settled(pilot)
        assert "No sessions." in text_of(app)
        say(app.hub.state, snapshot([node("web-1"), node("web-2")]))
        app.overview._look()
        await settled(pilot)
        assert "Looking for sessions" in text_of(app)
        say(app.hub.state, snapshot([node("web-1"), node("web-2")], [session(1)]))
        app.overview._look()
        await settled(pilot)
        assert "Looking for sessions" not in text_of(app)


async def test_one_node() -> None:
    async with console(snapshot([node("web-1")]), width=80, height=24) as (app, _):
        assert "1 Nodes 1" in text_of(app)
        await check_picture(app, "overview-one")


async def test_many_rows_are_drawn_as_far_as_they_are_visible() -> None:
    nodes = [node(f"web-{number}") for number in range(1, 101)]
    sessions = [session(number, f"web-{number % 100 + 1}") for number in range(1, 1001)]
    async with console(snapshot(nodes, sessions)) as (app, pilot):
        await pilot.press("2", "end")
        await settled(pilot)
        table = app.overview.sessions.table
        assert table.scroll_offset.y == len(sessions) - table.size.height + 1
        assert app.overview.sessions.rows.current == app.overview.sessions.rows.shown[-1]
        await pilot.press("home", "pagedown")
        assert app.overview.sessions.rows.cursor == table.size.height - 2
        assert app.overview.sessions.border_subtitle == f"{table.size.height - 1} of 1,000 · live"
        await check_picture(app, "overview-many")
        await pilot.press("slash", *"web-7", "down")
        await settled(pilot)
        assert app.focused is table
        assert app.overview.sessions.border_subtitle == f"{app.overview.sessions.rows.cursor + 1} of 110 · live"
        await filtered(pilot, "nowhere")
        assert app.overview.sessions.border_subtitle == "live"


async def test_who_leaves_by_the_key_of_other_programs_is_told_the_right_one() -> None:
    async with console(snapshot([node("web-1")]), width=80, height=24) as (app, pilot):
        for key in ("q", "ctrl+c"):
            app.clear_notifications()
            await pilot.press(key)
            await until(lambda: "ctrl+q leaves the console" in toasts(app))
        await pilot.press("slash")
        await settled(pilot)
        faces = [(face.label, face.text) for face in app.screen.query_one(KeyFooter)._faces]
        assert ("enter", "Rows") in faces
        assert "Shell" not in dict(faces).values()


async def test_names_of_peers_are_neither_obeyed_nor_taken_for_markup() -> None:
    nodes = [node(LONG), node("evil", display_name=HOSTILE, labels={HOSTILE: HOSTILE})]
    sessions = [session(1, LONG, command=HOSTILE, cwd="/" + LONG, principal=HOSTILE)]
    records = [record(1, HOSTILE, principal=HOSTILE, reason=HOSTILE, node_id=LONG)]
    tunnels = [tunnel(1, target_host=LONG, principal=HOSTILE)]
    async with console(snapshot(nodes, sessions, tunnels, (), records)) as (app, pilot):
        await pilot.press("2", "d")
        await settled(pilot)
        shown = text_of(app)
        assert not {char for char in shown if not char.isprintable()} - {"\n"}
        assert "[bold]loud[/]" in shown
        await check_picture(app, "overview-long-names")


async def test_a_lost_hub_leaves_what_was_known_with_its_age() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        app.hub.state.set_link(Link.LOST, "connection lost")
        app.clock.advance(75)
        app.overview._tick()
        await settled(pilot)
        shown = text_of(app)
        assert "lost 1m, reconnecting" in shown
        assert "as of 1m ago" in shown
        assert "web-1" in shown
        await check_picture(app, "overview-stale")
        say(app.hub.state)
        await settled(pilot)
        assert "reconnecting" not in text_of(app)
        assert " live " in text_of(app)


async def test_a_hub_that_cannot_be_reached_at_first() -> None:
    async with console(width=80, height=24) as (app, _):
        assert "Connecting…" in text_of(app)
        app.hub.state.set_link(Link.LOST, "cannot connect to hub.example:8443: connection refused")
        await until(lambda: "No connection: cannot connect to hub.example:8443" in text_of(app))
        await check_picture(app, "overview-disconnected")
        app.hub.state.set_link(Link.LOST, "nothing listens at hub.example:8443; is the hub running?")
        await until(lambda: "running? " in text_of(app))


async def test_who_is_no_admin_is_told_why_there_is_no_audit_trail() -> None:
    told = snapshot([node("web-1")])
    told.parts = tuple(part for part in told.parts if part != "audit")
    async with console(told) as (app, _):
        assert "to admins alone" in text_of(app)


async def test_changes_show_by_themselves() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        app.hub.state.apply(delta(nodes=(node("web-3"), node("web-1", state=NodePresence.OFFLINE))))
        await settled(pilot)
        assert "web-3" in text_of(app)
        known = {item.node_id: item.is_online for item in app.overview.nodes.rows.shown}
        assert known["web-1"] is False


async def test_ages_are_drawn_once_a_second_and_only_where_they_change() -> None:
    nodes = [node("old", last_heard_at=NOW - timedelta(hours=2)), node("new")]
    async with console(snapshot(nodes)) as (app, pilot):
        drawn: list[int] = []
        table = app.overview.nodes.table
        original = table.refresh_line

        def refresh_line(y: int) -> None:
            drawn.append(y)
            original(y)

        # Only what has been drawn is drawn again.
        text_of(app)
        table.refresh_line = refresh_line
        app.clock.advance(1)
        app.overview._tick()
        assert drawn == [1]
        await settled(pilot)
        text_of(app)
        app.overview._tick()
        assert drawn == [1]


async def test_filter_sort_and_selection() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        panel = app.overview.nodes
        await filtered(pilot, "label:env=prod")
        assert [item.node_id for item in panel.rows.shown] == ["db-1", "web-1", "web-2", "web-10"]
        assert "4 of 6" in text_of(app)
        await pilot.press("space", "space")
        assert panel.rows.selected == {"db-1", "web-1"}
        assert "2 selected" in text_of(app)
        await check_picture(app, "overview-filtered")
        await pilot.press("escape")
        assert not panel.rows.selected
        assert len(panel.rows.shown) == 4
        await pilot.press("escape")
        assert len(panel.rows.shown) == 6
        await pilot.press("s")
        assert panel.COLUMNS[panel.rows.sorted_by].title == "PLATFORM"
        await pilot.press("S")
        assert panel.rows.is_reversed


async def test_each_key_for_the_order_shows_an_arrow_that_says_what_is_first() -> None:
    async with console(a_day_at_work()) as (app, _):
        for panel in app.overview.panels.values():
            columns = panel.table.visible_columns
            panel.rows.sort(None)
            for number in [*columns, columns[0]]:
                panel.action_sort_next()
                assert panel.rows.sorted_by == number
                title, falls = panel.COLUMNS[number].title, panel.COLUMNS[number].falls
                assert f"{title}{'↓' if falls else '↑'}" in panel.table.render_line(0).text
                panel.action_sort_reverse()
                assert f"{title}{'↑' if falls else '↓'}" in panel.table.render_line(0).text


async def test_an_order_by_a_hidden_column_goes_on_with_a_visible_one() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        nodes = app.overview.nodes
        hidden = set(range(len(nodes.COLUMNS))) - set(nodes.table.visible_columns)
        for number in hidden:
            nodes.rows.sort(number)
            await pilot.press("s")
            assert nodes.rows.sorted_by in nodes.table.visible_columns


async def test_who_is_no_admin_sees_and_filters_the_number_of_own_sessions_where_that_is_known() -> None:
    nodes = [node(name, sessions=None) for name in ("busy", "idle")]
    nodes.append(node("gone", sessions=None, state=NodePresence.OFFLINE))
    told = snapshot(nodes, [session(1, "busy"), session(2, "busy")])
    told.scope = Scope.OWN
    async with console(told) as (app, _):
        panel = app.overview.nodes
        assert {one.node_id: one.sessions for one in panel.rows.shown} == {"busy": 2, "idle": 0, "gone": None}
        for text, found in (("sessions:0", ["idle"]), ("sessions:>1", ["busy"]), ("sessions:<9", ["busy", "idle"])):
            panel.look_at(Look(text, ""))
            assert [one.node_id for one in panel.rows.shown] == found
        panel.look_at(Look("", ""))
        app.hub.state.apply(delta(sessions=(session(3, "idle"),)))
        app.overview._look()
        assert {one.node_id: one.sessions for one in panel.rows.shown} == {"busy": 2, "idle": 1, "gone": None}


async def test_a_filter_for_ages_holds_as_time_passes() -> None:
    async with console(snapshot([node("web-1")])) as (app, pilot):
        await filtered(pilot, "heard:>1m")
        assert app.overview.nodes.rows.shown == []
        app.clock.advance(60)
        app.overview._tick()
        assert len(app.overview.nodes.rows.shown) == 1


async def test_a_bad_filter_is_explained_and_shows_nothing() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        nodes = app.overview.nodes.rows
        await pilot.press("slash", *"nod:bar")
        await settled(pilot)
        assert 'no field "nod"' in text_of(app)
        assert nodes.shown == []
        await check_picture(app, "overview-bad-filter")
        await pilot.press("escape")
        assert 'no field "nod"' not in text_of(app)
        assert not isinstance(app.focused, Input)
        # What is only begun is no mistake before it is entered.
        await pilot.press("slash", *"web node:")
        assert len(nodes.shown) == 3
        assert "node: wants a value" in text_of(app)
        await pilot.press("enter")
        assert nodes.shown == []
        # One that is wrong is still written: what follows corrects it, and is no command.
        await pilot.press(*"web-2", "enter")
        assert [one.node_id for one in nodes.shown] == ["web-2"]
        assert not isinstance(app.focused, Input)


async def test_keys_ask_for_what_the_rows_are_for() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        shells = caught(app, messages.OpenShell)
        attached = caught(app, messages.AttachSession)
        await pilot.press("o", "down", "down", "o")
        assert [message.node_id for message in shells] == ["build-mac"]
        assert "laptop is offline" in toasts(app)
        await pilot.press("2", "enter")
        assert [(message.session.node_id, message.session.session_id[:8]) for message in attached] == [
            ("db-1", "00000004")
        ]


async def test_panels_are_reached_by_number_tab_and_mouse() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        overview = app.overview
        for key, name in (("3", "tunnels"), ("tab", "audit"), ("tab", "nodes"), ("shift+tab", "audit")):
            await pilot.press(key)
            assert overview._panel == name
            assert app.focused is overview.panels[name].table
            assert [panel.display for panel in overview.panels.values()].count(True) == 1
        await pilot.click("PanelTabs", offset=(18, 0))
        assert overview._panel == "sessions"
        await check_picture(app, "overview-sessions-80x24")


async def test_rows_headings_and_marks_can_be_clicked() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        panel = app.overview.nodes
        pages = caught(app, messages.OpenNode)
        await pilot.click(panel.table, offset=(10, 4))
        assert panel.rows.current.node_id == "web-1"
        await pilot.click(panel.table, offset=(1, 5))
        assert panel.rows.selected == {"web-2"}
        await pilot.click(panel.table, offset=(4, 0))
        assert (panel.rows.sorted_by, panel.rows.is_reversed) == (0, False)
        await pilot.click(panel.table, offset=(4, 0))
        assert panel.rows.is_reversed
        await pilot.click(panel.table, offset=(10, 6), times=2)
        assert len(pages) == 1


async def test_tunnels_and_forwards_are_one_panel() -> None:
    """What waits for its node, and what a forward has carried, is seen at a glance."""
    snapshot = a_day_at_work()
    tunnels = (*snapshot.tunnels, tunnel(20_009, node_id="web-10", persist=True, waiting=True))
    async with console(replace(snapshot, tunnels=tunnels)) as (app, pilot):
        await pilot.press("3", "z", "d", "end")
        await settled(pilot)
        shown = text_of(app)
        assert "3 Tunnels · 5" in shown
        assert "Forward 00000009" in shown
        assert "2 now, 31 in all" in shown
        await check_picture(app, "overview-tunnels-120x40")
        await pilot.press("/", *"kind:forward", "enter")
        await settled(pilot)
        assert "1 of 5" in text_of(app)


async def test_zoom_and_details() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press("2", "z", "d")
        await settled(pilot)
        shown = text_of(app)
        assert "Session 00000004" in shown
        assert "3 Tunnels 4" in shown
        await check_picture(app, "overview-zoomed-with-details")
        await pilot.press("down")
        await settled(pilot)
        assert "Session 00000003" in text_of(app)
        await pilot.press("z", "d")
        await settled(pilot)
        assert "Session 00000003" not in text_of(app)


async def test_rates_show_in_the_header() -> None:
    async with console(a_day_at_work(), width=160) as (app, pilot):
        traffic = SessionTraffic(node_id="db-1", session_id=session(3).session_id, rate_out=5_000_000)
        app.hub.state.apply(delta(session_traffic=(traffic,)))
        await settled(pilot)
        assert "4.8M/s" in text_of(app)
        header = app.query_one(HubHeader)
        assert "47K/s" in header.render().plain


async def test_the_header_names_the_hub_that_it_is_at_where_its_own_is_away() -> None:
    async with console(a_day_at_work(), width=160) as (app, _):
        header = app.query_one(HubHeader)
        for elsewhere, shown in (("", "wss://hub.example:8443"), ("wss://b.example:8443", "wss://b.example:8443")):
            app.hub.state.elsewhere = elsewhere
            header.tell()
            assert shown in header.render().plain


async def test_a_closed_session_goes() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        ended = session(3, "db-1", state=SessionState.CLOSED, gone=True)
        app.hub.state.apply(delta(sessions=(ended,)))
        await settled(pilot)
        assert "00000003" not in text_of(app)


async def test_the_title_has_the_filter_also_when_the_clock_ticks_while_it_is_written() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        panel = app.overview.nodes
        panel.look_at(Look("node:web-1", ""))
        panel._filter.value = "node:web-10"
        panel.show()
        await pilot.pause()
        panel._filter.value = "node:web-2"
        panel.show()
        await pilot.pause()
        assert str(panel.border_title).endswith("node:web-2")


async def test_saved_filters_and_chosen_columns_and_tab_in_the_filters_line() -> None:
    own = Own(filters={"prod": "env=prod"}, columns={"nodes": ("node", "heard", "state")})
    async with console(a_day_at_work(), own=own) as (app, pilot):
        panel = app.overview.nodes
        assert panel.table.render_line(0).text.split() == ["NODE↑", "HEARD", "STATE"]
        await pilot.press("s")
        assert panel.COLUMNS[panel.rows.sorted_by].title == "HEARD"
        await pilot.press("slash", *"@p", "tab", *" sta", "tab", *"of", "tab", "enter")
        assert panel._filter.value == "@prod state:offline"
        assert [one.node_id for one in panel.rows.shown] == ["web-10"]
        assert "/ label:env=prod state:offline" in text_of(app)


async def test_trends_go_on_while_changes_put_ticks_off() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await settled(pilot)
        overview = app.overview
        for rate in (9_000, 0, 20_000):
            app.clock.advance(1)
            app.hub.state.apply(delta(sessions=(session(1, rate_out=rate),)))
            overview._look()
        assert overview.sessions.trends.values(session(1).key) == (2_400, 9_000, 0, 20_000)


async def test_nodes_are_asked_for_their_vitals_while_they_are_shown_and_a_while_longer() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await settled(pilot)
        said: list[bool] = []
        app.hub.look = lambda *, looks: said.append(looks)
        app.switch_mode("wall")
        for _ in range(3):
            app.clock.advance(12)
            app.overview._look()
            await pilot.pause()
        app.switch_mode("overview")
        await settled(pilot)
        assert said == [False, True]
