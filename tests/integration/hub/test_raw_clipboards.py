"""The extension `clipboard-audit` spoken by peers that know docs/extensions.md alone."""

import pytest
from support.raw_peer import logged_in, open_session, registered
from support.stack import Certificates

from omnyshell import OmnyShellHub

CLIPBOARD = ("clipboard-audit",)


def audited(hub: OmnyShellHub) -> list[tuple[str, str, str, str, str]]:
    records = (record for record in hub.audit if record.action == "clipboard.write")
    return [(one.principal, one.node_id, one.outcome, one.reason, one.detail) for one in records]


async def test_what_programs_copy_is_audited_once_a_second(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin", CLIPBOARD) as client,
    ):
        await open_session(client, node, 7)
        for note in ({"size": 5}, {"size": 10, "refused": "too much"}, {"size": 20}):
            await client.say("session.clipboard", note, 7)
        await client.still_there()
        assert audited(hub) == [("admin", "n1", "ok", "", "5 bytes")]
        monkeypatch.setattr("omnyshell.services.hub.sessions.clipboards.PERIOD", 0.0)
        await client.say("session.clipboard", {"size": 1, "refused": "the settings forbid it"}, 7)
        await client.still_there()
        detail = "1 bytes; 2 more since the last record, 30 bytes"
        assert audited(hub)[1:] == [("admin", "n1", "denied", "the settings forbid it", detail)]
        await node.still_there()


async def test_a_clipboard_of_no_session_is_dropped(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin", CLIPBOARD) as client,
        logged_in(certificates, hub.port, "client", "admin") as plain,
    ):
        await open_session(plain, node, 1)
        await plain.say("session.clipboard", {"size": 5}, 1)
        await client.say("session.clipboard", {"size": 5}, 1)
        await client.say("session.clipboard", {"size": -5}, 1)
        await client.say("session.clipboard", {"size": "5"}, 1)
        await node.say("session.clipboard", {"size": 5}, 1)
        for peer in (plain, client, node):
            await peer.still_there()
        assert audited(hub) == []
        assert hub.metrics.frames_dropped == 5
