"""Locks of principals, nodes and roles (docs/extensions.md#locks)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import LockInfo
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import LOCKS
from omnyshell.protocol.messages.admin.base import AdminRequest


class LocksRequest(AdminRequest, kw_only=True):
    """Asks for what is locked."""

    TYPE: ClassVar[str] = "admin.locks.request"
    NEEDS: ClassVar[str] = LOCKS


class LocksResponse(AdminRequest, kw_only=True):
    """What is locked, by kind and name."""

    TYPE: ClassVar[str] = "admin.locks.response"

    locks: tuple[LockInfo, ...] = ()


class LockAdd(AdminRequest, kw_only=True):
    """Locks a principal, a node or a role, for a time or until the lock is removed; `kind` is a `LockKind`."""

    TYPE: ClassVar[str] = "admin.lock.add"
    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    name: Annotated[str, ANSWERED]
    why: Annotated[str, OMIT, ANSWERED] = ""
    ttl_seconds: Annotated[int | None, OMIT, ANSWERED] = None


class LockRemove(AdminRequest, kw_only=True):
    """Removes a lock."""

    TYPE: ClassVar[str] = "admin.lock.remove"
    NEEDS: ClassVar[str] = LOCKS

    kind: Annotated[str, ANSWERED]
    name: Annotated[str, ANSWERED]
