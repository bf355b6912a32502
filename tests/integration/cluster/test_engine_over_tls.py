"""Servers of the engine that are reached over TLS: whoever the named authority did not sign is not spoken to."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.engine import Engine, running_engine
from support.stack import Certificates

from omnyshell.errors import ConfigException
from omnyshell.services.hub.cluster.nats.connection import EngineConnection


@pytest.fixture
def secure_engine(certificates: Certificates, tmp_path: Path) -> Iterator[Engine]:
    with running_engine(tmp_path / "engine", tls=certificates) as started:
        yield started


async def test_a_server_is_trusted_by_the_authority_that_is_named(
    secure_engine: Engine, certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "omnyshell.cluster")
    other = Certificates.made(tmp_path / "other", "127.0.0.1")
    trusting = EngineConnection(secure_engine.urls, secure_engine.credential("a"), "a", certificates.ca)
    wary = EngineConnection(secure_engine.urls, secure_engine.credential("b"), "b", other.ca)
    try:
        wary.start()
        trusting.start()
        async with asyncio.timeout(DEADLINE):
            while not trusting.is_connected or "CERTIFICATE_VERIFY_FAILED" not in caplog.text:
                await asyncio.sleep(0.02)
        assert not wary.is_connected
    finally:
        await trusting.aclose()
        await wary.aclose()


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", 1)
    with pytest.raises(ConfigException, match="whom to trust"):
        EngineConnection(("tls://127.0.0.1:1",), engine.credential("a"), "a", tmp_path / "none.pem")
