"""Several hubs in the console: how each stands, and at which one things are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.arriving import arrive
from support.console import NOW, console, delta, node, record, session, snapshot, tunnel
from support.looks import check_palettes
from support.overview import text_of, toasts
from support.pictures import check_picture
from support.stack import until

from omnyshell import HubAccess, HubAddress, PrincipalId, TokenCredentialProvider
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.model.admin import AuditEntry
from omnyshell.model.live import HubLease, LiveHub, OwnRights
from omnyshell.protocol.messages.admin import (
    AdminResult,
    AuditPageRequest,
    AuditPageResponse,
    HubDrain,
    HubDrainingRequest,
    HubDrainingResponse,
    HubInvite,
    HubInvited,
    HubRemove,
)
from omnyshell.services.hub.live.seen import seen_hub
from omnyshell.tui.actions.administration import DRAIN_WITHIN
from omnyshell.tui.dialogs.hub import HubDialog
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.panels.audit import ALONE as NO_OTHERS, LOOKED_BACK
from omnyshell.tui.screens.hubs import ALONE, OWN, HubsScreen


def hub(name: str, **changes: Any) -> LiveHub:
    values: dict[str, Any] = {
        "hub": name,
        "is_told": True,
        "place": f"hub-{name}.example:7444",
        "url": f"wss://hub-{name}.example:8443",
        "link_since": NOW - timedelta(hours=3),
        "lease": HubLease.HELD,
        "heard_at": NOW - timedelta(seconds=4),
        "applied": 1_204,
        "nodes": 340,
        "version": "0.2.0",
    }
    return LiveHub(**values | changes)


SEVERAL = (
    hub("a", own=True, link_since=None),
    hub("b", applied=1_201, unlike=("authorized-keys", "grants"), doubted=("db-1", "db-2")),
    hub("c", is_told=False, known_at=NOW - timedelta(seconds=12), link_since=None, lease=HubLease.LAPSED, nodes=0),
    hub("d", is_handing_over=True, nodes=3, unknown_change=1_204, applied=1_203),
    hub(
        "new",
        is_told=False,
        link_since=None,
        lease=HubLease.UNKNOWN,
        heard_at=None,
        applied=0,
        nodes=0,
        place="",
        url="",
    ),
)


def at_hubs(*hubs: LiveHub) -> Any:
    nodes = [node("db-1", hub="a"), node("web-1", hub="b")]
    told = snapshot(nodes, [session(1, "web-1", hub="b")], [tunnel(20_001, hub="c")])
    told.hubs = hubs
    return told


async def test_how_the_hubs_stand() -> None:
    async with console(at_hubs(*SEVERAL), width=120, height=24) as (app, pilot):
        await pilot.press("H")
        await arrive(app, HubsScreen)
        await check_palettes(app, pilot, "hubs")


async def test_who_is_no_admin_sees_which_hubs_there_are_and_no_more() -> None:
    viewer: Any = SimpleNamespace(is_admin=False)
    told = at_hubs(*(seen_hub(each, viewer) for each in SEVERAL))
    told.own = OwnRights(principal="ann", roles=("viewer",))
    async with console(told, width=100, height=20) as (app, pilot):
        await pilot.press("H")
        await arrive(app, HubsScreen)
        await check_palettes(app, pilot, "hubs-few-rights")


async def test_each_row_says_its_hub_and_filters_know_it_and_what_comes_is_shown() -> None:
    async with console(at_hubs(*SEVERAL), width=140, height=40) as (app, pilot):
        await check_picture(app, "overview-hubs-140x40")
        await pilot.press("slash", *"hub:b", "enter")
        assert [each.node_id for each in app.overview.nodes.rows.shown] == ["web-1"]
        await pilot.press("escape", "escape", "H")
        screen = await arrive(app, HubsScreen)
        app.hub.state.apply(delta(hubs=(hub("new", nodes=7), hub("c", is_told=True, gone=True))))
        await until(lambda: [row.hub.hub for row in screen.rows.shown] == ["a", "b", "d", "new"])
        await pilot.press("escape")
        await until(lambda: not isinstance(app.screen, HubsScreen))


class Trails:
    """Stands for a connection with a hub that is asked for trails, of which `c` cannot be reached."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        yield self

    async def ask(self, question: AuditPageRequest, _answer: type[AuditPageResponse]) -> AuditPageResponse:
        self.asked.append((question.hub, question.after))
        assert question.since == NOW - LOOKED_BACK
        if question.hub == "c":
            raise OmnyShellException("hub 'c' cannot be reached from the one that was asked")
        minute = 3 - question.after
        happened = AuditEntry(
            at=NOW - timedelta(minutes=minute), action="session.open", principal="eve", node_id="db-1"
        )
        return AuditPageResponse(
            request_id="", records=(happened,), after=question.after + 1, is_last=question.after > 0
        )


