"""Sessions of other principals: who may reach them, what their owners are told, and what the audit says."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs
from support.memory_hub import PLATFORM, MemoryHub, MemoryPeer
from support.others_sessions import ABSENT, CHOICES, OLD, others_hub, shell, take_over
from support.stack import Certificates

from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, SessionState
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import EVENTS, OF_HUB, SESSION_USAGE
from omnyshell.protocol.messages.events import (
    NodeLiveSessionsRequest,
    NodeLiveSessionsResponse,
)


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    with others_hub(certificates) as made:
        yield made


@pytest.fixture
def node(hub: MemoryHub) -> MemoryPeer:
    node = hub.registers(labels={"allow-roles": "developer"})
    node.says(m.NodeCapabilitiesMessage(features=("exec", "shell", "detach")))
    return node


def audited(hub: MemoryHub, pattern: str) -> list[tuple[str, str, str, str]]:
    return [(one.action, one.outcome, one.principal, one.detail) for one in hub.audited(pattern)]


REQUESTS: dict[str, tuple[str, Any, type[m.ControlMessage]]] = {
    "watch": (
        "watch",
        lambda: m.SessionScreenRequest(request_id="r", node_id="n1", session_ref=ABSENT, owner="dev"),
        m.NodeSessionScreenRequest,
    ),
    "list": (
        "watch",
        lambda: m.DetachedSessionsRequest(request_id="r", node_id="n1", owner="dev"),
        m.NodeDetachedSessionsRequest,
    ),
    "list all": (
        "watch",
        lambda: m.DetachedSessionsRequest(request_id="r", node_id="n1", everyone=True),
        NodeLiveSessionsRequest,
    ),
    "detach": (
        "watch",
        lambda: m.ActiveSessionDetachRequest(request_id="r", node_id="n1", session_ref=ABSENT, owner="dev"),
        m.NodeActiveSessionDetach,
    ),
    "kill": (
        "kill",
        lambda: m.DetachedSessionKillRequest(request_id="r", node_id="n1", session_ref=ABSENT, owner="dev"),
        m.NodeDetachedSessionKillRequest,
    ),
    "take over": (
        "shell",
        lambda: m.SessionOpen(node_id="n1", mode="shell", resume_session_id=ABSENT, owner="dev"),
        m.NodeSessionOpen,
    ),
    "take over by default": (
        "shell",
        lambda: m.SessionOpen(node_id="n1", resume_session_id=ABSENT, owner="dev"),
        m.NodeSessionOpen,
    ),
}


def test_every_request_under_every_choice_of_rights(hub: MemoryHub, node: MemoryPeer) -> None:
    for chosen in CHOICES:
        client = hub.logs_in("-".join(("p", *chosen)))
        for channel, (name, (right, make, asked)) in enumerate(REQUESTS.items(), 1):
            before = len(node.heard(asked))
            client.says(make(), channel if "over" in name else None)
            assert len(node.heard(asked)) - before == (right in chosen and "others" in chosen), (chosen, name)
        client.vanishes()
    missing = {detail.split()[0] for _, outcome, _, detail in audited(hub, "*") if outcome == "denied" and detail}
    assert missing == {"watch", "shell", "kill", "others"}


def test_a_role_that_a_node_lists_reaches_ones_own_sessions_alone(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    dev.says(m.SessionScreenRequest(request_id="r", node_id="n1", session_ref=ABSENT, owner="admin"))
    told = dev.hears(m.SessionScreenResponse).message or ""
    assert told == "Not authorized: it takes the role admin (you have developer)"
    dev.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=ABSENT, owner="admin"), 1)
    refused = dev.hears(m.SessionRejected, 1)
    assert refused.reason == "not_authorized"
    assert refused.message.startswith("Not authorized to reach other people's sessions on 'n1'")
    assert audited(hub, "session.*") == [
        ("session.peek", "denied", "dev", f"others {ABSENT} of admin"),
        ("session.rejected", "denied", "dev", "others of admin"),
    ]


def test_whoever_has_it_taken_over_is_named_to_the_owner_and_in_the_audit(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    channel = take_over(hub, admin, node, session_id, before)
    told = dev.hears(m.SessionDetached, 1)
    assert (told.session_id, told.taken_by) == (session_id, "admin")
    admin.sends(9, b"id\n")
    assert node.data(channel) == b"id\n"
    assert audited(hub, "session.*")[1:] == [
        ("session.detach", "ok", "dev", "shell taken by admin"),
        ("session.resume", "ok", "admin", "shell of dev"),
    ]
    # The owner takes it back, and the other is told who did.
    dev.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=session_id), 2)
    again, _ = node.hears_at(m.NodeSessionOpen)
    node.says(m.NodeSessionDetached(session_id=session_id), channel)
    node.says(m.NodeSessionOpened(session_id=session_id), again)
    assert dev.hears(m.SessionOpened, 2).session_id == session_id
    assert admin.hears(m.SessionDetached, 9).taken_by == "dev"


def test_ones_own_detach_and_a_client_that_does_not_know_the_word_are_told_no_name(
    hub: MemoryHub, node: MemoryPeer
) -> None:
    dev, old, admin = hub.logs_in("dev"), hub.logs_in("dev", features=OLD), hub.logs_in("admin")
    mine, session_id = shell(hub, dev, node)
    dev.says(m.SessionDetachRequest(), 1)
    node.says(m.NodeSessionDetached(session_id=session_id), mine)
    assert dev.hears(m.SessionDetached, 1).taken_by == ""
    theirs, other_id = shell(hub, old, node)
    take_over(hub, admin, node, other_id, theirs)
    assert old.hears(m.SessionDetached, 1).taken_by == ""


@pytest.mark.parametrize("reason", [*CloseReason, "made up", None])
def test_what_was_taken_over_goes_on_without_the_one_who_took_it(
    hub: MemoryHub, node: MemoryPeer, reason: str | None
) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    channel = take_over(hub, admin, node, session_id, before)
    if reason is None:
        admin.vanishes()
    else:
        admin.says(m.ChannelClose(reason=reason), 9)
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_DISCONNECTED
    assert audited(hub, "session.close") == [("session.close", "ok", "admin", "shell of dev")]


def test_breaking_the_rules_ends_no_session_of_somebody_else(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    channel = take_over(hub, admin, node, session_id, before)
    for _ in range(5):
        admin.sends(9, bytes(60_000))
    assert admin.hears(m.ChannelClose, 9).reason == CloseReason.ERROR
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_DISCONNECTED


def test_a_node_that_answers_too_late_keeps_what_was_to_be_taken_over(hub: MemoryHub, node: MemoryPeer) -> None:
    admin = hub.logs_in("admin")
    admin.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=ABSENT, owner="dev"), 9)
    channel, _ = node.hears_at(m.NodeSessionOpen)
    hub.passes(31)
    assert admin.hears(m.SessionRejected, 9).reason == "timeout"
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_DISCONNECTED


def test_the_end_of_its_program_is_confirmed_by_whoever_has_it(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    channel = take_over(hub, admin, node, session_id, before)
    node.says(m.ChannelExit(exit_code=0), channel)
    admin.says(m.ChannelClose(reason=CloseReason.NORMAL), 9)
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.NORMAL


def test_who_may_not_have_it_any_more_leaves_it_to_its_owner(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, helper = hub.logs_in("dev"), hub.logs_in("p-shell-others")
    before, session_id = shell(hub, dev, node)
    channel = take_over(hub, helper, node, session_id, before)
    hub.logs_in("admin").asks(m.admin.LockAdd, kind="principal", name="p-shell-others")
    assert helper.hears(m.ChannelClose, 9).reason == CloseReason.ERROR
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_DISCONNECTED
    assert not node.heard(m.NodeDetachedSessionKillRequest)


def test_it_ends_with_its_owners_right_whoever_has_it(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    take_over(hub, admin, node, session_id, before)
    dev.leaves()
    admin.asks(m.admin.LockAdd, kind="principal", name="dev")
    asked = node.hears(m.NodeDetachedSessionKillRequest)
    assert (asked.principal, asked.session_ref) == ("dev", session_id)


def test_who_takes_one_over_does_not_become_its_owner_for_good(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    before, session_id = shell(hub, dev, node)
    take_over(hub, admin, node, session_id, before)
    admin.leaves()
    kept = hub.hub._services.kept.find("n1", session_id)
    assert (kept.owner.id, kept.evidence) == ("dev", dev_evidence(hub))


def dev_evidence(hub: MemoryHub) -> Any:
    (peer,) = hub.hub._services._peers.of("dev")
    return peer.evidence


@pytest.mark.parametrize("what", ["kill", "detach"])
def test_the_owner_is_told_who_ended_or_detached_it(hub: MemoryHub, node: MemoryPeer, what: str) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    channel, session_id = shell(hub, dev, node)
    named = {"request_id": "r", "node_id": "n1", "session_ref": session_id[:8], "owner": "dev"}
    if what == "kill":
        admin.says(m.DetachedSessionKillRequest(**named))
        asked = node.hears(m.NodeDetachedSessionKillRequest)
        node.says(m.ChannelClose(reason=CloseReason.NODE_CLOSED), channel)
        node.says(m.NodeDetachedSessionKillResponse(request_id=asked.request_id, ok=True, message="done"))
        assert dev.hears(m.ChannelClose, 1).message == "admin ended this session"
        assert admin.hears(m.DetachedSessionKillResponse).ok
    else:
        admin.says(m.ActiveSessionDetachRequest(**named, timeout_seconds=1))
        asked = node.hears(m.NodeActiveSessionDetach)
        assert asked.timeout_seconds is None, "how long it waits is the owner's to say"
        node.says(m.NodeSessionDetached(session_id=session_id), channel)
        node.says(m.NodeActiveSessionDetachResponse(request_id=asked.request_id, ok=True, short_id=session_id[:8]))
        assert dev.hears(m.SessionDetached, 1).taken_by == "admin"
    assert asked.principal == "dev"
    assert audited(hub, f"session.{what}")[-1] == (f"session.{what}", "ok", "admin", f"{session_id[:8]} of dev")


def test_a_kill_of_ones_own_names_nobody(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    channel, session_id = shell(hub, dev, node)
    dev.says(m.DetachedSessionKillRequest(request_id="r", node_id="n1", session_ref=session_id))
    node.says(m.ChannelClose(reason=CloseReason.NODE_CLOSED), channel)
    assert dev.hears(m.ChannelClose, 1).message is None


def test_only_what_is_there_has_an_owner(hub: MemoryHub, node: MemoryPeer) -> None:
    admin = hub.logs_in("admin")
    for channel, fields in enumerate(({"owner": "dev"}, {"owner": "a\nb", "resume_session_id": ABSENT}), 1):
        admin.says(m.SessionOpen(node_id="n1", mode="shell", **fields), channel)
        assert admin.hears(m.SessionRejected, channel).reason == "bad_request"
    admin.says(m.SessionScreenRequest(request_id="r", node_id="n1", session_ref=ABSENT, owner="a\nb"))
    assert admin.hears(m.SessionScreenResponse).message == "No principal has such a name"
    assert not node.heard(m.NodeSessionOpen)


def info(session_id: str, owner: str) -> DetachedSessionInfo:
    return DetachedSessionInfo(
        session_id=session_id,
        short_id=session_id[:8],
        node_id="elsewhere",
        owner_user_id=owner,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        state=SessionState.DETACHED,
    )


def test_everyones_sessions_are_listed_with_their_owners(hub: MemoryHub, node: MemoryPeer) -> None:
    admin = hub.logs_in("admin")
    admin.says(m.DetachedSessionsRequest(request_id="r", node_id="n1", everyone=True))
    # The hub had asked for itself as well.
    asked = node.heard(NodeLiveSessionsRequest)[-1]
    node.says(NodeLiveSessionsResponse(request_id=asked.request_id, sessions=(info(ABSENT, "dev"),)))
    (told,) = admin.hears(m.DetachedSessionsResponse).sessions
    assert (told.owner_user_id, told.node_id) == ("dev", "n1")
    assert audited(hub, "session.list") == [("session.list", "ok", "admin", "of everyone")]


def test_a_node_that_cannot_list_everyones_lists_one_owners(hub: MemoryHub) -> None:
    node, admin = hub.logs_in("box", "node", OF_HUB - {EVENTS}), hub.logs_in("admin")
    node.says(m.NodeRegister(node_id="n1", platform=PLATFORM))
    admin.says(m.DetachedSessionsRequest(request_id="r", node_id="n1", everyone=True))
    assert "owners alone" in (admin.hears(m.DetachedSessionsResponse).refused or "")
    admin.says(m.DetachedSessionsRequest(request_id="q", node_id="n1", owner="dev"))
    asked = node.hears(m.NodeDetachedSessionsRequest)
    assert asked.principal == "dev"
    listed = (info(ABSENT, "dev"), info(ABSENT, "admin"))
    node.says(m.NodeDetachedSessionsResponse(request_id=asked.request_id, sessions=listed))
    assert [told.owner_user_id for told in admin.hears(m.DetachedSessionsResponse).sessions] == ["dev"]


def test_who_detached_it_once_is_not_told_when_its_owner_does(hub: MemoryHub, node: MemoryPeer) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    channel, session_id = shell(hub, dev, node)
    admin.says(m.ActiveSessionDetachRequest(request_id="r", node_id="n1", session_ref="", owner="dev"))
    asked = node.hears(m.NodeActiveSessionDetach)
    node.says(m.NodeSessionDetached(session_id=session_id), channel)
    node.says(m.NodeActiveSessionDetachResponse(request_id=asked.request_id, ok=True, short_id=session_id[:8]))
    hub.passes(1)
    dev.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=session_id), 2)
    again, _ = node.hears_at(m.NodeSessionOpen)
    node.says(m.NodeSessionOpened(session_id=session_id), again)
    dev.says(m.SessionDetachRequest(), 2)
    node.says(m.NodeSessionDetached(session_id=session_id), again)
    assert dev.hears(m.SessionDetached, 2).taken_by == ""


@pytest.mark.parametrize("kind", ["kill", "detach"])
def test_the_owner_is_told_who_did_it_though_the_node_answers_before(
    hub: MemoryHub, node: MemoryPeer, kind: str
) -> None:
    dev, admin = hub.logs_in("dev"), hub.logs_in("admin")
    channel, session_id = shell(hub, dev, node)
    named = {"request_id": "r", "node_id": "n1", "session_ref": session_id[:8], "owner": "dev"}
    if kind == "kill":
        admin.says(m.DetachedSessionKillRequest(**named))
        asked = node.hears(m.NodeDetachedSessionKillRequest)
        node.says(m.NodeDetachedSessionKillResponse(request_id=asked.request_id, ok=True))
        node.says(m.ChannelClose(reason=CloseReason.NODE_CLOSED, message="elsewhere"), channel)
        assert dev.hears(m.ChannelClose, 1).message == "admin ended this session"
        return
    admin.says(m.ActiveSessionDetachRequest(**named))
    asked = node.hears(m.NodeActiveSessionDetach)
    node.says(m.NodeActiveSessionDetachResponse(request_id=asked.request_id, ok=True, short_id=session_id[:8]))
    node.says(m.NodeSessionDetached(session_id=session_id), channel)
    assert dev.hears(m.SessionDetached, 1).taken_by == "admin"


@pytest.mark.parametrize("named", ["0b0e1f1e", "0B0E-1f1e", ABSENT])
def test_a_node_takes_up_what_it_was_asked_for_and_nothing_else(hub: MemoryHub, node: MemoryPeer, named: str) -> None:
    dev = hub.logs_in("dev")
    others = (ABSENT.replace("0b", "0c", 1), ABSENT.replace("0b0e1f1e", "0b0e1f1f"))
    for channel, answered in enumerate((ABSENT, *others), 1):
        dev.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=named), channel)
        at_node, _ = node.hears_at(m.NodeSessionOpen)
        node.says(m.NodeSessionOpened(session_id=answered), at_node)
        if channel == 1:
            assert dev.hears(m.SessionOpened, channel).session_id == ABSENT
        else:
            assert dev.hears(m.SessionRejected, channel).reason == "session_rejected"
            assert node.hears(m.ChannelClose, at_node).reason == CloseReason.ERROR


def test_what_a_detach_or_a_list_says_of_another_session_is_not_passed_on(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    channel, session_id = shell(hub, dev, node)
    dev.says(m.ActiveSessionDetachRequest(request_id="r", node_id="n1", session_ref=session_id[:12]))
    asked = node.hears(m.NodeActiveSessionDetach)
    node.says(m.NodeSessionDetached(session_id=ABSENT, short_id=ABSENT[:8]), channel)
    node.says(m.NodeActiveSessionDetachResponse(request_id=asked.request_id, ok=True, short_id=ABSENT[:8]))
    told = dev.hears(m.SessionDetached, 1)
    assert (told.session_id, told.short_id) == (session_id, session_id[:8])
    assert dev.hears(m.ActiveSessionDetachResponse).short_id is None
    dev.says(m.DetachedSessionsRequest(request_id="q", node_id="n1"))
    asked = node.hears(m.NodeDetachedSessionsRequest)
    lying = structs.replace(info(session_id, "dev"), short_id=ABSENT[:8])
    node.says(m.NodeDetachedSessionsResponse(request_id=asked.request_id, sessions=(lying,)))
    assert [one.short_id for one in dev.hears(m.DetachedSessionsResponse).sessions] == [session_id[:8]]


@pytest.mark.parametrize("everyone", [False, True])
@pytest.mark.parametrize(
    ("of_client", "of_node", "is_wanted"),
    [(True, True, True), (True, True, False), (True, False, True), (False, True, True)],
)
def test_what_sessions_take_is_told_to_who_asks_where_all_know_of_it(
    hub: MemoryHub, everyone: bool, of_client: bool, of_node: bool, is_wanted: bool
) -> None:
    usage = {"memory": 4096, "cpu_millis": 20, "processes": 3}
    node = hub.logs_in("box", "node", OF_HUB if of_node else OF_HUB - {SESSION_USAGE})
    node.says(m.NodeRegister(node_id="n1", platform=PLATFORM))
    admin = hub.logs_in("admin", features=OF_HUB if of_client else OF_HUB - {SESSION_USAGE})
    admin.says(m.DetachedSessionsRequest(request_id="r", node_id="n1", everyone=everyone, usage=is_wanted))
    kind, answer = (
        (NodeLiveSessionsRequest, NodeLiveSessionsResponse)
        if everyone
        else (m.NodeDetachedSessionsRequest, m.NodeDetachedSessionsResponse)
    )
    asked = node.heard(kind)[-1]
    is_told = of_client and of_node and is_wanted
    assert asked.usage is is_told
    # A node that tells in any case is not passed on.
    node.says(answer(request_id=asked.request_id, sessions=(structs.replace(info(ABSENT, "admin"), **usage),)))
    (told,) = admin.hears(m.DetachedSessionsResponse).sessions
    assert (told.memory, told.cpu_millis, told.processes) == (tuple(usage.values()) if is_told else (None, None, None))


def test_a_screen_that_nobody_could_know_is_not_unchanged(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    dev.says(m.SessionScreenRequest(request_id="r", node_id="n1", session_ref=ABSENT))
    asked = node.hears(m.NodeSessionScreenRequest)
    node.says(m.NodeSessionScreenResponse(request_id=asked.request_id, ok=True, screen="eA==", same=True))
    assert not dev.hears(m.SessionScreenResponse).same
    assert audited(hub, "session.peek") == [("session.peek", "ok", "dev", ABSENT)]


def test_a_denial_is_audited_in_words_that_no_terminal_obeys(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    hostile = "\x1b[2J\u202e\n" + "a" * 5_000
    dev.says(m.SessionScreenRequest(request_id="r", node_id="n1", session_ref=hostile, owner=hostile))
    dev.says(m.SessionOpen(node_id="n1", resume_session_id=hostile, owner=hostile, command=hostile), 1)
    assert {record.outcome for record in hub.audited("session.*")} == {"denied", "error"}
    for record in hub.audited("session.*"):
        texts = structs.asdict(record)
        del texts["at"], texts["command"]
        assert all(text.isprintable() and len(text) <= 1_027 for text in texts.values()), record
