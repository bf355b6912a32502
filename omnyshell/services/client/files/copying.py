"""One file from one directory into another: under a temporary name, checked, and then in its place."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from omnyshell.services.client.files.ports import (
    A_TURN,
    BLOCK,
    LONGEST_NAME,
    MOST_IN_FLIGHT,
    Entry,
    Folder,
    Kind,
    Partial,
    Source,
    below,
)
from omnyshell.services.client.files.problems import (
    IN_USE,
    FileException,
    LinkLostException,
    Trouble,
    in_its_place,
    shown_at,
)

SUFFIX = b".omny-part"
PATIENCE = 300.0
"""Seconds for which another copy that writes to the same partial file is waited for."""

LOOK_AGAIN = 0.25
SYNC_FROM = 1024 * 1024
"""Bytes from which a file is on the disk before it takes its place; one that replaces another always is. What is small
and new is left to the system, as by `cp`: ten thousand of them would wait for the disk one by one."""

_TAG_SIZE = 8


class Update(Enum):
    """Which files are copied though something is there already."""

    ALL = auto()
    CHANGED = auto()
    """Of another size, or newer than what is there."""

    DIFFERENT = auto()
    """Of another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How files are copied."""

    preserve: bool = False
    """Keep permissions and times, in whole seconds."""

    update: Update = Update.ALL


class Done(Enum):
    """What became of a file."""

    COPIED = auto()
    UP_TO_DATE = auto()


def partial_name(name: bytes, origin: bytes) -> bytes:
    """Return the name under which a file is copied before it is whole, the same for each attempt at the same copy.

    It has a sum of `origin`, which says where the copy comes from, so that copies of others do not meet in one file.
    """
    who = b"%s:%d:" % (socket.gethostname().encode(), os.getuid())
    tag = hashlib.sha256(who + origin + b"\0" + name).hexdigest()[:_TAG_SIZE].encode()
    room = LONGEST_NAME - len(SUFFIX) - len(tag) - 2
    return b"." + name[:room] + b"." + tag + SUFFIX


@dataclass(slots=True)
class Place:
    """Where a file is copied to: a directory, a name, and what stands there already."""

    folder: Folder
    name: bytes
    partial: bytes
    present: Entry | None = None
    in_doubt: bool = False
    """Whether the link was lost as the file was put in place."""

    def of_whole(self, error: FileException) -> FileException:
        """Return an error that is about the temporary name as one about what gets another name in the end."""
        if error.where != self._shown(self.partial):
            return error
        return FileException(error.reason, code=error.code, where=self._shown(self.name))

    def check(self) -> None:
        """Raise `FileException` where something stands that is not replaced."""
        kind, where = self.present.kind if self.present is not None else Kind.FILE, self._shown(self.name)
        if kind is Kind.FOLDER:
            raise FileException("a directory of that name is there", code=Trouble.EXISTS, where=where)
        if kind is Kind.OTHER:
            raise FileException("what is there is no file: it is left as it is", code=Trouble.REFUSED, where=where)

    def _shown(self, name: bytes) -> str:
        return shown_at(self.folder.title, below(self.folder.path, name))


class FileCopy:
    """Copies one regular file."""

    def __init__(
        self,
        source: Source,
        place: Place,
        manner: Manner,
        sent: Callable[[int, bool], None],
        waits: Callable[[], None] = lambda: None,
    ) -> None:
        """`sent` is told of bytes that are there, and whether they were moved; less than 0 for those that are lost.

        `waits` is called where another copy is waited for.
        """
        self._source = source
        self._place = place
        self._manner = manner
        self._sent = sent
        self._waits = waits
        self._told = 0

    async def run(self) -> Done:
        """Copy it. Raises `FileException`; what stands at the target is whole then, and what was copied is kept.

        Raises `LinkLostException` where it can be tried again once the link is restored. Another copy of the same is
        waited for.
        """
        loop = asyncio.get_running_loop()
        until = 0.0
        while True:
            try:
                return await self._run()
            except FileException as exc:
                if exc.code != Trouble.IN_USE or (until and loop.time() > until):
                    raise
            if not until:
                self._waits()
                until = loop.time() + PATIENCE
            await asyncio.sleep(LOOK_AGAIN)
            self._place.present = await self._place.folder.look(self._place.name)

    async def _run(self) -> Done:
        self._place.check()
        try:
            if await self._is_up_to_date() or await self._is_placed():
                self._tell(self._source.entry.size)
                return Done.UP_TO_DATE
            if not await self._attempt():
                # It has been written to while it was read, or somebody else writes the partial file.
                self._tell(0)
                if not await self._attempt():
                    raise FileException("it changes while it is copied", code=Trouble.CHANGED)
        except BaseException:
            self._tell(0)
            raise
        return Done.COPIED

    async def _is_up_to_date(self) -> bool:
        present, entry = self._place.present, self._source.entry
        if self._manner.update is Update.ALL or present is None or present.kind is not Kind.FILE:
            return False
        if self._manner.update is Update.CHANGED:
            return present.size == entry.size and present.modified >= entry.modified
        return await self._is_same(present)

    async def _is_placed(self) -> bool:
        """Whether an attempt that nobody heard the end of was the last one that it takes."""
        place = self._place
        if not place.in_doubt or place.present is None or await place.folder.look(place.partial) is not None:
            return False
        return place.present.kind is Kind.FILE and await self._is_same(place.present)

    async def _is_same(self, present: Entry) -> bool:
        if present.size != self._source.entry.size:
            return False
        there = await self._place.folder.source(present)
        try:
            return await _is_equal(self._source, there, present.size)
        finally:
            await there.close()

    async def _attempt(self) -> bool:
        """Copy what is missing, and put it in place; False where it is not what the source is, and was thrown away."""
        place, entry = self._place, self._source.entry
        is_precious = entry.size >= SYNC_FROM or place.present is not None
        partial = await self._opened()
        try:
            start = await self._resumed_at(partial)
            await partial.start_at(start)
            self._tell(start)
            async for offset, data in self._source.blocks(start):
                await partial.write(offset, data)
                self._tell(offset + len(data), is_moved=True)
                if not (offset - start) % A_TURN:
                    await asyncio.sleep(0)
            await partial.finish(entry, keep_times=self._manner.preserve, sync=is_precious)
            # What is one block is not put together of anything: the answer to its only request says that it is there.
            is_right = (start == 0 and entry.size <= BLOCK) or await _is_equal(self._source, partial, entry.size)
            if is_right:
                place.in_doubt = True
                await partial.put_in_place(place.name, sync=is_precious)
            else:
                await self._throw_away()
        except LinkLostException:
            raise
        except FileException as exc:
            if not self._told and exc.code != Trouble.IN_USE:
                await self._throw_away()
            raise
        finally:
            await partial.close()
        return is_right

    async def _opened(self) -> Partial:
        """Open what an earlier copy has left, or a new file."""
        folder, name, (mode, is_exact) = self._place.folder, self._place.partial, self._mode()
        try:
            return await folder.partial(name, mode, is_exact=is_exact, is_there=False)
        except FileException as exc:
            if isinstance(exc, LinkLostException):
                raise
            left = await folder.look(name)
            if left is None and exc.code == Trouble.EXISTS:
                # Another copy was done with it just now.
                raise FileException(IN_USE, code=Trouble.IN_USE, where=exc.where) from exc
            if left is None:
                raise
            if left.kind is not Kind.FILE:
                raise in_its_place(name).located(folder.title, below(folder.path, name)) from exc
        try:
            return await folder.partial(name, mode, is_exact=is_exact, is_there=True)
        except FileException as exc:
            if exc.code == Trouble.NOT_FOUND:
                raise FileException(IN_USE, code=Trouble.IN_USE, where=exc.where) from exc
            if exc.code != Trouble.DENIED:
                raise
        # Whoever put it there could read along: what is copied goes into a file of one's own.
        await folder.remove(name)
        return await folder.partial(name, mode, is_exact=is_exact, is_there=False)

    def _mode(self) -> tuple[int, bool]:
        """Return what it is to allow, and whether exactly that, or as masked there."""
        present = self._place.present
        if not self._manner.preserve and present is not None and present.kind is Kind.FILE:
            return present.mode, True
        return self._source.entry.mode, self._manner.preserve

    async def _resumed_at(self, partial: Partial) -> int:
        """Return up to where what an earlier copy has left is the source's beginning.

        What was written last may be missing after a crash of the machine: so less of it is tried once.
        """
        whole = min(partial.size, self._source.entry.size)
        for length in (whole, max(0, whole - MOST_IN_FLIGHT) // BLOCK * BLOCK):
            if length and await _is_equal(self._source, partial, length):
                return length
        return 0

    async def _throw_away(self) -> None:
        with suppress(FileException):
            await self._place.folder.remove(self._place.partial)

    def _tell(self, total: int, *, is_moved: bool = False) -> None:
        if total != self._told:
            self._sent(total - self._told, is_moved)
            self._told = total


async def _is_equal(first: Source | Partial, second: Source | Partial, length: int) -> bool:
    ours, theirs = await asyncio.gather(first.digest(length), second.digest(length))
    return ours == theirs
