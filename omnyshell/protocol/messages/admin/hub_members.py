"""Which hubs are several: an admin lets one in, or has one be no member any more (docs/extensions.md#hub-members)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import HUB_ID_OR_NONE, HUB_INVITATION_OR_NONE
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import HUB_MEMBERS
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way


class HubInvite(AdminRequest, kw_only=True):
    """Asks for the line by which another hub joins, once. An earlier one for that hub counts no more."""

    TYPE: ClassVar[str] = "admin.hub.invite"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB
    NEEDS: ClassVar[str] = HUB_MEMBERS

    hub: Annotated[str, ANSWERED]
    """What the other hub is called: 1 to 32 lower-case letters, digits and '-'."""


class HubInvited(AdminRequest, kw_only=True):
    """The invitation; or which hub makes it, as none but the one that founded can."""

    TYPE: ClassVar[str] = "admin.hub.invite.created"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    founder: Annotated[str, HUB_ID_OR_NONE] = ""
    """The hub that founded, which has to run when the other one joins."""

    invitation: Annotated[str, OMIT, HUB_INVITATION_OR_NONE] = ""
    """What `omnyshell hub join` takes; empty where the hub that was asked is not that one."""

    expires_at: datetime | None = None
    """Until when it is good."""


class HubRemove(AdminRequest, kw_only=True):
    """Has another hub be no member any more: what it says later changes nothing, and its nodes are free."""

    TYPE: ClassVar[str] = "admin.hub.remove"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB
    NEEDS: ClassVar[str] = HUB_MEMBERS

    hub: Annotated[str, ANSWERED]
    """What that hub is called."""
