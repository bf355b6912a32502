"""Editing a file of a node here: it is fetched, and put back where it has not been changed there meanwhile."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.printable import printable
from omnyshell.services.client.files.copying import Manner
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import Entry, Files, Folder
from omnyshell.services.client.files.problems import FileException, Trouble
from omnyshell.services.client.files.transfer import Report, Transfer, Wanted

USUAL_EDITOR = "vi"

Run = Callable[[tuple[str, ...]], Awaitable[None]]
"""Runs a program in the terminal until it has ended."""


def editor() -> tuple[str, ...]:
    """Return the user's editor, with its options. Raises `ConfigException` for one that cannot be read."""
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR") or USUAL_EDITOR
    try:
        words = tuple(shlex.split(said))
    except ValueError as exc:
        raise ConfigException(f"$EDITOR cannot be read: {exc}") from exc
    if not words:
        raise ConfigException("$EDITOR names no program")
    return words


async def edit_there(files: Files, path: bytes, entry: Entry, run: Run) -> bool:
    """Have a file edited, and put it back; return whether it was changed. No link may lead to `path`.

    Raises `ConfigException` where the editor cannot be run, and `FileException` where the file cannot be fetched or put
    back: what was written is kept then, and it is said where.
    """
    program = editor()
    folder, name = path.rpartition(b"/")[0] or b"/", entry.name
    directory = Path(tempfile.mkdtemp(prefix="omnyshell-edit-"))
    is_needed = False
    try:
        ours, here = LocalFiles(), os.fsencode(directory)
        await _copied(Wanted(files, path, entry, name), ours, here)
        work = await ours.open(here)
        try:
            before = await _digest(work, name)
            is_needed = True
            try:
                await run((*program, os.fsdecode(here + b"/" + name)))
            except ConfigException:
                # The editor has not run.
                is_needed = False
                raise
            written = await ours.stat(here + b"/" + name)
            if written is None or await _digest(work, name) == before:
                is_needed = False
                return False
        finally:
            work.close()
        try:
            await _check_unchanged(files, folder, name, before)
            await _copied(Wanted(ours, here + b"/" + name, written._replace(name=name), name), files, folder)
        except FileException as exc:
            kept = printable(str(directory / os.fsdecode(name)))
            raise FileException(f"{exc.message}; what you wrote is kept as {kept}", code=exc.code) from exc
        is_needed = False
        return True
    finally:
        if not is_needed:
            shutil.rmtree(directory, ignore_errors=True)


async def _check_unchanged(files: Files, folder: bytes, name: bytes, before: bytes) -> None:
    """Raise `FileException` where somebody else has written the file since it was fetched."""
    there = await files.open(folder)
    try:
        if await there.look(name) is None:
            raise FileException("it has been removed there meanwhile", code=Trouble.CHANGED)
        if await _digest(there, name) != before:
            raise FileException("it has been changed there meanwhile", code=Trouble.CHANGED)
    finally:
        there.close()


async def _digest(folder: Folder, name: bytes) -> bytes:
    entry = await folder.look(name)
    if entry is None:
        raise FileException("it is not there any more", code=Trouble.NOT_FOUND)
    source = await folder.source(entry, follow=True)
    try:
        return await source.digest(entry.size)
    finally:
        await source.close()


async def _copied(wanted: Wanted, target: Files, into: bytes) -> None:
    problems: list[Report] = []

    def note(report: Report) -> None:
        if report.error is not None:
            problems.append(report)

    await Transfer([wanted], target, into, manner=Manner(), report=note).run()
    if problems and problems[0].error is not None:
        raise FileException(problems[0].error.message, code=problems[0].error.code)
