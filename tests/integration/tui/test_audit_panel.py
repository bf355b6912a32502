"""The audit's panel of the overview: it follows what happens, and leads from a record to what that names."""

from support.console import a_day_at_work, console, delta, node, record, snapshot
from support.overview import filtered, settled, text_of, toasts
from support.pictures import check_picture


async def test_who_drops_a_filter_of_the_audit_follows_again_or_stays_where_the_cursor_was_put() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        rows = app.overview.audit.rows
        await pilot.press("4")
        await filtered(pilot, "outcome:denied who:eve")
        assert [one.principal for one in rows.shown] == ["eve"]
        await pilot.press("escape")
        assert rows.current is rows.shown[-1]
        app.hub.state.apply(delta(records=(record(0, "node.lost"),)))
        await settled(pilot)
        assert rows.current.action == "node.lost"
        await filtered(pilot, "since:4m who:ann")
        assert [one.action for one in rows.shown] == ["tunnel.open", "session.detach"]
        await pilot.press("up", "escape")
        assert rows.current.action == "tunnel.open"


async def test_from_a_record_to_what_it_names_and_back() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        overview = app.overview
        await pilot.press("2")
        await filtered(pilot, "state:attached")
        await pilot.press("4", "up")
        assert overview.audit.rows.current.action == "session.detach"
        await pilot.press("g")
        assert overview._panel == "sessions"
        assert overview.sessions.rows.current.short_id == "00000004"
        await pilot.press("backspace")
        assert overview._panel == "audit"
        assert overview.audit.rows.current.action == "session.detach"
        assert str(overview.sessions.rows.terms[0]) == "state:attached"
        await pilot.press("up", "g")
        assert overview.nodes.rows.current.node_id == "web-10"
        await pilot.press("backspace", "home", "g")
        await settled(pilot)
        assert "Principal ann" in text_of(app)
        await check_picture(app, "overview-principal")
        await pilot.press("backspace")
        await settled(pilot)
        assert "Principal ann" not in text_of(app)


async def test_a_session_that_has_ended_leads_to_its_node() -> None:
    records = [record(1, "session.close", node_id="web-1", session_id="gone-gone", principal="ann")]
    async with console(snapshot([node("web-1")], records=records)) as (app, pilot):
        await pilot.press("4", "g")
        assert app.overview._panel == "nodes"
        assert "has ended; this is its node" in toasts(app)


async def test_the_audit_trail_follows_and_pauses() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        audit = app.overview.audit
        await pilot.press("4")
        app.hub.state.apply(delta(records=(record(0, "node.lost"),)))
        await settled(pilot)
        assert audit.rows.current.action == "node.lost"
        await pilot.press("p")
        app.hub.state.apply(delta(records=(record(-1, "node.back"),)))
        await settled(pilot)
        assert audit.rows.total == 8
        assert "paused, 1 new" in text_of(app)
        await pilot.press("p")
        assert audit.rows.current.action == "node.back"
        await pilot.press("up")
        app.hub.state.apply(delta(records=(record(-2, "node.again"),)))
        await settled(pilot)
        assert audit.rows.current.action == "node.lost"
