"""A hub that asks its peers for a sign of life, in raw JSON: both answer as a hub does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.raw_hub import hear_past_heartbeats, node_at_raw_hub, raw_hub
from support.raw_peer import RawPeer
from support.stack import Certificates, connected_client, within


@asynccontextmanager
async def client_at_raw_hub(certificates: Certificates, _state: Path) -> AsyncIterator[RawPeer]:
    """A client that is logged in, as its hub sees it."""
    async with raw_hub(certificates) as (port, logged_in), connected_client(certificates, port):
        yield await within(logged_in)


@pytest.mark.parametrize("peer", [client_at_raw_hub, node_at_raw_hub])
async def test_a_ping_is_answered(certificates: Certificates, tmp_path: Path, peer: Any) -> None:
    async with peer(certificates, tmp_path) as hub:
        for asked in ("first", "second"):
            await hub.say("ping", {"id": asked, "ts": "2026-01-02T03:04:05.678Z"})
            answer: Any = await hear_past_heartbeats(hub, "pong")
            assert datetime.fromisoformat(answer["d"].pop("serverTs")).tzinfo is not None
            assert answer == {"t": "pong", "d": {"id": asked, "ts": "2026-01-02T03:04:05.678Z"}}
