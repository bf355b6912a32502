"""Locks of principals, nodes and roles (docs/extensions.md#locks)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import LockInfo
from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import LOCKS
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way


class LocksRequest(AdminRequest, kw_only=True):
    """Asks for what is locked."""

    TYPE: ClassVar[str] = "admin.locks.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = LOCKS


class LocksResponse(AdminRequest, kw_only=True):
    """What is locked, by kind and name."""

    TYPE: ClassVar[str] = "admin.locks.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "locks"

    locks: tuple[LockInfo, ...] = ()
    """The locks, sorted by kind and name."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class LockAdd(AdminRequest, kw_only=True):
    """Locks a principal, a node or a role, for a time or until the lock is removed."""

    TYPE: ClassVar[str] = "admin.lock.add"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    """`principal`, `node` or `role`."""

    name: Annotated[str, ANSWERED]
    """Which of that kind."""

    why: Annotated[str, OMIT, ANSWERED] = ""
    """The reason: one line of 256 printable characters at most."""

    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None
    """For how long; until it is removed where it is missing."""


class LockRemove(AdminRequest, kw_only=True):
    """Removes a lock."""

    TYPE: ClassVar[str] = "admin.lock.remove"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    """`principal`, `node` or `role`."""

    name: Annotated[str, ANSWERED]
    """Which of that kind."""
