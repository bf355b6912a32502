"""Where the hub of this machine may listen, by which name others dial it, and what is said about it."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from omnyshell.errors import ConfigException, Remedy
from omnyshell.services.local import listening
from omnyshell.services.local.addresses import MachineAddress, machine_addresses
from omnyshell.services.local.listening import (
    Listening,
    checked_host,
    is_address,
    machine_names,
    read_listening,
    warning,
    write_listening,
)


def interface(*addresses: str) -> list[Any]:
    family = {True: socket.AF_INET6, False: socket.AF_INET}
    return [SimpleNamespace(family=family[":" in address], address=address) for address in addresses]


INTERFACES = {
    "lo": interface("127.0.0.1", "::1"),
    "docker0": interface("172.17.0.1"),
    "wlan0": interface("192.168.1.5", "fe80::1%wlan0", "fd00::5"),
    "eth0": interface("10.0.0.7", "169.254.3.4"),
    "eth1": interface("10.9.9.9"),
    "tun0": [SimpleNamespace(family=socket.AF_PACKET, address="00:00:00:00:00:00"), *interface("8.8.4.4")],
}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with several networks, one of which is down."""
    stats = {name: SimpleNamespace(isup=name != "eth1") for name in INTERFACES}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: INTERFACES)
    monkeypatch.setattr(psutil, "net_if_stats", lambda: stats)
    monkeypatch.setattr(
        "omnyshell.services.local.addresses._own_toward", lambda family: {socket.AF_INET: "192.168.1.5"}.get(family)
    )


def test_the_best_address_is_first_and_what_nobody_else_reaches_is_none() -> None:
    found = machine_addresses()
    assert [one.address for one in found] == ["192.168.1.5", "10.0.0.7", "8.8.4.4", "fd00::5", "172.17.0.1"]
    assert str(found[0]) == "192.168.1.5 (wlan0)"
    assert str(MachineAddress("8.8.4.4", "tun0")) == "8.8.4.4 (tun0, reached from the internet)"


@pytest.mark.parametrize(
    ("host", "also_on", "public", "is_loopback"),
    [
        ("localhost", (), "localhost", True),
        ("127.0.0.2", ("127.0.0.2",), "127.0.0.2", True),
        ("10.0.0.7", ("10.0.0.7",), "10.0.0.7", False),
        ("box.lan", ("box.lan",), "box.lan", False),
        ("0.0.0.0", ("0.0.0.0",), "192.168.1.5", False),
        ("::", ("",), "192.168.1.5", False),
    ],
)
def test_what_a_choice_means(host: str, also_on: tuple[str, ...], public: str, *, is_loopback: bool) -> None:
    chosen = Listening(host)
    assert (chosen.also_on, chosen.public_host, chosen.is_loopback) == (also_on, public, is_loopback)
    assert chosen.names[:3] == ("localhost", "127.0.0.1", "::1")
    assert public in chosen.names
    assert bool(warning(host)) is not is_loopback


def test_a_choice_is_kept_and_a_damaged_one_says_how_it_is_mended(tmp_path: Path) -> None:
    assert read_listening(tmp_path) == Listening()
    chosen = Listening("10.0.0.7", 8443, "a")
    write_listening(tmp_path, chosen)
    assert read_listening(tmp_path) == chosen
    of_wrong_form = ("", "{", '{"host": 3}', "[]", "[" * 10_000)
    for text in (*of_wrong_form, '{"host": ""}', '{"host": "a..b"}', '{"host": "x", "port": 0}'):
        (tmp_path / "listening.json").write_text(text)
        with pytest.raises(ConfigException, match=r"listening\.json is damaged") as damaged:
            read_listening(tmp_path)
        assert damaged.value.remedy is Remedy.CHOOSE_ADDRESS


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    def look_up(host: str, _port: None, **_: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(listening, "can_bind", lambda places: all(address[0] != "10.1.1.1" for _, address in places))


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("LOCALHOST", "localhost"),
        ("127.0.0.1", "localhost"),
        ("[::1]", "localhost"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::]", "::"),
        ("10.0.0.7", "10.0.0.7"),
        ("127.0.0.2", "127.0.0.2"),
        ("Box.lan.", "box.lan"),
        ("[FD00::5]", "fd00::5"),
    ],
)
def test_a_host_of_this_machine_is_taken(monkeypatch: pytest.MonkeyPatch, said: str, host: str) -> None:
    names = {one: [one] for one in ("10.0.0.7", "127.0.0.2", "fd00::5")} | {"box.lan": ["10.0.0.7", "127.0.1.1"]}
    resolving(monkeypatch, names)
    assert checked_host(said) == host


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("10.1.1.1", "10.1.1.1 is no address of this machine; it has 192.168.1.5, 10.0.0.7"),
        ("far.lan", "far.lan means 10.1.1.1, which is no address of this machine; it has"),
        ("box", "box means 127.0.1.1 here, where only this machine reaches it; it has"),
        ("nobody", "'nobody' is the name of no machine that is known here; it has"),
        ("wss://box:1", "'wss://box:1' is neither a name nor an address of this machine; it has"),
        ("", "'' is neither"),
    ],
)
def test_another_host_is_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch, said: str, problem: str) -> None:
    resolving(monkeypatch, {"10.1.1.1": ["10.1.1.1"], "far.lan": ["10.1.1.1"], "box": ["127.0.1.1"]})
    with pytest.raises(ConfigException) as refused:
        checked_host(said)
    assert str(refused.value).startswith(problem)


def test_names_of_this_machine_are_those_that_stand_for_an_address_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, {"Box.lan": [], "box.lan": ["10.0.0.7"], "box": ["127.0.1.1"]})
    monkeypatch.setattr(socket, "getfqdn", lambda: "Box.lan")
    for name, found in (("box", ["box.lan"]), ("localhost", ["box.lan"]), ("no name", ["box.lan"])):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert machine_names() == found
    assert [host for host in ("10.0.0.7", "fd00::5", "box.lan", "0.0.0.0", "::") if is_address(host)] == [
        "10.0.0.7",
        "fd00::5",
    ]
