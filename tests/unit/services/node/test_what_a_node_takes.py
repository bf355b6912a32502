"""A node deals with every message that a hub may send it, and an unknown one is no one's."""

from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from support.declarations import every_message

from omnyshell import NodeConfig, OmnyShellNode
from omnyshell.protocol.messages import (
    ChannelMessage,
    ControlMessage,
    NodeHeartbeatAck,
    NodeRegistered,
    NodeSessionOpen,
    NodeTunnelConnect,
    ProtocolError,
    SessionOpened,
)
from omnyshell.protocol.messages.base import Way

OPENS_A_CHANNEL = {NodeSessionOpen, NodeTunnelConnect}
NEEDS_NOTHING = {NodeHeartbeatAck}
"""That the hub is there, the connection notices by itself."""


@pytest.fixture
def node(tmp_path: Path) -> OmnyShellNode:
    return OmnyShellNode(NodeConfig(node_id="n1", access=cast("Any", MagicMock()), state_dir=tmp_path))


def test_each_message_of_a_hub_has_a_handler_or_goes_to_its_channel(node: OmnyShellNode) -> None:
    sent = {kind for kind in every_message() if kind.WAY in (Way.HUB_TO_NODE, Way.HUB_TO_EXPOSER)}
    on_channels = {kind for kind in sent if issubclass(kind, ChannelMessage)} - OPENS_A_CHANNEL
    assert set(node._handlers) == sent - on_channels - NEEDS_NOTHING | {ProtocolError}


@pytest.mark.parametrize("message", [SessionOpened(session_id="s"), NodeHeartbeatAck(seq=1, ts=cast("Any", None))])
def test_what_is_for_others_changes_nothing(message: ControlMessage, node: OmnyShellNode) -> None:
    node._connection = cast("Any", MagicMock())
    node._message_received(message, 7)
    assert cast("MagicMock", node._connection).mock_calls == []
    assert node.session_count == 0


def test_a_hub_that_registers_another_id_is_left(node: OmnyShellNode) -> None:
    node._lost = cast("Any", MagicMock(done=lambda: False))
    node._message_received(NodeRegistered(node_id="n2", assigned_at=cast("Any", None)), None)
    (error,) = cast("MagicMock", node._lost).set_result.call_args.args
    assert str(error) == "the hub registered 'n2' instead of this node"
    assert not node.registered.is_set()
