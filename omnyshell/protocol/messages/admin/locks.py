"""Locks of principals, nodes and roles (docs/extensions.md#locks)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import LockInfo
from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import LOCKS
from omnyshell.protocol.messages.admin.base import AdminRequest


class LocksRequest(AdminRequest, kw_only=True):
    """Asks for what is locked."""

    TYPE: ClassVar[str] = "admin.locks.request"
    """client -> hub"""

    NEEDS: ClassVar[str] = LOCKS


class LocksResponse(AdminRequest, kw_only=True):
    """What is locked, by kind and name."""

    TYPE: ClassVar[str] = "admin.locks.response"
    """hub -> client"""

    LISTS: ClassVar[str] = "locks"

    locks: tuple[LockInfo, ...] = ()
    """The locks, sorted by kind and name."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many are not told of, as there was no room."""


class LockAdd(AdminRequest, kw_only=True):
    """Locks a principal, a node or a role, for a time or until the lock is removed."""

    TYPE: ClassVar[str] = "admin.lock.add"
    """client -> hub"""

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
    """client -> hub"""

    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    """`principal`, `node` or `role`."""

    name: Annotated[str, ANSWERED]
    """Which of that kind."""
