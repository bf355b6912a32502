"""An admin's requests about members, where a hub is alone and where it is one of several."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from omnyshell.protocol.messages.admin import HubInvite, HubInvited, HubRemove
from omnyshell.services.hub.admin.hub_members import ALONE, HubMembers
from omnyshell.services.hub.admin.plans import AdminRefusedException, Plan
from omnyshell.services.hub.truth.member_changes import RemoveMember

UNTIL = datetime(2026, 3, 14, tzinfo=UTC) + timedelta(days=1)


class Hubs:
    """Hub `b` of three, which founds if told so."""

    hub, founder = "b", "a"

    def __init__(self, *, founds: bool = False) -> None:
        self.founds = founds

    def hubs(self) -> tuple[str, ...]:
        return "a", "b", "c"

    def has_founded(self) -> bool:
        return self.founds

    def invite(self, hub: str) -> tuple[str, datetime]:
        return f"omnyhub-{hub}", UNTIL

    def bar(self, hub: str) -> str:
        return f"bar {hub}"


def asked(request: HubInvite | HubRemove, hubs: Hubs | None) -> Plan:
    members = HubMembers()
    members.membership = hubs
    return members.plans[type(request)](request, cast("Any", None))


@pytest.mark.parametrize("request_type", [HubInvite, HubRemove])
def test_what_a_hub_refuses(request_type: type[HubInvite | HubRemove]) -> None:
    for hub, hubs, why in (("d", None, ALONE), ("D!" * 99, Hubs(), "is no hub's id")):
        with pytest.raises(AdminRefusedException, match=why):
            asked(request_type(request_id="r", hub=hub), hubs)


def test_only_the_hub_that_founded_has_an_invitation() -> None:
    invited = HubInvite(request_id="r", hub="d")
    elsewhere, here = asked(invited, Hubs()), asked(invited, Hubs(founds=True))
    assert elsewhere.do() == HubInvited(request_id="r", founder="a")
    assert elsewhere.fields == {"detail": "d, for which hub 'a' is to be asked"}
    assert here.do() == HubInvited(request_id="r", founder="a", invitation="omnyhub-d", expires_at=UNTIL)
    assert (here.action, here.fields, here.changes) == ("hub.invite", {"detail": "d"}, ())
    with pytest.raises(AdminRefusedException, match="is a hub already"):
        asked(HubInvite(request_id="r", hub="c"), Hubs())


def test_another_hub_is_removed_and_never_this_one() -> None:
    plan = asked(HubRemove(request_id="r", hub="c"), Hubs())
    assert (plan.action, plan.fields, plan.changes) == ("hub.remove", {"detail": "c"}, (RemoveMember("c"),))
    answer: Any = plan.do()
    assert (answer.ok, answer.message) == (True, "bar c")
    for hub, why in (("b", "itself: ask another"), ("d", "is no member; members are a, b, c")):
        with pytest.raises(AdminRefusedException, match=why):
            asked(HubRemove(request_id="r", hub=hub), Hubs())
