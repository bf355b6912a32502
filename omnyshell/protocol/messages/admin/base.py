"""The base of every request and answer of the extension `admin` (docs/extensions.md#admin)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import ID
from omnyshell.model.schema import FREE, OMIT
from omnyshell.protocol.extensions import ADMIN
from omnyshell.protocol.messages.base import ControlMessage, Way


class AdminRequest(ControlMessage, kw_only=True):
    """Base of the messages of the extension `admin`, requests and answers."""

    EXTENSION: ClassVar[str] = ADMIN

    ENDS: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `admin-ends`: a hub without it ignores them, and would grant for good what is meant for a
    time."""

    OF_TOKENS: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `security-keys`; a hub without it would take a hardware token's key for a plain one."""

    FLEET: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `fleet-invites`: a hub without it ignores them, and would make an invite for one
    machine."""

    NEEDS: ClassVar[str] = ""
    """The extension that the request needs beside `admin`; a hub without it drops the message unanswered."""

    request_id: Annotated[str, FREE]
    """Chosen by the client, and echoed in the answer."""


class AdminResult(AdminRequest, kw_only=True):
    """An action was done, or any request was refused."""

    TYPE: ClassVar[str] = "admin.result"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    ok: bool = False
    """Whether it was done."""

    code: Annotated[str | None, OMIT, FREE] = None
    """Why not, as a code."""

    message: Annotated[str | None, OMIT, FREE] = None
    """Why not, in words; or a remark on what was done."""

    id: Annotated[str | None, OMIT, ID] = None
    """What was made: a credential, a lock."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """Of `admin-ends`: when what was granted ends."""
