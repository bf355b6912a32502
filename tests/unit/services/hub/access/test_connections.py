"""How many connections a principal may have, beside those of its nodes."""

from pathlib import Path
from typing import Any

import pytest

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import TokenAuthenticator
from omnyshell.services.hub.access.connections import ConnectionAdmission
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import Allowance, Resource
from omnyshell.transport.endpoint import EndpointLimits

ANN = Principal(PrincipalId("ann"), frozenset({"developer"}))
BOX = Principal(PrincipalId("box"), frozenset({"node"}))
ADMIN = Principal(PrincipalId("root"), frozenset({"admin"}))


def config(connections: int = 1000, **changes: Any) -> HubConfig:
    limits = EndpointLimits(max_connections=connections)
    return HubConfig(cert=Path(), key=Path(), authenticator=TokenAuthenticator(), endpoint=limits, **changes)


class World:
    """A hub's connections, with what its nodes hold."""

    def __init__(self, connections: int, ids: int = 0, **changes: Any) -> None:
        settings = config(connections, **changes)
        self.quota = Quota.of(settings)
        self.admission = ConnectionAdmission(settings, self.quota, lambda _who: ids)

    def connect(self, who: Principal, most: int = 1000) -> int:
        """Connect as often as one may; returns how often that was."""
        for count in range(most):
            if self.admission.problem(who):
                return count
            self.quota.connected(who)
        return most


def test_one_gets_half_and_the_reserve_is_for_administrators() -> None:
    world = World(16)
    assert world.connect(ANN) == 8
    assert world.connect(Principal(PrincipalId("bob"))) == 6
    assert world.connect(ADMIN, 2) == 2


@pytest.mark.parametrize(("ids", "more"), [(0, 3), (2, 3), (5, 5)])
def test_connections_of_nodes_that_one_has_or_may_have_do_not_count(ids: int, more: int) -> None:
    limits = (Allowance({Resource.CONNECTIONS: 2}, frozenset({"box", "ann"})),)
    assert World(1000, ids, node_ids=3, quotas=limits).connect(BOX) == 2 + more
    assert World(1000, ids, node_ids=3, quotas=limits).connect(ANN) == 2


def test_a_reload_changes_how_many_there_are() -> None:
    world = World(16)
    assert world.connect(ANN) == 8
    world.admission.follow(config(40))
    assert world.connect(ANN) == 12
    world.admission.follow(config(4))
    assert world.admission.problem(ANN)
