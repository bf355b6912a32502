"""The configured limits of what one principal may use of a hub; `access/quota.py` applies them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from omnyshell.model.principals import NODE_PREFIX, Principal

EVERYBODY = "*"
"""Stands for all principals in an `Allowance`."""


class Resource(StrEnum):
    """What is limited for each principal, over all its connections and credentials.

    The values are the keys in `[[quotas]]`.
    """

    CONNECTIONS = "connections"
    CHANNELS = "channels"
    SESSIONS = "sessions"
    SESSIONS_AT_NODE = "sessions-at-node"
    FORWARDS = "forwards"
    TUNNELS = "tunnels"
    SUBSCRIPTIONS = "subscriptions"
    PENDING = "pending"
    REQUESTS = "requests"
    REFUSALS = "refusals"
    REPEATS = "repeats"
    NODE_IDS = "node-ids"
    UNFINISHED = "unfinished"
    QUEUED = "queued"


DEFAULTS: Mapping[Resource, int] = MappingProxyType(
    {
        Resource.CONNECTIONS: 128,
        Resource.CHANNELS: 4096,
        Resource.SESSIONS: 2000,
        Resource.SESSIONS_AT_NODE: 1000,
        Resource.FORWARDS: 2000,
        Resource.TUNNELS: 64,
        Resource.SUBSCRIPTIONS: 16,
        Resource.PENDING: 256,
        Resource.REQUESTS: 1000,
        Resource.REFUSALS: 60,
        Resource.REPEATS: 120,
        Resource.NODE_IDS: 20,
        Resource.UNFINISHED: 16,
        Resource.QUEUED: 64,
    }
)

NOUNS: Mapping[Resource, str] = MappingProxyType(
    {
        Resource.CONNECTIONS: "connections",
        Resource.CHANNELS: "channels",
        Resource.SESSIONS: "sessions",
        Resource.SESSIONS_AT_NODE: "sessions at one node",
        Resource.FORWARDS: "forwards and connections of these at one node",
        Resource.TUNNELS: "tunnels",
        Resource.SUBSCRIPTIONS: "subscriptions",
        Resource.PENDING: "requests that wait for nodes",
        Resource.REQUESTS: "requests a second",
        Resource.REFUSALS: "audited refusals a minute",
        Resource.REPEATS: "audited actions a minute that are alike",
        Resource.NODE_IDS: "node ids",
        Resource.UNFINISHED: "MiB of unfinished messages",
        Resource.QUEUED: "MiB that wait to be sent",
    }
)
"""The noun that each limit counts, for messages and documents."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Limits for the named principals, for those with one of the roles, or for all."""

    limits: Mapping[Resource, int]
    principals: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def rank(self, who: Principal) -> int:
        """How specifically a principal is matched: by name (3), by role (2), as one of all (1), or not (0)."""
        if who.id in self.principals:
            return 3
        if not self.roles.isdisjoint(who.roles):
            return 2
        return int(EVERYBODY in self.principals)


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """The limits in force."""

    node_ids: int = DEFAULTS[Resource.NODE_IDS]
    exceptions: tuple[Allowance, ...] = ()
    max_channels: int = 4096
    """The most channels of one connection."""

    def limit(self, who: Principal, resource: Resource) -> int:
        """The limit of a principal: from the allowance that matches most specifically, or the last of those."""
        exception = self._exception(who, resource)
        if exception is not None:
            return exception.limits[resource]
        if resource is Resource.NODE_IDS:
            return 1 if who.id.startswith(NODE_PREFIX) else self.node_ids
        return DEFAULTS[resource]

    def is_said(self, who: Principal, resource: Resource) -> bool:
        """Whether a limit is set for the principal by name or role. Only then may it exceed half of a shared pool."""
        exception = self._exception(who, resource)
        return exception is not None and exception.rank(who) > 1

    def _exception(self, who: Principal, resource: Resource) -> Allowance | None:
        if not self.exceptions:
            return None
        mine = [each for each in self.exceptions if resource in each.limits and each.rank(who)]
        return max(reversed(mine), key=lambda each: each.rank(who), default=None)
