"""The example of an audit sink, without a hub."""

import asyncio
from datetime import UTC, datetime

import pytest
from support.deadline import DEADLINE

from examples import audit_sink
from omnyshell import AuditRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def record(action: str, outcome: str = "ok", reason: str = "") -> AuditRecord:
    return AuditRecord(NOW, action, outcome, principal="ann", address="192.0.2.1", reason=reason)


async def no_rest(_seconds: float) -> None:
    return None


async def test_what_cannot_be_delivered_is_tried_again_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    heard = asyncio.Event()
    failures = [OSError("no way there"), OSError("no way there")]

    async def deliver(text: str) -> None:
        if failures:
            raise failures.pop()
        said.append(text)
        if len(said) == 2:
            heard.set()

    monkeypatch.setattr(audit_sink.asyncio, "sleep", no_rest)
    alarms = audit_sink.Alarms(deliver)
    for each in (record("auth.ok"), record("auth.fail", "denied"), record("lock.add")):
        alarms.take(each)
    delivering = asyncio.create_task(alarms.run())
    async with asyncio.timeout(DEADLINE):
        await heard.wait()
    delivering.cancel()
    assert said == ["auth.fail · denied · ann at 192.0.2.1", "lock.add · ok · ann at 192.0.2.1"]


async def test_a_flood_of_records_costs_bounded_memory_and_the_newest_are_told() -> None:
    said: list[str] = []
    alarms = audit_sink.Alarms(lambda text: asyncio.sleep(0, said.append(text)))
    for number in range(audit_sink.MOST_WAITING + 7):
        alarms.take(record("session.rejected", "denied", str(number)))
    delivering = asyncio.create_task(alarms.run())
    async with asyncio.timeout(DEADLINE):
        while len(said) < audit_sink.MOST_WAITING:
            await asyncio.sleep(0)
    delivering.cancel()
    assert len(said) == audit_sink.MOST_WAITING
    assert said[0].endswith(" · 7")
