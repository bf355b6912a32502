"""The table of messages: each that a role sends has one handler, and no handler waits for what nobody may send."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.protocol.messages import ChannelClose, ControlMessage, NodeHeartbeat, Ping, SessionOpen, SessionOpened
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.peers.handlers import Handlers, MessageTable, whole_table

KNOWN = (ChannelClose, NodeHeartbeat, Ping, SessionOpen, SessionOpened)
OF_NODES = (NodeHeartbeat, ChannelClose)
OF_CLIENTS = (SessionOpen, ChannelClose)


def handle(*_: object) -> None:
    """Stands for a handler."""


def handlers(*kinds: type[ControlMessage]) -> Handlers:
    return dict.fromkeys(kinds, handle)


WHOLE: MessageTable = {Role.NODE: handlers(*OF_NODES), Role.CLIENT: handlers(*OF_CLIENTS)}


def test_the_tables_of_rooms_are_joined_role_by_role() -> None:
    rooms = [{Role.NODE: handlers(kind)} for kind in OF_NODES] + [{Role.CLIENT: handlers(kind)} for kind in OF_CLIENTS]
    assert whole_table(KNOWN, rooms) == WHOLE


def test_a_message_that_is_sent_and_that_nobody_deals_with_is_named() -> None:
    with pytest.raises(ValueError, match=r"^dealt with by nobody: channel\.close of a client$"):
        whole_table(KNOWN, [{Role.NODE: handlers(*OF_NODES), Role.CLIENT: handlers(SessionOpen)}])


def test_a_message_that_two_rooms_deal_with_is_named() -> None:
    with pytest.raises(ValueError, match=r"^dealt with twice: channel\.close of a node$"):
        whole_table(KNOWN, [WHOLE, {Role.NODE: handlers(ChannelClose)}])


@in_one_test(
    ("role", "kind"),
    [(Role.NODE, SessionOpen), (Role.CLIENT, NodeHeartbeat), (Role.CLIENT, SessionOpened), (Role.NODE, Ping)],
    ids=lambda value: getattr(value, "TYPE", value),
)
def test_a_handler_for_what_a_role_does_not_send_is_named(role: Role, kind: type[ControlMessage]) -> None:
    with pytest.raises(ValueError, match=f"^not sent by that role: {kind.TYPE} of a {role}$"):
        whole_table(KNOWN, [WHOLE, {role: handlers(kind)}])


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"twice: .*; dealt with by nobody: .*, .*; not sent by that role: "):
        whole_table(KNOWN, [{Role.NODE: handlers(SessionOpen)}, {Role.NODE: handlers(SessionOpen)}])
