"""What who asks hears where a machine has too little of something."""

import errno
import os

import pytest

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.keeper import wire
from omnyshell.services.node.keeper.client import Refusal
from omnyshell.services.node.keeper.kept_backend import _rejection
from omnyshell.services.node.processes.child import _spawn
from omnyshell.services.node.processes.local_backend import Launch
from omnyshell.services.node.sessions.registry import _said_to_client

SCARCE = {
    errno.EAGAIN: "ulimit -u",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "fs.file-max",
    errno.ENOMEM: "memory",
    errno.ENOSPC: "kernel.pty.max",
}


def said(number: int, monkeypatch: pytest.MonkeyPatch) -> list[SessionRejectedException]:
    """The refusal for an error of the system's, wherever something is started."""

    def fails(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    found = [_rejection(Launch(["sh"], {}, "/"), Refusal(wire.CANNOT, os.strerror(number)))]
    monkeypatch.setattr("subprocess.Popen", fails)
    with pytest.raises(SessionRejectedException) as of_child:
        _spawn(["sh"], {}, "/", (0, 1, 2))
    with pytest.raises(SessionRejectedException) as of_node, _said_to_client():
        fails()
    assert all(isinstance(each, SessionRejectedException) for each in found)
    return [*found, of_child.value, of_node.value]  # type: ignore[list-item]


def test_what_has_run_out_is_said_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, remedy in SCARCE.items():
        for exc in said(number, monkeypatch):
            assert exc.code == ErrorCodes.CAPACITY_EXCEEDED
            assert os.strerror(number) in exc.message
            assert remedy in exc.message
    for number in (errno.ENOENT, errno.EACCES, errno.E2BIG):
        for exc in said(number, monkeypatch):
            assert (exc.code, exc.message.rpartition(": ")[2]) == (ErrorCodes.BAD_REQUEST, os.strerror(number))
    full = _rejection(Launch(["sh"], {}, "/"), Refusal(wire.FULL, "The keeper holds 1000 sessions of this node"))
    assert isinstance(full, SessionRejectedException)
    assert full.code == ErrorCodes.CAPACITY_EXCEEDED
