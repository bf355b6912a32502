"""The hub's own table: whole, and no way for a peer to say what is another role's."""

import inspect
from typing import Any
from unittest.mock import MagicMock

import pytest
from support.admin_rooms import admin_members, admin_service

from omnyshell.protocol.messages.base import Role, Way
from omnyshell.services.hub.message_table import KNOWN, hub_codec, message_table
from omnyshell.services.hub.peers.handlers import MessageTable


def made(**rooms: Any) -> MessageTable:
    """The table over rooms that do nothing; what administrators may ask is the real list."""
    names = inspect.signature(message_table).parameters
    admin = admin_service()
    return message_table(**{**dict.fromkeys(names, MagicMock()), "admin": admin, **rooms})


def test_a_hub_reads_the_messages_of_the_table_and_no_others() -> None:
    assert {kind.TYPE for kind in KNOWN} == hub_codec().message_types


def test_a_request_of_administrators_that_nobody_plans_keeps_the_hub_from_starting() -> None:
    admin = admin_service(admin_members()[1:])
    with pytest.raises(ValueError, match=r"^dealt with by nobody: admin\.hub\.request of a client, "):
        made(admin=admin)


def test_no_role_can_say_what_is_said_by_another() -> None:
    allowed = {
        Way.CLIENT_TO_HUB: {Role.CLIENT},
        Way.CLIENT_TO_NODE: {Role.CLIENT},
        Way.NODE_TO_HUB: {Role.NODE},
        Way.NODE_TO_CLIENT: {Role.NODE},
        Way.EXPOSER_TO_HUB: {Role.NODE, Role.CLIENT},
        Way.CHANNEL: {Role.NODE, Role.CLIENT},
    }
    for declared in KNOWN:
        said_by = {role for role, handlers in TABLE.items() if declared in handlers}
        assert said_by == allowed.get(declared.WAY, set()), declared.TYPE


TABLE = made()


def test_what_two_members_of_the_administration_deal_with_is_named() -> None:
    members = admin_members()
    with pytest.raises(ValueError, match=r"^dealt with twice: admin\.audit\.acknowledge, admin\.audit\.request$"):
        admin_service([*members, members[1]])
