"""Which nodes `omnyshell run` means."""

from types import SimpleNamespace
from typing import cast

import pytest

from omnyshell.cli.sessions.run import _nodes
from omnyshell.errors import ConfigException
from omnyshell.services.client.client import OmnyShellClient

NOBODY = cast("OmnyShellClient", None)


class Connected:
    """A hub's two nodes, of which labels choose one."""

    async def list_nodes(self, labels: dict[str, str]) -> list[SimpleNamespace]:
        return [SimpleNamespace(node_id=name) for name in (("a",) if labels else ("a", "b"))]


async def test_named_nodes_are_meant_once() -> None:
    assert await _nodes(NOBODY, {}, "b, a,,b") == ["a", "b"]


@pytest.mark.parametrize("names", ["a,\udcff", "a,\x1b[2J", "a b", "x" * 256])
async def test_what_is_no_node_id_is_said_before_anything_runs(names: str) -> None:
    with pytest.raises(ConfigException, match="is no node id"):
        await _nodes(NOBODY, {}, names)


@pytest.mark.parametrize("names", ["", ",", " , "])
async def test_no_name_is_no_node(names: str) -> None:
    with pytest.raises(ConfigException, match="no connected node is meant"):
        await _nodes(NOBODY, {}, names)


async def test_labels_choose_among_named_nodes_and_excuse_none_that_is_not_connected() -> None:
    hub = cast("OmnyShellClient", Connected())
    assert await _nodes(hub, {"env": "prod"}, None) == ["a"]
    assert await _nodes(hub, {"env": "prod"}, "a,b,gone") == ["a", "gone"]
    with pytest.raises(ConfigException, match="is no node id"):
        await _nodes(hub, {"env": "prod"}, "a,b c")
