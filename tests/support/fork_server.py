"""A process that has imported the package, and starts its programs by forks of itself: see `programs.py`.

It has no threads and imports nothing else of the tests, so that what it forks is what a start would have made.
"""

import gc
import json
import os
import pkgutil
import select
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

MESSAGE = 1 << 17
"""Bytes that a request may have."""
DESCRIPTORS = 4
"""Those of a request: stdin, stdout and stderr, and a pipe that hears its process id and how it ended."""

LATE = ("concurrent.futures.thread", "cryptography.hazmat.backends.openssl.backend", "encodings.ascii", "uvloop")

NUMBER = struct.Struct("=i")


def serve(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request until nobody can ask any more; returns, in a fork, what was asked of it."""
    poller = select.poll()
    poller.register(requests, select.POLLIN)
    forks: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poller.poll():
            if ready in forks:
                poller.unregister(ready)
                _tell_end(ready, *forks.pop(ready))
                continue
            data, descriptors, _, _ = socket.recv_fds(requests, MESSAGE, DESCRIPTORS)
            if not data:
                # Who asked has ended: what still runs is ended by its own means.
                os._exit(0)
            *streams, told = descriptors
            pid = os.fork()
            if not pid:
                for descriptor in (requests.detach(), told, *forks, *(heard for _, heard in forks.values())):
                    os.close(descriptor)
                return {**json.loads(data), "streams": streams}
            _tell(told, pid)
            for stream in streams:
                os.close(stream)
            watched = os.pidfd_open(pid)
            forks[watched] = pid, told
            poller.register(watched, select.POLLIN)


def _tell_end(watched: int, pid: int, told: int) -> None:
    status = os.waitpid(pid, 0)[1]
    _tell(told, status)
    os.close(told)
    os.close(watched)


def _tell(told: int, number: int) -> None:
    """Tell whoever still wants to know."""
    with suppress(BrokenPipeError):
        os.write(told, NUMBER.pack(number))


def become(asked: dict[str, Any]) -> None:
    """Have what a new process of this command, directory and environment would have."""
    if asked["new_session"]:
        os.setsid()
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    for number, stream in enumerate(asked["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    sys.argv = asked["argv"]
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, 1 if number == 2 or os.isatty(number) else -1, old.encoding, old.errors, closefd=False)
        for number, mode, old in ((0, "r", sys.stdin), (1, "w", sys.stdout), (2, "w", sys.stderr))
    )
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        import coverage

        coverage.process_startup(force=True)


def main() -> None:
    """Import the package, and begin to serve."""
    package = import_module("omnyshell.cli")
    for module in pkgutil.walk_packages(package.__path__, "omnyshell.cli."):
        import_module(module.name)
    # What services import once they run.
    for name in LATE:
        import_module(name)
    gc.collect()
    gc.freeze()
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
    sys.exit(sys.modules["omnyshell.cli.main"].main())


if __name__ == "__main__":
    main()
