"""What is seen of a copy: a line on a terminal, lines of JSON, or only what went wrong."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Protocol

from omnyshell.cli.ground.output import complain, printable, say_json
from omnyshell.durations import format_duration
from omnyshell.printable import ELLIPSIS
from omnyshell.services.client.files.problems import FULL, shown
from omnyshell.services.client.files.progress import Progress
from omnyshell.services.client.files.transfer import Report

PERIOD = 0.2
"""Seconds between drawings of the line."""

_CLEAR = "\r\x1b[K"
_COLUMNS = 80
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class View(Protocol):
    """Shows a copy."""

    def report(self, report: Report) -> None:
        """Show what became of a file."""

    def tell(self, text: str) -> None:
        """Show what is waited for."""

    def of(self, progress: Progress) -> AbstractAsyncContextManager[None]:
        """Show how far it is, meanwhile, and at last what was done."""


def view_of(*, as_json: bool) -> View:
    """Return the view that is wanted: as JSON, else with a line if there is a terminal to draw it on."""
    if as_json:
        return JsonLines()
    return Line() if sys.stderr is not None and sys.stderr.isatty() else Quiet()


class Quiet:
    """Says what was not copied, on stderr."""

    def report(self, report: Report) -> None:
        """Say what was not copied, but for what ends the copy, which is said at its end."""
        if report.error is not None and report.error.code not in FULL:
            self.tell(report.error.message)

    def tell(self, text: str) -> None:
        """Say it."""
        complain(f"omnyshell: {printable(text)}")

    def of(self, _progress: Progress) -> AbstractAsyncContextManager[None]:
        """Show nothing else."""
        return nullcontext()


class JsonLines(Quiet):
    """Prints a line for each file, and one for all, on stdout. What is no text in names stands as in `sys.argv`."""

    def report(self, report: Report) -> None:
        """Print it."""
        said = {"path": os.fsdecode(report.path), "result": report.became.name.lower(), "size": report.size}
        if report.error is not None:
            said |= {"error": report.error.reason, "where": report.error.where, "code": report.error.code}
        say_json(said, indent=None)

    @asynccontextmanager
    async def of(self, progress: Progress) -> AsyncIterator[None]:
        """Print what was done."""
        yield
        done = {
            "result": "done",
            "copied": progress.copied,
            "upToDate": progress.up_to_date,
            "leftOut": progress.left_out,
            "failed": progress.failed,
            "bytesMoved": progress.moved,
            "seconds": round(progress.seconds, 3),
        }
        say_json(done, indent=None)


class Line(Quiet):
    """Draws a line on the terminal that is stderr, which goes when the copy is done."""

    def __init__(self) -> None:
        self._now = b""

    def report(self, report: Report) -> None:
        """Say what was not copied, above the line."""
        self._now = report.path
        super().report(report)

    def tell(self, text: str) -> None:
        """Say it above the line."""
        _write(_CLEAR)
        super().tell(text)

    @asynccontextmanager
    async def of(self, progress: Progress) -> AsyncIterator[None]:
        """Draw, and at last say how much it was."""
        drawing = asyncio.create_task(self._draw(progress))
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            _write(_CLEAR)
        rate = progress.moved / progress.seconds if progress.seconds else 0
        parts = [_files(progress.copied), f"{size(progress.moved)} in {progress.seconds:.1f} s", f"{size(rate)}/s"]
        others = ((progress.up_to_date, "up to date"), (progress.left_out, "left out"), (progress.failed, "not copied"))
        parts += [f"{count} {what}" for count, what in others if count]
        complain(", ".join(parts))

    async def _draw(self, progress: Progress) -> None:
        while True:
            if progress.files_found:
                _write(_CLEAR + self._line(progress))
            await asyncio.sleep(PERIOD)

    def _line(self, progress: Progress) -> str:
        of_all = "" if progress.is_counted else "+"
        parts = [f"{size(progress.bytes_there)} of {size(progress.bytes_found)}{of_all}"]
        if progress.files_found != 1:
            parts.insert(0, f"{progress.files_done} of {progress.files_found}{of_all} files")
        if progress.is_counted and progress.bytes_found:
            parts.append(f"{100 * progress.bytes_there // progress.bytes_found} %")
        parts.append(f"{size(progress.rate())}/s")
        if (left := progress.time_left()) is not None:
            parts.append(f"{format_duration(round(left))} left")
        if self._now and progress.files_found != 1:
            parts.append(shown(self._now))
        text, columns = "  ".join(parts), _columns() - 1
        return text if len(text) <= columns else text[: columns - 1] + ELLIPSIS


def size(count: float) -> str:
    """Return a number of bytes with its unit: `17 B`, `1.2 MiB`."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} {_UNITS[unit]}"


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def _write(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
