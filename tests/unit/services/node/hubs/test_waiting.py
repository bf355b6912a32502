"""How long a node waits before it dials again: for a hub that is to come back, and not for one that is there."""

from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from omnyshell import NodeConfig, OmnyShellNode
from omnyshell.services.node.node import SPREAD
from omnyshell.transport.backoff import SHORT_OUTAGE_CEILING, SHORTEST, STABLE_AFTER


@pytest.fixture
def node(tmp_path: Path) -> OmnyShellNode:
    return OmnyShellNode(NodeConfig(node_id="n1", access=cast("Any", MagicMock()), state_dir=tmp_path))


@pytest.mark.parametrize("held", [None, 0.0, STABLE_AFTER / 2, STABLE_AFTER])
def test_where_another_hub_is_left_the_node_goes_there_within_a_second(node: OmnyShellNode, held: float | None) -> None:
    node._hubs = cast("Any", MagicMock(is_round_over=False))
    # However often hubs were lost shortly before.
    assert all(0 <= node._usual_delay(held) <= SPREAD for _ in range(100))


@pytest.mark.parametrize("held", [0.0, STABLE_AFTER / 2])
def test_where_all_were_tried_it_waits_longer_each_time(node: OmnyShellNode, held: float) -> None:
    node._hubs = cast("Any", MagicMock(is_round_over=True))
    delays = [node._usual_delay(held) for _ in range(100)]
    assert min(delays) >= SHORTEST
    assert 2 * SPREAD < max(delays) <= SHORT_OUTAGE_CEILING


def test_a_node_without_a_hub_yet_waits_as_for_one_that_comes_back(node: OmnyShellNode) -> None:
    assert node._usual_delay(None) >= SHORTEST
