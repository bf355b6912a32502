"""The service of PAM on a machine of the tests' own, and what a keeper leaves beside sessions that PAM opened."""

import os
import re
from contextlib import suppress
from pathlib import Path

from support.keepers import KeeperProcess, RawNode
from support.people import Machine
from support.system import until

from omnyshell.keeper import wire

CALM = "auth required pam_permit.so\naccount required pam_permit.so\n"
"""What lets everybody in."""

ANN = "ann\n\n\n"


class Service:
    """The service file of a machine, and what its modules tell."""

    def __init__(self, machine: Machine, place: Path) -> None:
        self.place = place
        self.file = machine.pam / "omnyshell"
        self.heard = place / "heard"
        self._script = place / "tell"
        place.chmod(0o755)
        facts = '"$PAM_TYPE $PAM_USER $PAM_RUSER $PAM_RHOST $PAM_TTY $1"'
        self._script.write_text(f"#!/bin/sh\necho {facts} >> {self.heard}\n")
        self._script.chmod(0o755)

    def says(self, *lines: str, calm: str = CALM) -> None:
        self.heard.unlink(missing_ok=True)
        self.file.write_text(calm + "".join(f"{line}\n" for line in lines))

    def telling(self, phase: str, control: str = "required", word: str = "") -> str:
        """A line of the service that has each of its calls written down."""
        return f"{phase} {control} pam_exec.so {self._script} {word}"

    def calls(self) -> list[str]:
        return self.heard.read_text().splitlines() if self.heard.exists() else []

    def phases(self) -> list[str]:
        return [line.split()[0] for line in self.calls()]

    def wait_for_close(self, count: int = 1) -> None:
        until(lambda: self.phases().count("close_session") == count)


def begun(node: RawNode, session: bytes, line: str, kind: bytes = wire.PIPES, whose: str = ANN) -> dict[str, int]:
    """The descriptors of a shell of a user's that runs a line, and its process."""
    request = node.start_request(session, b"", b"-c", line.encode(), kind=kind, env=(), cwd=b"", whose=whose.encode())
    said = node.ask(*request)
    assert said[0] == wire.OK, said
    return node.named(said) | {"pid": int(said[1])}


def over(node: RawNode, session: bytes, found: dict[str, int]) -> bytes:
    """Wait for the end of a session, and forget it; return how it ended."""
    code = node.exit_of(session)
    node.ask(wire.FORGET, session)
    for name, fd in found.items():
        if name != "pid":
            os.close(fd)
    return code


def attendants(keeper: KeeperProcess) -> set[int]:
    """The processes that a keeper's children left beside programs."""
    found = set()
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            is_ours = place.name.isdecimal() and bytes(keeper.directory) in (place / "cmdline").read_bytes()
            if is_ours and (place / "comm").read_text() == "omnyshell-pam\n":
                found.add(int(place.name))
    return found


def attendant_of(keeper: KeeperProcess, pid: int) -> int:
    """The process that stays beside a program: it has the program's pidfd."""

    def found() -> list[int]:
        return [each for each in attendants(keeper) if pid in _pidfds(each)]

    until(lambda: len(found()) == 1)
    return found()[0]


def _pidfds(process: int) -> set[int]:
    found = set()
    for entry in Path(f"/proc/{process}/fdinfo").iterdir():
        text = entry.read_text()
        found |= {int(number) for number in re.findall(r"^Pid:\t(\d+)", text, re.MULTILINE)}
    return found
