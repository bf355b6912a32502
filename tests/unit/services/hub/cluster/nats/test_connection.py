"""A server of the engine that is left."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.aio.client import Client

from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.nats import connection
from omnyshell.services.hub.cluster.order.order import EngineAwayException, Place


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


class Answering:
    """A client whose server gives one answer to all."""

    is_connected = True

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def request(self, *_args: Any, **_how: Any) -> Any:
        return SimpleNamespace(data=self._answer)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"{}", "does not say where"),
        (b'{"seq":"x"}', "cannot be read"),
        (b'{"error":"no"}', "cannot be read"),
        (b'{"error":{"err_code":"x"}}', "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"error":{"code":503,"err_code":10076,"description":"none leads"}}', "none leads"),
    ],
)
async def test_what_answers_no_record_is_told_as_that_the_engine_is_away(answer: bytes, problem: str) -> None:
    credential = connection.Credential("", Ed25519PrivateKey.generate())
    engine = connection.EngineConnection(("nats://127.0.0.1:1",), credential, "a")
    engine._client = cast("Client", Answering(answer))
    with pytest.raises(EngineAwayException, match=problem):
        await engine.publish("subject", b"", Place(last=0))
