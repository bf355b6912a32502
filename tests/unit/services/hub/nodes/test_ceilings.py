"""Which labels the hub sets for node ids: those of its configuration before those of admins."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.enrolments import owners_in_memory
from support.fake_peers import FakePeer

from omnyshell import NodeRegister, NodeRegistry, PlatformInfo
from omnyshell.security.authenticators import TokenAuthenticator
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.event_bus import HubEvent, LocalEventBus, NodeEvent
from omnyshell.services.hub.nodes.ceilings import LabelCeilings


def config(**labels: dict[str, str]) -> HubConfig:
    return HubConfig(cert=Path(), key=Path(), authenticator=TokenAuthenticator(), node_labels=labels)


class World:
    """A registry with one node, and the labels that admins set."""

    def __init__(self, configured: HubConfig, **by_admins: dict[str, str]) -> None:
        self.by_admins, self.told = by_admins, list[HubEvent]()
        bus = LocalEventBus()
        bus.listen(self.told.append)
        self.registry = NodeRegistry(None, {}, bus)
        store = cast("Any", SimpleNamespace(node_labels=lambda: self.by_admins))
        self.ceilings = LabelCeilings(configured, store, self.registry)
        self.registry.begin(owners_in_memory(), self.ceilings.all())
        register = NodeRegister(node_id="n1", platform=PlatformInfo(os="linux", arch="x64"))
        self.registry.enter(cast("Any", FakePeer("box-1", "node")), register)
        self.told.clear()

    @property
    def of_node(self) -> dict[str, str]:
        node = self.registry.find("n1")
        assert node is not None
        return node.hub_labels


def test_the_configuration_comes_before_admins_and_both_count() -> None:
    world = World(config(n1={"env": "prod"}), n1={"env": "dev", "team": "a"}, n2={"env": "dev"})
    assert world.of_node == {"env": "prod", "team": "a"}
    assert world.registry.hub_labels["n2"] == {"env": "dev"}


def test_what_an_admin_sets_takes_effect_below_the_configuration() -> None:
    world = World(config(n1={"env": "prod"}))
    world.ceilings.set("n1", {"env": "dev", "team": "b"})
    assert world.of_node == {"env": "prod", "team": "b"}
    world.ceilings.set("n1", {})
    assert world.of_node == {"env": "prod"}


def test_a_reload_takes_labels_over_for_connected_nodes_and_tells_of_those_that_changed() -> None:
    world = World(config(n1={"env": "prod"}, n3={"a": "b"}), n1={"env": "dev"})
    world.ceilings.follow(config(n3={"a": "b"}))
    assert world.of_node == {"env": "dev"}
    assert world.told == [NodeEvent("n1")]


def test_a_registry_without_owners_gives_no_id_away() -> None:
    registry = NodeRegistry(None, {}, LocalEventBus())
    register = NodeRegister(node_id="n1", platform=PlatformInfo(os="linux", arch="x64"))
    with pytest.raises(RuntimeError, match="has not begun"):
        registry.ask(cast("Any", FakePeer("box-1", "node")), register)
