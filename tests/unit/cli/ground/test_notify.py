"""What systemd is told, on a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stack import until

from omnyshell.cli.ground.notify import SOCKET, WATCHDOG, WATCHDOG_PID, ServiceManager


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        monkeypatch.setenv(SOCKET, str(tmp_path / "notify"))
        yield channel


def words(channel: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(channel.recv(100).decode())
        except BlockingIOError:
            return found


async def test_ready_and_stopping_are_said_once_each(heard: socket.socket) -> None:
    manager = ServiceManager()
    assert words(heard) == []
    async with manager.told():
        assert words(heard) == ["READY=1"]
    assert words(heard) == ["STOPPING=1"]


async def test_a_watchdog_hears_of_it_as_long_as_the_loop_runs(
    heard: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WATCHDOG, "2000")
    monkeypatch.setenv(WATCHDOG_PID, str(os.getpid()))
    said: list[str] = []
    async with ServiceManager().told():
        await until(lambda: said.extend(words(heard)) or said.count("WATCHDOG=1") >= 3)


@pytest.mark.parametrize(("name", "value"), [(WATCHDOG_PID, "1"), (WATCHDOG, "soon"), (WATCHDOG, "-5")])
async def test_a_watchdog_that_is_not_meant_for_it_or_makes_no_sense_is_left_alone(
    heard: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(WATCHDOG, "2000")
    monkeypatch.setenv(name, value)
    async with ServiceManager().told():
        pass
    assert words(heard) == ["READY=1", "STOPPING=1"]


async def test_what_it_starts_has_nothing_to_tell(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WATCHDOG, "2000")
    ServiceManager()
    assert not {SOCKET, WATCHDOG, WATCHDOG_PID} & set(os.environ)


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens"])
async def test_where_nobody_listens_nothing_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(SOCKET, address)
    async with ServiceManager().told():
        pass
