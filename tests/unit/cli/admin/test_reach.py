"""What is said, and offered, before an invite names a hub that no other machine reaches."""

import io
import sys
from typing import Any

import pytest

from omnyshell.cli.admin import reach
from omnyshell.services.local import listen, listening
from omnyshell.services.local.addresses import MachineAddress
from omnyshell.services.local.listening import Listening
from omnyshell.services.local.setup import LocalSetup, Running
from omnyshell.transport.connection import HubAddress

HERE = [MachineAddress("192.168.1.5", "wlan0"), MachineAddress("8.8.4.4", "ppp0")]
OURS = HubAddress("localhost", 8443)
ALONE = "omnyshell: the hub listens on the loopback alone, so no other machine can use this invite\n"


class Machine:
    """This machine, its hub, and who sits before it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = "localhost"
        self.addresses = HERE
        self.listened: list[str] = []
        monkeypatch.setattr(LocalSetup, "running", lambda _: Running(1, 8443, "vm", host=self.host))
        for module in (reach, listening):
            monkeypatch.setattr(module, "machine_addresses", lambda: self.addresses)
        monkeypatch.setattr(reach, "listen_from_now_on", self._listen)
        monkeypatch.setattr("omnyshell.cli.ground.prompts.can_ask", lambda: True)
        self._patch = monkeypatch
        self.answers("")

    def _listen(self, _: Any, host: str) -> Listening:
        self.listened.append(host)
        self.host = host
        return Listening(host)

    def answers(self, text: str | None) -> None:
        terminal = io.StringIO(text or "")
        terminal.isatty = lambda: text is not None  # type: ignore[method-assign]
        self._patch.setattr(sys, "stdin", terminal)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("answers", "host", "named"),
    [("1\n", "192.168.1.5", "192.168.1.5"), ("0\n4\nx\n", "", "localhost"), ("\n", "", "localhost"),
     ("9\n2\n", "8.8.4.4", "8.8.4.4"), ("8.8.4.4\n", "8.8.4.4", "8.8.4.4"), ("3\n", "::", "192.168.1.5")],
)  # fmt: skip
def test_somebody_at_a_terminal_chooses_an_address(
    machine: Machine, capsys: pytest.CaptureFixture[str], answers: str, host: str, named: str
) -> None:
    machine.answers(answers)
    assert reach.address_for_others(OURS) == HubAddress(named, 8443)
    assert machine.listened == ([host] if host else [])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"{ALONE}It can listen on an address of this machine too, from now on:\n"
        "  1  192.168.1.5 (wlan0)\n  2  8.8.4.4 (ppp0, reached from the internet)\n"
        "  3  all of them, and those that it gets later\nWhich, 1 to 3? Enter leaves it as it is: "
    )
    assert ("can try to log in from now on" in err) is bool(host)


@pytest.mark.parametrize("addresses", [HERE, []])
def test_a_script_is_told_and_gets_its_line(
    machine: Machine, capsys: pytest.CaptureFixture[str], addresses: list[MachineAddress]
) -> None:
    machine.answers(None)
    machine.addresses = addresses
    assert reach.address_for_others(OURS) == OURS
    such = ", as 192.168.1.5 (wlan0)" if addresses else ", and it has none that others could reach"
    told = f"omnyshell: `omnyshell up --host ADDRESS` has it listen on one of this machine{such}\n"
    assert capsys.readouterr().err == ALONE + told
    assert machine.listened == []


def test_a_hub_that_others_reach_is_named_as_they_dial_it(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    far = HubAddress("hub.example", 443)
    assert reach.address_for_others(far) == far
    machine.host = "box.lan"
    assert reach.address_for_others(OURS) == HubAddress("box.lan", 8443)
    assert machine.listened == []
    # The addresses of all of them may be others than when it began to listen there.
    machine.host = "0.0.0.0"
    assert reach.address_for_others(HubAddress("127.0.0.1", 8443)) == HubAddress("192.168.1.5", 8443)
    assert machine.listened == ["0.0.0.0"]
    assert capsys.readouterr().err == ""


def test_another_hub_on_this_machine_is_named_by_its_operator(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    other = HubAddress("127.0.0.1", 9443)
    assert reach.address_for_others(other) == other
    assert capsys.readouterr().err == (
        "omnyshell: no other machine can use this invite: it names 127.0.0.1; "
        "give --hub with the name by which others dial the hub\n"
    )


def test_only_the_hub_of_this_machine_is_taken_for_it(machine: Machine) -> None:
    assert listen.own_hub_at(LocalSetup.default(), HubAddress("10.0.0.1", 8443)) is None
    assert listen.own_hub_at(LocalSetup.default(), HubAddress("localhost", 8444)) is None
    assert listen.own_hub_at(LocalSetup.default(), OURS) is not None
