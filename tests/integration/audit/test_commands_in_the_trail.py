"""What the records of sessions say of command lines, over the wire and on disk."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import logged_in, open_session, registered
from support.stack import Certificates, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.services.hub.audit.query import AuditQuery, find_records
from omnyshell.services.hub.audit.sinks import export_line
from omnyshell.services.hub.audit.store import AuditReader
from omnyshell.services.hub.ground.audit_settings import AuditedCommands
from omnyshell.services.hub.ground.state_names import AUDIT_FILE

LINE = "deploy \x1b]0;x\x07 \u202e --to web"


async def recorded(certificates: Certificates, state: Path, kept: AuditedCommands, **request: Any) -> list[str]:
    """Have a hub open a session and refuse one; returns the commands in its records."""
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=state)) as hub,
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        hub.reload(replace(hub.config, audit_commands=kept))
        await open_session(client, node, 1, **request)
        await client.say("session.open", {"nodeId": "elsewhere", **request}, 2)
        await client.hear("session.rejected")
        await until(lambda: sum(record.action.startswith("session.") for record in hub.audit) == 2)
    with AuditReader(state / AUDIT_FILE) as reader:
        found = list(find_records(reader, AuditQuery(action="session.*")))
    for chained, _ in found:
        assert export_line(chained).decode().isprintable()
        assert b"hunter2" not in export_line(chained)
    return [record.command for _, record in found if record.action in ("session.open", "session.rejected")]


@pytest.mark.parametrize("mode", ["exec", "shell"])
async def test_opened_and_refused_sessions_say_their_command(
    certificates: Certificates, tmp_path: Path, mode: str
) -> None:
    request = {"mode": mode, "command": LINE, "env": {"PASSWORD": "hunter2"}}
    expected = {AuditedCommands.FULL: LINE, AuditedCommands.PROGRAM: "deploy", AuditedCommands.NONE: ""}
    for kept, command in expected.items():
        assert await recorded(certificates, tmp_path / kept, kept, **request) == [command, command]


async def test_an_admin_is_shown_the_command(certificates: Certificates) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin", features=("admin",)) as client,
    ):
        await open_session(client, node, 1, mode="exec", command="ls", args=["-l", "a b"])
        await client.say("admin.audit.request", {"requestId": "r", "action": "session.open"})
        (record,) = (await client.hear("admin.audit.response"))["d"]["records"]
        assert (record["detail"], record["command"]) == ("exec", "ls -l 'a b'")
