"""Which messages a role's service deals with: each in one place."""

import pytest

from omnyshell.protocol.messages import ChannelClose, ChannelEof, Ping
from omnyshell.services.hub.peers.role_service import merged


def handle(*_: object) -> None:
    """Stands for a handler."""


def test_a_message_that_two_tables_deal_with_is_found_when_they_are_put_together() -> None:
    tables = {Ping: handle}, {ChannelEof: handle}
    assert merged(*tables) == {Ping: handle, ChannelEof: handle}
    with pytest.raises(ValueError, match=r"dealt with twice: channel\.eof"):
        merged(*tables, {ChannelEof: handle, ChannelClose: handle})
