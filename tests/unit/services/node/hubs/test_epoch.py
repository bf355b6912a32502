"""Which hubs' epochs a node takes."""

from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from omnyshell import NodeConfig, OmnyShellNode
from omnyshell.errors import ProtocolException
from omnyshell.protocol.limits import MOST_EPOCHS, MOST_JUMP
from omnyshell.protocol.messages import NodeRegistered
from omnyshell.services.node.hubs.epoch import NewestEpoch


def test_a_node_takes_no_older_epoch_than_it_has_had() -> None:
    newest = NewestEpoch()
    for epoch in (None, 3, 3, 7, None):
        newest.take(epoch)
    with pytest.raises(ProtocolException, match="by the epoch 6, but it has had 7 since"):
        newest.take(6)
    assert newest.value == 7


def test_the_next_process_says_how_far_the_one_before_came(tmp_path: Path) -> None:
    file = tmp_path / "epoch"
    before = NewestEpoch(file)
    assert before.reported == 0
    before.take(41)
    after = NewestEpoch(file)
    assert (after.value, after.reported) == (0, 41)
    after.take(7)  # of hubs that know nothing of the process before
    assert (after.reported, NewestEpoch(file).reported) == (7, 7)
    for odd in (b"", b"much", b"-1", str(MOST_EPOCHS).encode()):
        file.write_bytes(odd)
        assert NewestEpoch(file).reported == 0


def test_no_hub_can_raise_it_beyond_what_others_go_on_from() -> None:
    newest = NewestEpoch()
    newest.take(MOST_EPOCHS - 1)
    assert newest.value == MOST_JUMP
    newest.take(MOST_JUMP + 1)
    assert newest.value == MOST_JUMP + 1


def test_a_hub_that_is_behind_is_left(tmp_path: Path) -> None:
    node = OmnyShellNode(NodeConfig(node_id="n1", access=cast("Any", MagicMock()), state_dir=tmp_path))
    for epoch in (2, 1):
        node.registered.clear()
        node._lost = cast("Any", MagicMock(done=lambda: False))
        node._message_received(NodeRegistered(node_id="n1", assigned_at=cast("Any", None), epoch=epoch), None)
    (error,) = cast("MagicMock", node._lost).set_result.call_args.args
    assert "that hub is behind" in str(error)
    assert not node.registered.is_set()
