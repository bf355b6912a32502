"""Why nothing is started where a machine, or this process, has too little of something: with what helps."""

import errno
import os

from omnyshell.errors import ErrorCodes, SessionRejectedException

_REMEDIES = {
    errno.EAGAIN: "there are as many processes as may be (TasksMax= of the service, pids.max, ulimit -u)",
    errno.EMFILE: "there are as many open files as may be (LimitNOFILE= of the service, ulimit -n)",
    errno.ENFILE: "the machine has as many open files as may be (fs.file-max)",
    errno.ENOMEM: "the machine, or the service, has no memory left (MemoryMax=)",
    errno.ENOSPC: "a disk is full, or there are as many terminals as may be (kernel.pty.max)",
}
_BY_TEXT = {os.strerror(number): remedy for number, remedy in _REMEDIES.items()}
"""As a keeper says them, which speaks in the words of this system."""


def not_started(what: str, reason: str) -> SessionRejectedException:
    """Return the refusal of something that cannot be started, for a reason in the system's words.

    Its code is `capacity_exceeded` where something has run out, so that another attempt may go well, and `bad_request`
    for what is wrong with what was asked for.
    """
    remedy = _BY_TEXT.get(reason)
    if remedy is None:
        return SessionRejectedException(f"{what}: {reason}", code=ErrorCodes.BAD_REQUEST)
    return SessionRejectedException(f"{what}: {reason}: {remedy}", code=ErrorCodes.CAPACITY_EXCEEDED)
