"""Servers of the engine that are reached over TLS: whoever the named authority did not sign is not spoken to."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.engine import Engine, running_engine
from support.stack import Certificates

from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.nats import connection
from omnyshell.services.hub.cluster.nats.connection import Credential, EngineConnection


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


async def test_nothing_is_signed_for_who_does_not_ask_for_tls_where_the_url_says_so(
    tmp_path: Path,
) -> None:
    signed: list[str] = []
    with running_engine(tmp_path / "engine") as bare:
        asks = bare.urls[0].replace("nats://", "tls://")
        credential: Any = SimpleNamespace(jwt=bare.credential("a").jwt, signature=signed.append)
        wary = EngineConnection((asks,), credential, "a")
        wary.start()
        try:
            async with asyncio.timeout(DEADLINE):
                while "does not ask for TLS" not in wary.problems.get(asks, ""):
                    await asyncio.sleep(0.02)
            assert not wary.is_connected
            assert not signed
        finally:
            await wary.aclose()


async def test_each_server_that_cannot_be_reached_is_told_of_once_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_engine(tmp_path / "engine") as bare:
        credential = bare.credential("a")
        nobody, stranger = "nats://127.0.0.1:1", Credential(f"{credential.jwt[:-4]}AAAA", credential.key)
        connection = EngineConnection((nobody, *bare.urls), stranger, "a")
        connection.start()
        try:
            async with asyncio.timeout(DEADLINE):
                while "does not know this hub" not in connection.problems.get(bare.urls[0], ""):
                    await asyncio.sleep(0.02)
        finally:
            await connection.aclose()
        assert "Connect call failed" in connection.problems[nobody]
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(told) == len(set(told))


async def test_whatever_listens_in_a_servers_place_is_tried_again_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LEAST_PAUSE", 0.01)
    for said in (b"x" * 200_000, b"INFO []\r\n", b"INFO \xff\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        came = asyncio.Semaphore(0)

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.release()  # noqa: B023 - it is called before the next one
            writer.write(said)  # noqa: B023
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
            url = f"nats://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            patient = EngineConnection((url,), Credential("jwt", Ed25519PrivateKey.generate()), "a")
            patient.start()
            try:
                async with asyncio.timeout(DEADLINE):
                    for _ in range(3):
                        await came.acquire()
                assert patient.problems[url], said[:20]
            finally:
                await patient.aclose()


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", 1)
    with pytest.raises(ConfigException, match="whom to trust"):
        EngineConnection(("tls://127.0.0.1:1",), engine.credential("a"), "a", tmp_path / "none.pem")