async def test_the_audit_shows_who_did_what_at_all_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    trails, told = Trails(), at_hubs(*SEVERAL[:3])
    told.records = tuple(record(seconds, "auth.ok", principal="ann") for seconds in (300, 150, 30))
    async with console(told, width=120, height=30) as (app, pilot):
        monkeypatch.setattr(app.hub, "admin", trails.admin)
        audit = app.overview.audit
        await pilot.press("4", "z", "h")
        await until(lambda: len(audit.rows.shown) == 5)
        assert trails.asked == [("b", 0), ("b", 1), ("c", 0)]
        assert [one.principal for one in audit.rows.shown] == ["ann", "eve", "ann", "eve", "ann"]
        assert "Hub c was not read: hub 'c' cannot be reached" in toasts(app)
        await check_picture(app, "audit-of-hubs-120x30")
        app.hub.state.apply(delta(records=(record(0, "node.lost"),)))
        await until(lambda: audit.rows.current is not None and audit.rows.current.action == "node.lost")
        await pilot.press("slash", *"hub:b", "enter")
        assert [one.hub for one in audit.rows.shown] == ["b", "b"]
        await pilot.press("escape", "h")
        await until(lambda: len(audit.rows.shown) == 4)
        assert "all hubs" not in str(audit.border_title)


async def test_a_hub_that_is_alone_says_so() -> None:
    async with console(at_hubs(), width=100, height=24) as (app, pilot):
        await pilot.press("colon", *"hubs", "enter")
        screen = await arrive(app, HubsScreen)
        assert screen.refusal("copy") == ALONE
        assert not screen.refusal("close")
        await pilot.press("escape", "4", "h")
        assert NO_OTHERS in toasts(app)


class Asked:
    """Stands for connections with hubs, and notes what each was asked."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, bool]] = []

    @asynccontextmanager
    async def admin_at(self, url: str) -> AsyncIterator[Any]:
        async def do(request: HubDrain) -> None:
            self.said.append((url, request.within, request.ends))

        async def ask(_request: HubDrainingRequest, _answer: type[HubDrainingResponse]) -> HubDrainingResponse:
            return HubDrainingResponse(request_id="", nodes=0, clients=1)

        yield SimpleNamespace(do=do, ask=ask)


async def test_a_hub_is_drained_once_that_is_meant_and_takes_peers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    async with console(at_hubs(*SEVERAL), width=120, height=30) as (app, pilot):
        monkeypatch.setattr(app.hub, "admin_at", asked.admin_at)
        await pilot.press("H")
        await arrive(app, HubsScreen)
        await pilot.press("down", "d")
        await arrive(app, Question)
        await pilot.press("escape")
        await arrive(app, HubsScreen)
        assert not asked.said
        await pilot.press("d")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: asked.said == [("wss://hub-b.example:8443", DRAIN_WITHIN, False)])
        await until(lambda: "Nobody is at hub b any more: it can be stopped" in toasts(app))
        await arrive(app, HubsScreen)
        # One that hands over takes peers again, which ends nothing and is not asked.
        await pilot.press("down", "down", "d")
        await until(lambda: asked.said[1:] == [("wss://hub-d.example:8443", 30, True)])


class Founder:
    """Stands for connections with hubs, of which `b` has founded; notes what is asked at each."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    @asynccontextmanager
    async def admin_at(self, url: str = "a") -> AsyncIterator[Any]:
        async def ask(request: HubInvite, _answer: type[HubInvited]) -> HubInvited:
            self.said.append((url, request.TYPE, request.hub))
            if url == "a":
                return HubInvited(request_id="", founder="b")
            until = NOW + timedelta(days=1)
            return HubInvited(request_id="", founder="b", invitation=f"omnyhub-{'x' * 1_000}", expires_at=until)

        async def do(request: HubRemove) -> AdminResult:
            self.said.append((url, request.TYPE, request.hub))
            return AdminResult(request_id="", ok=True, message="give engine.conf to each server")

        yield SimpleNamespace(ask=ask, do=do)


async def test_a_hub_is_invited_by_the_one_that_founded_and_removed_by_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    founder = Founder()
    async with console(at_hubs(*SEVERAL), width=120, height=30) as (app, pilot):
        monkeypatch.setattr(app.hub, "admin", founder.admin_at)
        monkeypatch.setattr(app.hub, "admin_at", founder.admin_at)
        await pilot.press("H")
        await arrive(app, HubsScreen)
        await pilot.press("i")
        await arrive(app, HubDialog)
        await pilot.press(*"E!")
        await until(lambda: "No hub's id" in text_of(app))
        await check_picture(app, "dialog-invite-hub")
        await pilot.press("backspace", "backspace", *"e", "enter")
        line = await arrive(app, LineDialog)
        assert line._line == f"omnyshell hub join omnyhub-{'x' * 1_000} --hub-config hub.toml"
        at_b = "wss://hub-b.example:8443"
        assert founder.said == [("a", "admin.hub.invite", "e"), (at_b, "admin.hub.invite", "e")]
        await pilot.press("escape")
        await arrive(app, HubsScreen)
        await pilot.press("x")
        assert OWN in toasts(app)
        await pilot.press("down", "down", "x")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: founder.said[2:] == [("a", "admin.hub.remove", "c")])
        await until(lambda: "give engine.conf to each server" in toasts(app))


def test_another_hub_is_dialled_only_under_the_authority_that_is_named(tmp_path: Path) -> None:
    hub = HubLink()
    address = HubAddress("hub-a.example", 8443)
    credentials = TokenCredentialProvider(PrincipalId("ann"), "token")
    hub.use(HubAccess(address=address, credentials=credentials))
    with pytest.raises(ConfigException, match="`ca`"):
        hub.admin_at("wss://hub-b.example:8443")
    hub.use(HubAccess(address=address, credentials=credentials, ca=tmp_path / "ca.pem"))
    with pytest.raises(ConfigException, match="public-url"):
        hub.admin_at("")
    assert hub.admin_at("wss://hub-b.example:8443").access.address == HubAddress("hub-b.example", 8443)
