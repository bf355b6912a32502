"""Every request of a client that reaches for a node takes a right: none can be added without one."""

from typing import Any

from support.in_one_test import in_one_test
from support.message_samples import declarations

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import RIGHTS
from omnyshell.protocol.messages import (
    AiConfigRequest,
    ChannelClose,
    ChannelEof,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
    ControlMessage,
    DetachedSessionsRequest,
    DriveCredentialRequest,
    HttpProxyRequest,
    NodeListRequest,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
    SessionDetachRequest,
    SessionOpen,
    TunnelCloseRequest,
    TunnelListRequest,
    TunnelOpenRequest,
    admin,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.protocol.messages.detached import RELAYED_ANSWERS, ClientRequest
from omnyshell.protocol.messages.events import EventsSubscribe, EventsUnsubscribe
from omnyshell.protocol.messages.forwards import ForwardCloseRequest, ForwardDial, ForwardsRequest
from omnyshell.protocol.messages.history import NodeSessionHistoryResponse
from omnyshell.protocol.messages.vitals import SessionProcessesRequest, VitalsLook
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.rights import RIGHTS_TAKEN, right_of_session, right_taken, rights_taken
from omnyshell.services.hub.message_table import KNOWN
from omnyshell.services.hub.sessions import request_kinds

ON_A_CHANNEL_OF_ITS_OWN = {
    ChannelClose,
    ChannelEof,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
    ForwardDial,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
    SessionClipboard,
    SessionDetachRequest,
}
"""The session is judged when it is opened, and again whenever rights change; so is a tunnel."""

ABOUT_WHAT_IS_THE_CALLERS = {TunnelCloseRequest, TunnelListRequest, ForwardCloseRequest, ForwardsRequest}
FILTERED = {NodeListRequest, EventsSubscribe, EventsUnsubscribe, VitalsLook, admin.AccessRequest}
"""They tell of the nodes that the caller may know alone."""

UNSERVED = {AiConfigRequest, DriveCredentialRequest, HttpProxyRequest}
FOR_ADMINS = {message for message in admin.MESSAGES if message not in FILTERED}


def served() -> set[type[ControlMessage]]:
    return {declared for declared in KNOWN if Role.CLIENT in declared.WAY.senders}


def test_every_message_that_clients_may_send_takes_a_right_or_is_known_to_take_none() -> None:
    exempt = ON_A_CHANNEL_OF_ITS_OWN | ABOUT_WHAT_IS_THE_CALLERS | FILTERED | FOR_ADMINS
    assert served() - exempt - UNSERVED == set(RIGHTS_TAKEN)


def test_each_request_that_is_relayed_has_an_answer_that_counts_as_none() -> None:
    answers = {kind.answered_by for kind in request_kinds.KINDS.values()}
    assert answers == {*RELAYED_ANSWERS, NodeSessionHistoryResponse}


def test_every_request_that_names_a_node_takes_a_right_or_an_admin() -> None:
    from_clients = [
        declared
        for declared in declarations()
        if "node_id" in declared.__struct_fields__ and (issubclass(declared, ClientRequest) or declared in served())
    ]
    assert set(RIGHTS_TAKEN) <= set(from_clients)
    assert set(from_clients) <= set(RIGHTS_TAKEN) | FOR_ADMINS | FILTERED


def test_each_right_is_taken_by_a_request() -> None:
    beside_another = {Action.OTHERS}
    taken = {right for rights in RIGHTS_TAKEN.values() for right in rights}
    assert taken == set(Action) - beside_another


ME = Principal(PrincipalId("ann"))
ABOUT_SESSIONS = sorted(
    (kind for kind in RIGHTS_TAKEN if "owner" in kind.__struct_fields__), key=lambda kind: kind.TYPE
)


@in_one_test("declared", [declared for declared in ABOUT_SESSIONS if declared is not SessionOpen])
def test_each_request_about_sessions_takes_one_right_more_where_they_are_somebody_elses(declared: Any) -> None:
    one = RIGHTS_TAKEN[declared]
    named = {"request_id": "r", "node_id": "n1", "session_ref": "s"}
    fields = {name: value for name, value in named.items() if name in declared.__struct_fields__}
    for owner in (None, "", "ann"):
        assert rights_taken(declared(**fields, owner=owner), ME) == one
    assert rights_taken(declared(**fields, owner="bob"), ME) == (*one, Action.OTHERS)


def test_listing_everyones_sessions_takes_the_right_as_well() -> None:
    of_all = DetachedSessionsRequest(request_id="r", node_id="n1", everyone=True)
    assert rights_taken(of_all, ME) == (Action.WATCH, Action.OTHERS)


def test_every_request_about_sessions_says_whose_they_are() -> None:
    """But for one, which is answered with as much as the asker may see."""
    assert set(ABOUT_SESSIONS) == set(RIGHTS_TAKEN) - {TunnelOpenRequest, SessionProcessesRequest}


@in_one_test("declared", [declared for declared, rights in RIGHTS_TAKEN.items() if len(rights) == 1])
def test_a_request_takes_the_right_of_the_table(declared: type[ControlMessage]) -> None:
    assert (right_taken(declared),) == RIGHTS_TAKEN[declared]


@in_one_test("mode", [mode for mode in SessionMode if mode is not SessionMode.TUNNEL])
@in_one_test("resumes", [False, True])
@in_one_test("with_offsets", [False, True])
@in_one_test("features", [frozenset[str](), frozenset({RIGHTS})])
def test_what_is_resumed_is_a_shell_unless_the_node_holds_the_mode_against_it(
    mode: SessionMode, resumes: bool, with_offsets: bool, features: frozenset[str]
) -> None:
    request = SessionOpen(node_id="n1", mode=mode, resume_session_id="s" if resumes else None, command="sh")
    right = right_of_session(request, features, with_offsets=with_offsets)
    is_as_asked = not resumes or (with_offsets and bool(features))
    of_mode = {each: Action(each) for each in (SessionMode.SHELL, SessionMode.FORWARD, SessionMode.SSH)}
    of_mode = (of_mode | {SessionMode.SFTP: Action.FILES, SessionMode.AGENT: Action.AGENT}).get(mode, Action.EXEC)
    assert right is (of_mode if is_as_asked else Action.SHELL)
