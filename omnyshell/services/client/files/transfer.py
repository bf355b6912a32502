"""Copies files and directories from one machine to another, many at a time: `Transfer`."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple, TypeVar

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import OmnyShellException
from omnyshell.services.client.files.chosen import Choice
from omnyshell.services.client.files.copying import Done, FileCopy, Manner, Place, partial_name
from omnyshell.services.client.files.pairs import Pair
from omnyshell.services.client.files.ports import Entry, Files, Folder, Kind, below
from omnyshell.services.client.files.problems import FULL, IN_USE, FileException, LinkLostException, Trouble, shown_at
from omnyshell.services.client.files.progress import Progress

AT_ONCE = 32
"""Files that are copied at a time."""

FOLDERS_AT_ONCE = 4
"""Directories that are read at a time."""

WAITING = 1024
"""Files that were found and wait for their turn."""

MOST_OPEN = 256
"""Directories that are open on either side, but for those that lead to one that is being read."""

MOST_DEPTH = 200
"""Directories in directories: what a hostile server says would never end."""

_USABLE_FOLDER = 0o700
_PLAIN = Manner()

T = TypeVar("T")


class Became(Enum):
    """What became of something that was to be copied."""

    COPIED = auto()
    UP_TO_DATE = auto()
    LEFT_OUT = auto()
    """It is neither file, directory nor link."""

    FAILED = auto()


class Report(NamedTuple):
    """What became of a file, directory or link, by its path at the source.

    `error` says why it was not copied, and names where: its source, or what it was to become.
    """

    path: bytes
    became: Became
    size: int = 0
    error: FileException | None = None


class Wanted(NamedTuple):
    """Something to copy: whose files it is among, its path there, and what it is."""

    files: Files
    path: bytes
    entry: Entry
    name: bytes
    """What it is called at the target; "" for a directory whose contents go into the one that is there."""


class _Job(NamedTuple):
    """Something in a directory that is copied; `path` is its own where somebody named it, whose links are followed."""

    pair: Pair
    entry: Entry
    name: bytes
    path: bytes | None = None


class _OverException(Exception):
    """Nothing more can be copied."""

    def __init__(self, cause: OmnyShellException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Transfer:
    """Copies to a directory that is there.

    `progress` says at any time how far it is; `report` is called with what became of each file.
    """

    def __init__(
        self,
        sources: Sequence[Wanted],
        target: Files,
        into: bytes,
        *,
        manner: Manner = _PLAIN,
        choice: Choice | None = None,
        report: Callable[[Report], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        """`into` is the directory; it and `target` stay open to whoever has them. `tell` is told what is waited for."""
        self._sources = sources
        self._target = target
        self._into = into
        self._manner = manner
        self._choice = choice or Choice()
        self._report = report
        self._say = tell
        self.progress = Progress(clock or SystemClock())
        self.is_cancelled = False
        self._work: asyncio.Task[None] | None = None
        self._files: asyncio.Queue[_Job] = asyncio.Queue(WAITING)
        self._folders: list[_Job] = []
        self._readers_busy = 0
        self._more_folders = asyncio.Condition()
        self._file_done = asyncio.Event()
        self._unfinished_files = 0
        self._open: set[Pair] = set()
        self._target_folder: Folder | None = None

    async def run(self) -> Progress:
        """Copy all; return when that is done, also where some of it failed, or it was cancelled.

        Raises `OmnyShellException` where a link is lost for good, a disk is full, or the directory cannot be opened.
        """
        self._work = asyncio.create_task(self._all())
        try:
            await self._work
        except _OverException as exc:
            raise exc.cause from exc
        except asyncio.CancelledError:
            if not self.is_cancelled:
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)
                raise
        finally:
            for pair in self._open:
                pair.close()
            self._open.clear()
            if self._target_folder is not None:
                self._target_folder.close()
        return self.progress

    def cancel(self) -> None:
        """End it soon. What was copied in part is kept, and gone on with when it is copied again."""
        self.is_cancelled = True
        if self._work is not None:
            self._work.cancel()

    async def _all(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                workers = [tasks.create_task(self._copy_files()) for _ in range(AT_ONCE)]
                await self._begin()
                async with asyncio.TaskGroup() as readers:
                    for _ in range(FOLDERS_AT_ONCE):
                        readers.create_task(self._read_folders())
                self.progress.is_counted = True
                await self._files.join()
                for worker in workers:
                    worker.cancel()
        except BaseExceptionGroup as group:
            raise _cause(group) from None

    async def _begin(self) -> None:
        """Begin with what was named: all that lies in one directory shares its pair."""
        target = self._target_folder = await self._target.open(self._into)
        pairs: dict[tuple[int, bytes], Pair] = {}
        for files, path, entry, name in self._sources:
            above = path.rstrip(b"/").rpartition(b"/")
            parent = above[0] or above[1]
            key = id(files), parent
            if key not in pairs:
                source = await files.open(parent)
                pairs[key] = Pair(files, source, target, origin=files.title.encode() + b":" + source.path)
                self._open.add(pairs[key])
            await self._found(_Job(pairs[key], entry, name, path))
        for pair in pairs.values():
            await self._finished(pair)

    # Directories

    async def _read_folders(self) -> None:
        while (job := await self._next_folder()) is not None:
            try:
                await self._read_folder(job)
            except FileException as exc:
                self._failed(job, exc)
            finally:
                async with self._more_folders:
                    self._readers_busy -= 1
                    self._more_folders.notify_all()
            await self._finished(job.pair)

    async def _next_folder(self) -> _Job | None:
        """Return the directory that was found last, so that few are known at a time; None when there will be none."""
        async with self._more_folders:
            await self._more_folders.wait_for(lambda: self._folders or not self._readers_busy)
            if not self._folders:
                return None
            self._readers_busy += 1
            return self._folders.pop()

    async def _read_folder(self, job: _Job) -> None:
        while len(self._open) > MOST_OPEN and self._unfinished_files:
            self._file_done.clear()
            await self._file_done.wait()
        pair = await self._surely(job.pair, lambda: self._opened(job))
        self._open.add(pair)
        try:
            await self._surely(pair, lambda: self._read(pair))
        except FileException as exc:
            self._failed(job, exc)
        await self._finished(pair)

    async def _opened(self, job: _Job) -> Pair:
        """Open a directory, and the one that it becomes, which is made where it is not there."""
        above, name = job.pair, job.name
        if above.depth >= MOST_DEPTH:
            raise FileException(f"more than {MOST_DEPTH} directories lie in one another", code=Trouble.REFUSED)
        present = await above.target.look(name) if name else Entry(b"", Kind.FOLDER)
        if present is None:
            present = await _made(above.target, name, job.entry.mode | _USABLE_FOLDER)
        if present is not None and present.kind is not Kind.FOLDER:
            what = "a link" if present.kind is Kind.LINK else "something else"
            error = FileException(f"{what} of that name is there: it is left as it is", code=Trouble.REFUSED)
            raise error.located(self._target.title, below(above.target.path, name))
        source = await (above.source.folder(job.entry.name) if job.path is None else above.files.open(job.path))
        try:
            target = await (above.target.folder(name) if name else self._target.open(self._into))
        except BaseException:
            source.close()
            raise
        is_named = job.path is not None
        pair = Pair(
            files=above.files,
            source=source,
            target=target,
            origin=above.origin + b"/" + job.entry.name,
            path=b"" if is_named else above.below(job.entry.name),
            above=above,
            entry=job.entry if name else None,
            name=name,
            depth=above.depth + 1,
            known={} if present is None else None,
            is_new=present is None,
        )
        above.unfinished += 1
        return pair

    async def _read(self, pair: Pair) -> None:
        """Find what is in a directory."""
        if pair.known is None:
            await pair.learn()
        async for part in pair.source.entries():
            for entry in part:
                if pair.is_first(entry.name):
                    await self._found(_Job(pair, entry, entry.name))

    async def _found(self, job: _Job) -> None:
        kind, path = job.entry.kind, job.pair.below(job.entry.name)
        is_chosen = self._choice.takes_folder if kind is Kind.FOLDER else self._choice.takes_file
        if job.path is None and not is_chosen(path):
            return
        job.pair.unfinished += 1
        if kind is Kind.FOLDER:
            async with self._more_folders:
                self._folders.append(job)
                self._more_folders.notify()
            return
        self._unfinished_files += 1
        self.progress.found(job.entry.size if kind is Kind.FILE else 0)
        await self._files.put(job)

    async def _finished(self, pair: Pair | None) -> None:
        """Note that something of a directory is finished; if it was the last, the directory is."""
        while pair is not None:
            pair.unfinished -= 1
            if pair.unfinished:
                return
            try:
                await self._surely(pair, lambda ended=pair: self._end_folder(ended))  # type: ignore[misc]
            except FileException as exc:
                self._failed(_Job(pair, pair.entry or Entry(b"", Kind.FOLDER), b"", pair.source.path), exc)
            pair.close()
            self._open.discard(pair)
            pair = pair.above

    async def _end_folder(self, pair: Pair) -> None:
        """Give a directory what it is to allow, which might have kept its files from being written."""
        if pair.above is None or pair.entry is None:
            return
        if self._manner.preserve or (pair.is_new and pair.entry.mode & _USABLE_FOLDER != _USABLE_FOLDER):
            await pair.above.target.set_attributes(pair.name, pair.entry, keep_times=self._manner.preserve)

    # Files

    async def _copy_files(self) -> None:
        while True:
            job = await self._files.get()
            try:
                await self._copy_file(job)
            except FileException as exc:
                self._failed(job, exc)
            self._unfinished_files -= 1
            self._file_done.set()
            self.progress.files_done += 1
            await self._finished(job.pair)
            self._files.task_done()

    async def _copy_file(self, job: _Job) -> None:
        pair = job.pair
        if job.entry.kind is Kind.OTHER:
            error = FileException("it is no file, directory or link", code=Trouble.REFUSED)
            self._tell(job, Became.LEFT_OUT, error)
            return
        place = Place(pair.target, job.name, partial_name(job.name, pair.origin + b"/" + job.entry.name))
        copied = self._copy_link if job.entry.kind is Kind.LINK else self._copy_content
        try:
            done = await self._surely(pair, lambda: copied(job, place))
        except FileException as exc:
            raise place.of_whole(exc) from exc
        self._tell(job, Became.COPIED if done is Done.COPIED else Became.UP_TO_DATE)

    async def _copy_content(self, job: _Job, place: Place) -> Done:
        place.present = await (place.folder.look(place.name) if place.in_doubt else job.pair.present(place.name))
        source = await job.pair.source.source(job.entry, follow=job.path is not None)
        try:
            return await FileCopy(source, place, self._manner, self.progress.there, lambda: self._waits(job)).run()
        finally:
            await source.close()

    async def _copy_link(self, job: _Job, place: Place) -> Done:
        """Copy a link as a link, whatever it leads to."""
        leads_to = await job.pair.source.read_link(job.entry.name)
        place.present = await place.folder.look(place.name)
        place.check()
        is_link = place.present is not None and place.present.kind is Kind.LINK
        if is_link and await place.folder.read_link(place.name) == leads_to:
            return Done.UP_TO_DATE
        try:
            await place.folder.make_link(place.partial, leads_to)
        except LinkLostException:
            raise
        except FileException:
            # An earlier attempt may have left one.
            if await place.folder.look(place.partial) is None:
                raise
            await place.folder.remove(place.partial)
            await place.folder.make_link(place.partial, leads_to)
        await place.folder.replace(place.partial, place.name)
        return Done.COPIED

    # The rest

    async def _surely(self, pair: Pair, work: Callable[[], Awaitable[T]]) -> T:
        """Do something, again when a link that was lost meanwhile is there again. Raises `FileException`."""
        while True:
            try:
                return await work()
            except LinkLostException:
                try:
                    await pair.files.restored()
                    await self._target.restored()
                except OmnyShellException as exc:
                    raise _OverException(LinkLostException(exc.message)) from exc

    def _waits(self, job: _Job) -> None:
        self._say(f"{shown_at(job.pair.files.title, _path(job))}: {IN_USE}, which is waited for")

    def _failed(self, job: _Job, error: FileException) -> None:
        """Tell that something was not copied. Raises where nothing else can be, either."""
        self._tell(job, Became.FAILED, error)
        if error.code in FULL:
            full = FileException(FULL[error.code], code=error.code, where=error.where)
            raise _OverException(full) from error

    def _tell(self, job: _Job, became: Became, error: FileException | None = None) -> None:
        progress = self.progress
        if became is Became.COPIED:
            progress.copied += 1
        elif became is Became.UP_TO_DATE:
            progress.up_to_date += 1
        elif became is Became.LEFT_OUT:
            progress.left_out += 1
        else:
            progress.failed += 1
        path = _path(job)
        # What is about nothing else is about the source.
        error = error and error.located(job.pair.files.title, path)
        self._report(Report(path, became, job.entry.size if job.entry.kind is Kind.FILE else 0, error))


async def _made(folder: Folder, name: bytes, mode: int) -> Entry | None:
    """Make a directory; return what was there already, as another copy may have made it just now."""
    try:
        await folder.make_folder(name, mode)
    except FileException as exc:
        present = await folder.look(name) if exc.code == Trouble.EXISTS else None
        if present is None:
            raise
        return present
    return None


def _path(job: _Job) -> bytes:
    return job.path if job.path is not None else below(job.pair.source.path, job.entry.name)


def _cause(group: BaseException) -> BaseException:
    """Return the first error of a group that is none itself."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
