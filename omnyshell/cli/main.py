"""The entry point `omnyshell`."""

import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from omnyshell.cli.ground.output import BROKEN_PIPE, describe, fail
from omnyshell.errors import ErrorCodes, OmnyShellException

if TYPE_CHECKING:
    import argparse


class _Deferred(ModuleType):
    """Stands for a module until one of its attributes is used.

    `importlib.util.LazyLoader` would load it at the next import.
    """

    def __getattr__(self, attribute: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        self.__dict__.update(vars(module))
        return getattr(module, attribute)


def defer(name: str) -> None:
    """Defer the loading of a module until one of its attributes is used."""
    if name in sys.modules:
        return
    deferred = sys.modules[name] = _Deferred(name)
    package, _, child = name.rpartition(".")
    if package:
        setattr(import_module(package), child, deferred)


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """Have imports of a module that is not loaded yet fail meanwhile."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def defer_unused() -> None:
    """Defer modules that client commands do not need."""
    # websockets 17 imports it to find its own version, which releases contain as a constant: 20 ms of a cold `exec`. To
    # be removed when `python -X importtime -c 'import websockets'` no longer shows it.
    defer("importlib.metadata")
    # `dataclasses` and asyncio import it, with the modules that read source code, for functions that are not called.
    defer("inspect")
    # msgspec takes from it what `typing` has too; it would take a fiftieth of a start, and use `inspect`.
    with _absent("typing_extensions"):
        import_module("msgspec")


_NO_SUCH_NODE = (ErrorCodes.UNKNOWN_NODE, ErrorCodes.BAD_REQUEST)

INTERRUPTED = 130
START_THRESHOLD = 50_000
"""Allocations between two garbage collections, until a service sets its own threshold."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main() -> None:
    """Run the command line and exit."""
    _fill_standard_streams()
    # A start makes a hundred thousand objects and hardly any garbage: collections would take a twentieth of the time.
    gc.set_threshold(START_THRESHOLD)
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
    # Everything is closed and flushed: finalizing the interpreter would take longer than many commands.
    os._exit(code)


def run(words: list[str]) -> int:
    """Run one command and return its exit code."""
    before = _hold_interrupts()
    defer_unused()
    try:
        try:
            return _run(words, lambda: _let_interrupt(before))
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
            _let_interrupt(before)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone.
        _give_up_stdout()
        return BROKEN_PIPE
    except OSError as exc:
        # A full disk, no free descriptors: errors that any command can meet anywhere.
        _give_up_stdout()
        return fail(f"{exc.filename or 'input or output failed'}: {exc.strerror or exc}")


def _hold_interrupts() -> set[int]:
    """Have ctrl+c wait until `_let_interrupt`; return what waited before.

    An import that it cut short would be half done: with msgspec (0.23) the command may crash then, rather than end.
    """
    return signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if os.name == "posix" else set()


def _let_interrupt(before: set[int]) -> None:
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(words: list[str], ready: Callable[[], None]) -> int:
    """Run a command; `ready` is called once all that it imports at once is imported."""
    # Imported late: `--version` and unknown commands need no parser.
    from omnyshell.cli.grammar.parsing import find_command, parse

    command, rest = find_command(words)
    if command is None:
        from omnyshell.cli.grammar.overview import without_command

        return without_command(words)
    options = None
    try:
        options = parse(command, rest)
        module, _, function = command.handler.partition(":")
        handler = getattr(import_module(f"omnyshell.cli.{module}"), function)
        ready()
        return int(handler(options))
    except OmnyShellException as exc:
        return fail(describe(exc, command.words, _node_of(options)) + _question_about(exc, options))


def _question_about(error: OmnyShellException, options: "argparse.Namespace | None") -> str:
    """Ask whether another node was meant, where the hub knows none of that name."""
    node = _node_of(options)
    if options is None or not node or error.code not in _NO_SUCH_NODE:
        return ""
    from omnyshell.cli.ground.similar_nodes import did_you_mean, is_said_as_to_ssh

    if error.code == ErrorCodes.BAD_REQUEST and not is_said_as_to_ssh(node):
        return ""
    question = did_you_mean(options, node)
    return f"; {question}" if question else ""


def _node_of(options: object) -> str:
    """The node that a command is about, or `@local` for the caller's machine; "" if it is about neither."""
    from omnyshell.model.tunnels import LOCAL_EXPOSER

    is_local = getattr(options, "local", None) is not None
    return LOCAL_EXPOSER if is_local else str(getattr(options, "node", None) or getattr(options, "host", None) or "")


def _fill_standard_streams() -> None:
    """Open stdin, stdout and stderr if they are closed, or the next socket would take the place of one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)
    # Python sets the stream of a closed descriptor to None.
    sys.stdin = sys.stdin or os.fdopen(_STDIN, "r")
    sys.stdout = sys.stdout or os.fdopen(_STDOUT, "w")
    sys.stderr = sys.stderr or os.fdopen(_STDERR, "w")
    # A peer's text may contain characters outside the terminal's encoding, which must not end a command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _give_up_stdout() -> None:
    """Drop the output that stdout did not take: Python would report the error again when it flushes at exit."""
    sys.stdout = None
