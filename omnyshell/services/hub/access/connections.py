"""Decides how many connections a principal may have."""

from collections.abc import Callable

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.services.hub.access.quota import Pool, Quota
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import Resource


class ConnectionAdmission:
    """Checks a principal that is about to log in."""

    def __init__(self, config: HubConfig, quota: Quota, count_of_ids: Callable[[PrincipalId], int]) -> None:
        """`count_of_ids` returns how many node ids a principal has."""
        self._size = config.endpoint.max_connections
        self._quota = quota
        self._count_of_ids = count_of_ids

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self._size = config.endpoint.max_connections

    def problem(self, who: Principal) -> str:
        """Why a principal gets no further connection, "" if it does; the connections of its nodes do not count."""
        quota, nodes = self._quota, 0
        if who.may_register_nodes:
            nodes = max(quota.limits.limit(who, Resource.NODE_IDS), self._count_of_ids(who.id))
        held = max(0, quota.connections_of(who.id) - nodes)
        return quota.problem(who, Resource.CONNECTIONS, held, Pool(self._size, quota.connections))
