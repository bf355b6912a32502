"""Commands of the installed program: a process where a module runs one for the first time, within this one later."""

import asyncio
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.main import run

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
DEADLINE = 40.0

ALONE = ("hub start", "node start", "node join", "up", "down", "connect", "top", "events", "completion")
"""Commands that stay, start others, or have a terminal: each is a process of its own."""

_seen: set[tuple[str, str]] = set()


def run_command(
    *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command that ends by itself, and return what it said. To start a program takes longer than most of them."""
    whole = dict(os.environ if env is None else env)
    if _is_first(words) or threading.current_thread() is not threading.main_thread() or _has_loop():
        return subprocess.run(
            [OMNYSHELL, *words], input=stdin, capture_output=True, timeout=DEADLINE, check=False, env=whole
        )
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, whole, clear=True))
        heard = stack.enter_context(_own_streams(stdin))
        try:
            code = run(list(words))
        except SystemExit as exc:
            # Of words that are wrong.
            code = int(exc.code or 0)
    return subprocess.CompletedProcess([OMNYSHELL, *words], code, bytes(heard[0]), bytes(heard[1]))


def run_text(
    *words: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """The same, with text for what it said."""
    done = run_command(*words, stdin=stdin, env=env)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _is_first(words: tuple[str, ...]) -> bool:
    name = next((command.name for command in COMMANDS if tuple(command.words) == words[: len(command.words)]), "")
    key = (os.environ["PYTEST_CURRENT_TEST"].partition("::")[0], name)
    is_first = key not in _seen
    _seen.add(key)
    return is_first or not name or name in ALONE


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _own_streams(stdin: bytes) -> Iterator[list[bytearray]]:
    """Pipes in place of the standard streams, as a program that is started has them; yields what goes out of two."""
    heard = [bytearray(), bytearray()]
    saved = [os.dup(number) for number in range(3)]
    streams = sys.stdin, sys.stdout, sys.stderr
    threads = [_fed(stdin), *(_drained(number, into) for number, into in zip((1, 2), heard, strict=True))]
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), "utf-8", "backslashreplace") for number in (1, 2)
    )
    own = sys.stdin, sys.stdout, sys.stderr
    try:
        yield heard
    finally:
        for stream in own[1:]:
            stream.flush()
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)
        for thread in threads:
            thread.join()


def _fed(given: bytes) -> threading.Thread:
    """Have descriptor 0 be a pipe in which this comes, and then its end."""
    inward, outward = os.pipe()
    os.dup2(inward, 0)
    os.close(inward)

    def feed() -> None:
        # Whoever does not read it closes it.
        with os.fdopen(outward, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
            pipe.write(given)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


def _drained(number: int, into: bytearray) -> threading.Thread:
    """Have a descriptor be a pipe that is read to its end."""
    inward, outward = os.pipe()
    os.dup2(outward, number)
    os.close(outward)

    def drain() -> None:
        with os.fdopen(inward, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65_536):
                into.extend(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    return thread
