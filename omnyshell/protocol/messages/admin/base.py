"""What every request and answer of the extension `admin` has (docs/extensions.md#admin)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import ID
from omnyshell.model.schema import FREE, OMIT
from omnyshell.protocol.extensions import ADMIN
from omnyshell.protocol.messages.base import ControlMessage, Way


class AdminRequest(ControlMessage, kw_only=True):
    """What every request of an admin has."""

    EXTENSION: ClassVar[str] = ADMIN

    ENDS: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `admin-ends`: a hub without it would grant for good what is meant for a time."""

    FLEET: ClassVar[tuple[str, ...]] = ()
    """Fields of the extension `fleet-invites`: a hub without it would make an invite of another kind."""

    NEEDS: ClassVar[str] = ""
    """The extension of which the request is, beside `admin`; a hub without it drops what it does not know."""

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
    """Why not, in words; or what else is to be said."""

    id: Annotated[str | None, OMIT, ID] = None
    """What was made: a credential, a lock."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """Of `admin-ends`: when what was granted ends."""
