"""A hostile hub, and a machine whose commands wait for it a few seconds at most; a real hub for hostile nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cheaper_consoles import cheaper_consoles
from support.hostile_hub import HostileHub, hostile_hub
from support.hub_process import HubProcess
from support.logging_hub import logging_hub
from support.stack import Certificates
from support.victim import keep_patience


@pytest.fixture(scope="module")
def hostile(certificates: Certificates) -> Iterator[HostileHub]:
    """A hub that is honest until it is told otherwise."""
    with hostile_hub(certificates) as hub:
        yield hub


@pytest.fixture(scope="session", autouse=True)
def _cheaper_consoles() -> Iterator[None]:
    with cheaper_consoles():
        yield


@pytest.fixture
def machine(hostile: HostileHub, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ann's files are; she has the hub's address, a token and the authority."""
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "unix-home"))
    for directory in ("home", "unix-home", "cwd"):
        (tmp_path / directory).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    given = (("HUB", hostile.url), ("PRINCIPAL", "ann"), ("TOKEN", "secret"), ("CA", str(certificates.ca)))
    for name, value in given:
        monkeypatch.setenv(f"OMNYSHELL_{name}", value)
    keep_patience(monkeypatch)
    hostile.behave()
    return tmp_path


@pytest.fixture(scope="module")
def hub(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that logs all there is."""
    with logging_hub(certificates, tmp_path_factory) as process:
        yield process


@pytest.fixture
def admin(hub: HubProcess, machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine of that hub's administrator."""
    given = (("HUB", f"wss://127.0.0.1:{hub.port}"), ("PRINCIPAL", "admin"), ("TOKEN", "admin-token"))
    for name, value in given:
        monkeypatch.setenv(f"OMNYSHELL_{name}", value)
    return machine
