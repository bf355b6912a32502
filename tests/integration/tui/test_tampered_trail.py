"""A hub whose audit trail was tampered with, in the console: a mark, until an admin acknowledges."""

import sqlite3
from pathlib import Path

from support.deadline import DEADLINE
from support.stack import Certificates, access, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.services.client.live.state import Link
from omnyshell.services.hub.ground.state_names import AUDIT_FILE
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.hub_places import RemoteHub
from omnyshell.tui.settings import ConsoleSettings


def header(app: ConsoleApp) -> str:
    return app.overview.header.render_line(0).text


async def test_the_header_has_a_mark_until_an_admin_acknowledges(certificates: Certificates, tmp_path: Path) -> None:
    config = hub_config(certificates, state_dir=tmp_path)
    async with OmnyShellHub(config):
        pass
    db = sqlite3.connect(tmp_path / AUDIT_FILE)
    db.execute("DELETE FROM records WHERE seq = 1")
    db.commit()
    db.close()
    async with OmnyShellHub(config) as hub:
        app = ConsoleApp(ConsoleSettings(), RemoteHub(access(certificates, hub.port, "admin")))
        async with app.run_test(size=(120, 40)) as pilot:
            await until(lambda: app.hub.state.link is Link.UP and "audit broken" in header(app), DEADLINE)
            await pilot.press("4", "A")
            await until(lambda: len(app.screen_stack) > 1)
            await pilot.press("tab", "enter")
            await until(lambda: hub.audit.gaps == [], DEADLINE)
            await until(lambda: "audit broken" not in header(app), DEADLINE)
    assert [record.action for record in hub.audit if record.action == "audit.acknowledge"] == ["audit.acknowledge"]
