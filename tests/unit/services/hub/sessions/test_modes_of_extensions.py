"""Session modes that an extension adds: what each takes of client, hub and node, and what the audit says of it."""

import pytest
from support.memory_hub import PLATFORM, MemoryHub

from omnyshell.model.sessions import SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import FORWARD, OF_HUB, SFTP, SSH
from omnyshell.protocol.frames import DataOpcode

MODES = [
    (SessionMode.FORWARD, FORWARD, "reach targets", "session.open"),
    (SessionMode.SSH, SSH, "connect by ssh", "ssh.open"),
    (SessionMode.SFTP, SFTP, "copy files", "files.open"),
]
of_each = pytest.mark.parametrize(("mode", "extension", "done", "action"), MODES, ids=[mode for mode, *_ in MODES])


@of_each
def test_a_mode_is_for_peers_that_announced_it(
    hub: MemoryHub, mode: SessionMode, extension: str, done: str, action: str
) -> None:
    node = hub.registers()
    old = hub.logs_in("admin", features=OF_HUB - {extension})
    old.says(m.SessionOpen(node_id="n1", mode=mode), 1)
    refused = old.hears(m.SessionRejected, 1)
    assert (refused.reason, "announced" in refused.message) == ("bad_request", True)
    old_node = hub.logs_in("box", "node", OF_HUB - {extension})
    old_node.says(m.NodeRegister(node_id="n2", platform=PLATFORM))
    client = hub.logs_in("admin")
    client.says(m.SessionOpen(node_id="n2", mode=mode), 1)
    refused = client.hears(m.SessionRejected, 1)
    assert (refused.reason, "too old for" in refused.message) == ("bad_request", True)
    assert not node.heard(m.NodeSessionOpen)
    assert not old_node.heard(m.NodeSessionOpen)


@of_each
def test_a_mode_takes_a_right_of_its_own(
    hub: MemoryHub, mode: SessionMode, extension: str, done: str, action: str
) -> None:
    node = hub.registers(labels={"allow-roles": "nobody"})
    stranger = hub.logs_in("dev")
    stranger.says(m.SessionOpen(node_id="n1", mode=mode), 1)
    refused = stranger.hears(m.SessionRejected, 1)
    assert (refused.reason, done in refused.message or "Not authorized" in refused.message) == ("not_authorized", True)
    assert not node.heard(m.NodeSessionOpen)


@of_each
def test_the_audit_says_what_was_opened_and_how_much_it_carried(
    hub: MemoryHub, mode: SessionMode, extension: str, done: str, action: str
) -> None:
    client, node = hub.logs_in("admin"), hub.registers()
    channel, id_ = hub.opens(client, node, mode=mode)
    client.sends(1, b"question")
    node.sends(channel, b"answer", DataOpcode.STDOUT)
    client.says(m.ChannelClose(), 1)
    opened, closed = (record for record in hub.audited() if record.session_id == id_)
    assert (opened.action, opened.principal, opened.node_id) == (action, "admin", "n1")
    assert closed.action == "session.close"
    assert closed.detail.endswith("8 bytes in, 6 out")
