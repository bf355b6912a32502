"""What a node says of its machine, with psutil and without."""

import asyncio
import os
import shutil
import sys
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from support.deadline import DEADLINE

from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.messages.vitals import NodeVitalsRequest
from omnyshell.services.node.vitals import machine
from omnyshell.services.node.vitals.machine import VitalsAnswers, read_vitals


def memory(total: int, available: int) -> SimpleNamespace:
    return SimpleNamespace(virtual_memory=lambda: SimpleNamespace(total=total, available=available))


def test_with_psutil_memory_is_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", memory(1000, 400))
    vitals = read_vitals()
    assert (vitals.memory_total, vitals.memory_used, vitals.memory_share) == (1000, 600, 60.0)


def test_without_psutil_what_the_standard_library_knows_is_said_and_nothing_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.524, 1.0, 12.349))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=200, used=50))
    vitals = read_vitals()
    assert (vitals.memory_total, vitals.memory_used, vitals.memory_share) == (None, None, None)
    assert vitals.loads == (0.52, 1.0, 12.35)
    assert vitals.disk_share == 25.0
    assert vitals.uptime_seconds is not None
    assert vitals.kernel
    assert vitals.os


def test_what_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Any:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", fail)
    monkeypatch.setattr(shutil, "disk_usage", fail)
    monkeypatch.setattr(machine, "_system", lambda: "\x1b]0;x\x07" * 100)
    vitals = read_vitals()
    assert (vitals.load, vitals.loads, vitals.disk_share) == (None, (), None)
    assert MachineVitals.from_wire(vitals.to_wire()) == vitals


async def test_a_question_is_answered_from_a_thread_and_a_second_one_not_beside_it() -> None:
    go_on, told = Event(), asyncio.Queue[bytes]()

    def read() -> MachineVitals:
        go_on.wait(DEADLINE)
        return MachineVitals(cpus=2)

    answers = VitalsAnswers(read)
    for id_ in ("a", "b"):
        answers.answer(NodeVitalsRequest(request_id=id_), lambda said: told.put_nowait(encode_control(said)))
    go_on.set()
    async with asyncio.timeout(DEADLINE):
        assert await told.get() == b'{"t":"node.vitals.response","d":{"requestId":"a","vitals":{"cpus":2}}}'
        answers.answer(NodeVitalsRequest(request_id="c"), lambda said: told.put_nowait(encode_control(said)))
        assert b'"c"' in await told.get()
    assert told.empty()


async def test_what_cannot_be_read_once_is_read_again(caplog: pytest.LogCaptureFixture) -> None:
    told = asyncio.Queue[bytes]()
    found: list[MachineVitals] = []

    def read() -> MachineVitals:
        return found.pop()

    answers = VitalsAnswers(read)
    async with asyncio.timeout(DEADLINE):
        answers.answer(NodeVitalsRequest(request_id="a"), lambda said: told.put_nowait(encode_control(said)))
        assert await told.get() == b'{"t":"node.vitals.response","d":{"requestId":"a","vitals":{}}}'
        found.append(MachineVitals(cpus=2))
        answers.answer(NodeVitalsRequest(request_id="b"), lambda said: told.put_nowait(encode_control(said)))
        assert b'"cpus":2' in await told.get()
    assert "cannot be read" in caplog.text
