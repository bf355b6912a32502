"""The program `omnyshell` in processes of its own, for less than a tenth of what its imports take.

A server that has imported the package forks for each: see `fork_server.py`. What such a process is called in a list of
processes, and which words and variables are read of it there, is the server's. A test that looks at these, at what a
start imports or at a shell's redirections starts the installed program, with `subprocess` or in tmux.
"""

import atexit
import json
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from support import fork_server
from support.deadline import DEADLINE
from support.fork_server import NUMBER

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))

AT_A_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
"""How variables begin that Python reads when it starts: with others than this process has, a program is started."""

Env = Mapping[str, str] | None


def run_command(*words: str, stdin: bytes = b"", env: Env = None) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end, and return what it said."""
    pipe = subprocess.PIPE
    with start_command(*words, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            said, complained = process.communicate(stdin, DEADLINE)
        finally:
            process.kill()
    return subprocess.CompletedProcess([OMNYSHELL, *words], process.returncode, said, complained)


def run_text(*words: str, stdin: bytes = b"", env: Env = None) -> "subprocess.CompletedProcess[str]":
    """The same, with text for what it said."""
    done = run_command(*words, stdin=stdin, env=env)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def start_installed(*words: str, **options: Any) -> "subprocess.Popen[Any]":
    """Start the program as whoever has installed it does."""
    return subprocess.Popen([OMNYSHELL, *words], **options)


def start_command(*words: str, **options: Any) -> "subprocess.Popen[Any]":
    """Start a command; the options are those of `subprocess.Popen`."""
    return start_program(OMNYSHELL, *words, **options)


def start_program(
    program: str, *words: str, source: Path | None = None, env: Env = None, **options: Any
) -> "subprocess.Popen[Any]":
    """Start an `omnyshell` whose package is in that directory, if it is not this checkout's."""
    env = dict(os.environ if env is None else env)
    if not hasattr(os, "pidfd_open") or _at_a_start(env) != _at_a_start(os.environ):
        return subprocess.Popen([program, *words], env=env, **options)
    return _Fork(_server(source), [program, *words], env=env, **options)


def _at_a_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_A_START)}


@cache
def _server(source: Path | None) -> socket.socket:
    """Return the way to the server of this process, which ends with it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Nothing of it is measured: each fork begins to measure itself.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    if source is not None:
        env["PYTHONPATH"] = str(source)
    words = [sys.executable, "-P", fork_server.__file__, str(its.fileno())]
    server = subprocess.Popen(words, pass_fds=[its.fileno()], env=env, cwd="/", start_new_session=True)
    its.close()

    def end() -> None:
        ours.close()
        server.wait(DEADLINE)

    atexit.register(end)
    return ours


class _Fork(subprocess.Popen[Any]):
    """A program that a server has forked, and whose end it tells."""

    def __init__(self, server: socket.socket, words: list[str], **options: Any) -> None:
        self._server = server
        self._told = -1
        super().__init__(words, **options)

    def _execute_child(  # type: ignore[override]
        self, args: list[str], executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any,
        startupinfo: Any, creationflags: Any, shell: Any, p2cread: int, p2cwrite: int, c2pread: int, c2pwrite: int,
        errread: int, errwrite: int, restore_signals: Any, gid: Any, gids: Any, uid: Any, umask: int,
        start_new_session: bool, *_: Any,
    ) -> None:  # fmt: skip
        asked = {"argv": args, "env": env, "cwd": str(cwd or Path.cwd()), "umask": _umask() if umask == -1 else umask}
        asked["new_session"] = start_new_session
        streams = [own if given == -1 else given for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        self._told, telling = os.pipe()
        socket.send_fds(self._server, [json.dumps(asked).encode()], [*streams, telling])
        os.close(telling)
        self.pid = NUMBER.unpack(os.read(self._told, NUMBER.size))[0]
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        with self._waitpid_lock:
            if self.returncode is None and (told := self._try_wait(os.WNOHANG))[0]:
                self._handle_exitstatus(told[1])
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Return the process id and how it ended; 0 and 0 if it still runs."""
        poller = select.poll()
        poller.register(self._told, select.POLLIN)
        if not poller.poll(0 if wait_flags & os.WNOHANG else None):
            return 0, 0
        status = NUMBER.unpack(os.read(self._told, NUMBER.size))[0]
        os.close(self._told)
        return self.pid, status


def _umask() -> int:
    """The mask of new files' modes: to ask for it in another way changes it for a moment."""
    found = re.search(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1], 8)
