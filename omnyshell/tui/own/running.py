"""Running a command of one's own: a program of this machine, whose arguments no shell sees."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from textual.app import App, SuspendNotSupported

from omnyshell.errors import ConfigException
from omnyshell.services.client.access import without_secrets
from omnyshell.tui.preferences.command import Invocation

OUTPUT_LIMIT: Final = 64 * 1024
"""Bytes of a program's output that are shown."""

PATIENCE: Final = 2.0
"""Seconds that a program gets to end after SIGTERM."""

POLL: Final = 0.02
_CHUNK: Final = 4_096


def _environment(invocation: Invocation) -> dict[str, str]:
    return {**without_secrets(os.environ), **invocation.environment}


def _failure(invocation: Invocation, error: OSError) -> ConfigException:
    return ConfigException(f"cannot run {invocation.argv[0]}: {error.strerror}")


async def run_in_background(invocation: Invocation, show: Callable[[bytes], None]) -> tuple[int, bool]:
    """Run a program without input; `show` gets its output, errors too, as it comes.

    Returns its exit code, and whether output beyond `OUTPUT_LIMIT` was left out. It is ended, with what it started, if
    this is cancelled. Raises `ConfigException` where it cannot be run.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *invocation.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(invocation),
            start_new_session=True,
        )
    except OSError as exc:
        raise _failure(invocation, exc) from exc
    try:
        is_cut = await _pass_on(process, show)
        return await process.wait(), is_cut
    finally:
        await _end(process)


async def _pass_on(process: asyncio.subprocess.Process, show: Callable[[bytes], None]) -> bool:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    room, is_cut = OUTPUT_LIMIT, False
    while data := await process.stdout.read(_CHUNK):
        if room:
            show(data[:room])
        is_cut = is_cut or len(data) > room
        room -= min(room, len(data))
    return is_cut


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program and what is left of its session, which may outlive it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_all(process, number):
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await process.wait()
                # Nothing tells when the others have ended; those that are killed have.
                while number == signal.SIGTERM and _signal_all(process, 0):  # noqa: ASYNC110
                    await asyncio.sleep(POLL)
                return
    await process.wait()


def _signal_all(process: asyncio.subprocess.Process, number: int) -> bool:
    """Send a signal to a program's session; return whether anything of it is there."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def run_in_terminal(app: App[Any], invocations: Sequence[Invocation], read_line: Callable[[], object]) -> None:
    """Give programs the console's terminal, one after the other; `read_line` waits for Enter after one that failed.

    What the console does goes on meanwhile, and is drawn afterwards. Raises `ConfigException` where there is no
    terminal, or a program cannot be run.
    """
    problem = None
    try:
        with app.suspend(), _keys_are_the_programs(), app.batch_update():
            # Nothing may be raised within, as Textual (8.2.8) would not take the terminal back.
            problem = await _each(invocations, read_line)
    except SuspendNotSupported as exc:
        raise ConfigException("this command needs the terminal, which the console has none of here") from exc
    app.refresh(layout=True)
    if problem is not None:
        raise problem


async def _each(invocations: Sequence[Invocation], read_line: Callable[[], object]) -> ConfigException | None:
    """Run programs one after the other; return what kept one from being run."""
    for invocation in invocations:
        try:
            process = await asyncio.create_subprocess_exec(*invocation.argv, env=_environment(invocation))
        except OSError as exc:
            return _failure(invocation, exc)
        code = await process.wait()
        if code:
            print(f"\r\n[{invocation.argv[0]} ended with {code}; Enter goes back]", flush=True)  # noqa: T201
            await asyncio.to_thread(read_line)
    return None


@contextmanager
def _keys_are_the_programs() -> Iterator[None]:
    """Leave interrupting and quitting to the program: the terminal sends these signals to the console too.

    Suspending stops both, for a shell with `fg`; where there is none, the kernel stops neither.
    """
    wanted: dict[int, Any] = {signal.SIGINT: _ignore, signal.SIGQUIT: _ignore, signal.SIGTSTP: signal.SIG_DFL}
    handlers = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing. Unlike `SIG_IGN`, this is not passed on to programs."""
