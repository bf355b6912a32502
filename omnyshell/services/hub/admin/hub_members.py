"""An admin lets another hub in, or has one be no member any more."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from omnyshell.ids import is_hub_id
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import AdminResult, HubInvite, HubInvited, HubRemove
from omnyshell.services.hub.admin.plans import SHOWN, AdminRefusedException, Plan, Plans, Reads
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.member_changes import RemoveMember

ALONE = "this hub is alone: docs/cluster.md says how it becomes the first of several"


class Membership(Protocol):
    """What this hub is among others. Its methods raise `ConfigException`."""

    hub: str
    founder: str

    def hubs(self) -> Collection[str]:
        """Return the members."""

    def has_founded(self) -> bool:
        """Tell whether the keys from which invitations come are here."""

    def invite(self, hub: str) -> tuple[str, datetime]:
        """Make what a hub joins by; return it, and until when it is good. Call it where `has_founded`."""

    def bar(self, hub: str) -> str:
        """Have the engine's servers know a hub no more, and return what is to be done for it now."""


class HubMembers:
    """Answers for a hub that is alone until it is given its `membership`."""

    def __init__(self) -> None:
        self.membership: Membership | None = None
        self.reads: Reads = {}
        self.plans: Plans = {HubInvite: self._invite, HubRemove: self._remove}

    def _invite(self, ask: HubInvite, _admin: Peer) -> Plan:
        own = self._several()
        _check(ask.hub)
        if ask.hub in own.hubs():
            raise AdminRefusedException(f"'{ask.hub}' is a hub already: remove it first, if it is to come anew")

        def do() -> ControlMessage:
            answer = HubInvited(request_id=ask.request_id, founder=own.founder)
            if own.has_founded():
                answer.invitation, answer.expires_at = own.invite(ask.hub)
            return answer

        asked = "" if own.has_founded() else f", for which hub '{own.founder}' is to be asked"
        return Plan("hub.invite", {"detail": f"{ask.hub}{asked}"}, do)

    def _remove(self, ask: HubRemove, _admin: Peer) -> Plan:
        own = self._several()
        _check(ask.hub)
        if ask.hub == own.hub:
            raise AdminRefusedException(f"this hub is '{own.hub}' itself: ask another one, which goes on")
        if ask.hub not in own.hubs():
            raise AdminRefusedException(f"'{ask.hub}' is no member; members are {', '.join(own.hubs())}")

        def do() -> ControlMessage:
            return AdminResult(request_id=ask.request_id, ok=True, message=own.bar(ask.hub))

        return Plan("hub.remove", {"detail": ask.hub}, do, (RemoveMember(ask.hub),))

    def _several(self) -> Membership:
        if self.membership is None:
            raise AdminRefusedException(ALONE)
        return self.membership


def _check(hub: str) -> None:
    if not is_hub_id(hub):
        raise AdminRefusedException(f"'{hub[:SHOWN]}' is no hub's id: 1 to 32 lower-case letters, digits and '-'")
