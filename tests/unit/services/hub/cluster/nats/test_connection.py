"""A server of the engine that is left."""

import asyncio
from typing import Any, cast

import pytest
from nats.aio.client import Client

from omnyshell.services.hub.cluster.nats import connection


class Transport:
    """Notes whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Leaving:
    """A client whose server does not take leave, as one that was stopped."""

    def __init__(self) -> None:
        self._transport = Transport()

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.0)
    client: Any = Leaving()
    await connection.close(cast("Client", client))
    assert client._transport.is_closed
