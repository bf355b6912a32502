"""Who may register which node id, and what is kept of that."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.enrolments import owners_in_memory
from support.fake_peers import FakePeer

from omnyshell import (
    AuthorizationException,
    ConfigException,
    NodeRegister,
    NodeRegistry,
    PlatformInfo,
    ProtocolException,
)
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.log import SqliteLog


def register(node_id: str = "n1", **extra: Any) -> NodeRegister:
    return NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), **extra)


def test_a_registration_is_checked_owned_and_taken_over() -> None:
    registry = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
    first, second, other = FakePeer("box", "node"), FakePeer("box", "node"), FakePeer("eve", "node")
    with pytest.raises(ProtocolException):
        registry.ask(first, register("a/b"))
    asked, claim = registry.ask(first, register(" n1 "))
    assert claim.now()
    assert registry.enter(first, asked)[0].node_id == "n1"
    with pytest.raises(ChangeRefusedException):
        registry.ask(other, register("n1"))[1].now()
    with pytest.raises(AuthorizationException):
        registry.ask(FakePeer("ann", "developer"), register("n2"))
    older = registry.enter(second, register("n1"))[1]
    assert older is not None
    assert older.peer is first
    assert registry.remove(first) is None
    assert registry.find("n1") is not None
    registry.remove(second)
    assert registry.find("n1") is None


def test_ownership_of_node_ids_survives_a_restart(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        assert NodeOwners(file, SqliteLog(file)).claim("n1", "box").now() == 1
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        owners = NodeOwners(file, SqliteLog(file))
        with pytest.raises(ChangeRefusedException):
            owners.claim("n1", "eve").now()
        owners.claim("n1", "box").now()
    # Of ids that are known nothing is written, whatever has become of the disk.
    owners.claim("n1", "box").now()
    with pytest.raises(ChangeRefusedException):
        owners.claim("n1", "eve").now()
    with pytest.raises(ConfigException):
        owners.claim("n2", "box").now()
    assert (tmp_path / "hub.sqlite3").stat().st_mode & 0o777 == 0o600
