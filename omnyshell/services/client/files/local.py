"""The files of this machine. What is in a directory is reached from its descriptor, and through no link."""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from omnyshell.services.client.files.local_partial import open_partial
from omnyshell.services.client.files.ports import (
    A_TURN,
    BLOCK,
    PERMISSIONS,
    ZEROS,
    Bytes,
    Entry,
    Folder,
    Kind,
    Partial,
    Source,
    below,
    is_hole,
)
from omnyshell.services.client.files.problems import (
    At,
    FileException,
    Trouble,
    ends_early,
    of_system,
    without_size,
)

NAMES_AT_ONCE = 512
WRITTEN_BACK = 8 * 1024 * 1024
"""Bytes after which what was written begins to go to the disk while more comes: else a large file waits for all of it
at its end."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

T = TypeVar("T")


class LocalFiles:
    """The files of this machine.

    What may take long is done by a thread with `in_threads`, so that a loop that has more to do goes on meanwhile; the
    command line has little else to do, and is faster without. A disk that has to have everything takes seconds, and is
    always waited for by a thread.
    """

    title = ""

    def __init__(self, *, in_threads: bool = True) -> None:
        self._in_threads = in_threads

    async def run(self, path: bytes, work: Callable[[], T], new: bytes = b"") -> T:
        """Do something with a path that may wait for a disk. Raises `FileException` for an `OSError`.

        `new` is the name that the path is to get.
        """
        with At(self.title, path, new):
            try:
                return await asyncio.to_thread(work) if self._in_threads else work()
            except OSError as exc:
                raise of_system(exc) from exc

    async def synced(self, path: bytes, fd: int) -> None:
        """Return once what is open has all that was written to it on the disk. Raises `FileException`."""
        with At(self.title, path):
            try:
                await asyncio.to_thread(os.fsync, fd)
            except OSError as exc:
                raise of_system(exc) from exc

    async def stat(self, path: bytes, *, follow: bool = True) -> Entry | None:
        """See `Files.stat`."""
        return await self.run(path, lambda: _look(path or b".", path.rstrip(b"/").rpartition(b"/")[2], follow=follow))

    def entries(self, path: bytes) -> AsyncIterator[Sequence[Entry]]:
        """See `Files.entries`."""
        return _entries_of(self, path, lambda: os.open(path or b".", _FOLDER))

    async def open(self, path: bytes) -> Folder:
        """See `Files.open`."""
        fd = await self.run(path, lambda: os.open(path or b".", _FOLDER))
        return LocalFolder(self, await self.whole_path(path), fd)

    async def whole_path(self, path: bytes) -> bytes:
        """Return the absolute path of a path."""
        return await self.run(path, lambda: os.path.realpath(path or b"."))

    async def rename(self, old: bytes, new: bytes) -> None:
        """See `Files.rename`."""
        await self.run(old, lambda: _rename(old, new), new)

    async def remove(self, path: bytes) -> None:
        """See `Files.remove`."""
        await self.run(path, lambda: _remove(path))

    async def make_folder(self, path: bytes) -> None:
        """See `Files.make_folder`."""
        await self.run(path, lambda: os.mkdir(path))

    async def read_link(self, path: bytes) -> bytes:
        """Return what a link says."""
        return await self.run(path, lambda: os.readlink(path))

    async def restored(self) -> None:
        """See `Files.restored`: this machine is never lost."""


class LocalFolder:
    """A directory of this machine, by its descriptor."""

    def __init__(self, files: LocalFiles, path: bytes, fd: int) -> None:
        self.files = files
        self.title = files.title
        self.path = path
        self._fd = fd

    def entries(self) -> AsyncIterator[Sequence[Entry]]:
        """See `Folder.entries`."""
        return _entries_of(self.files, self.path, lambda: os.open(b".", _FOLDER, dir_fd=self._fd))

    async def look(self, name: bytes) -> Entry | None:
        """See `Folder.look`."""
        return await self.run(name, lambda: _look(name, name, follow=False, folder=self._fd))

    async def folder(self, name: bytes) -> Folder:
        """See `Folder.folder`."""
        fd = await self.run(name, lambda: os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd))
        return LocalFolder(self.files, below(self.path, name), fd)

    async def make_folder(self, name: bytes, mode: int) -> None:
        """See `Folder.make_folder`."""
        await self.run(name, lambda: os.mkdir(name, mode, dir_fd=self._fd))

    async def source(self, entry: Entry, *, follow: bool = False) -> Source:
        """See `Folder.source`."""
        return await self.run(entry.name, lambda: LocalSource.opened(self, self._fd, entry.name, follow=follow))

    async def partial(self, name: bytes, mode: int, *, is_exact: bool, is_there: bool) -> Partial:
        """See `Folder.partial`."""
        fd, found = await self.run(name, lambda: open_partial(self._fd, name, mode, is_there=is_there))
        left = _entry_of(name, found)
        return LocalPartial(self, left, fd, mode if is_exact else mode & left.mode)

    async def replace(self, old: bytes, new: bytes) -> None:
        """See `Folder.replace`."""
        await self.put_in_place(old, new, sync=False)

    async def read_link(self, name: bytes) -> bytes:
        """See `Folder.read_link`."""
        return await self.run(name, lambda: os.readlink(name, dir_fd=self._fd))

    async def make_link(self, name: bytes, target: bytes) -> None:
        """See `Folder.make_link`."""
        await self.run(name, lambda: os.symlink(target, name, dir_fd=self._fd))

    async def remove(self, name: bytes) -> None:
        """See `Folder.remove`."""
        await self.run(name, lambda: os.unlink(name, dir_fd=self._fd))

    async def remove_folder(self, name: bytes) -> None:
        """See `Folder.remove_folder`."""
        await self.run(name, lambda: os.rmdir(name, dir_fd=self._fd))

    async def set_attributes(self, name: bytes, entry: Entry, *, keep_times: bool) -> None:
        """See `Folder.set_attributes`."""
        await self.run(name, lambda: self._set_attributes(name, entry, keep_times=keep_times))

    def close(self) -> None:
        """See `Folder.close`."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    async def put_in_place(self, partial: bytes, name: bytes, *, sync: bool) -> None:
        """Rename something, in place of what has the name. Raises `FileException`, as `run` does."""
        await self.run(name, lambda: os.rename(partial, name, src_dir_fd=self._fd, dst_dir_fd=self._fd))
        if sync:
            await self.synced(name, self._fd)

    async def synced(self, name: bytes, fd: int) -> None:
        """Return once what has a name in it, or it, has all on the disk. Raises `FileException`, as `run` does."""
        await self.files.synced(below(self.path, name), fd)

    async def run(self, name: bytes, work: Callable[[], T]) -> T:
        """Do something with what has a name in it. Raises `FileException`, as `LocalFiles.run` does."""
        return await self.files.run(below(self.path, name), work)

    def _set_attributes(self, name: bytes, entry: Entry, *, keep_times: bool) -> None:
        fd = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd)
        try:
            os.fchmod(fd, entry.mode)
            if keep_times:
                os.utime(fd, (entry.accessed, entry.modified))
        finally:
            os.close(fd)


class _Hashed:
    """An open file, and the SHA-256 of what was read or written of it in order, until somebody else writes to it."""

    def __init__(self, folder: LocalFolder, name: bytes, fd: int) -> None:
        """`name` is what errors are about."""
        self._folder, self._name, self._fd = folder, name, fd
        self._sum = hashlib.sha256()
        self._summed = 0
        self._version = (0, 0, 0)

    async def digest(self, length: int) -> bytes:
        """Return the SHA-256 of its first bytes: of what went through here, and of the rest as it is read.

        Others have their turn meanwhile: of a large file it takes minutes, and a hub gives up who says nothing.
        """
        await self._run(lambda: self._begin_digest(length))
        while self._summed < length:
            await self._run(lambda: self._sum_up_to(min(length, self._summed + A_TURN)))
            await asyncio.sleep(0)
        return self._sum.digest()

    async def close(self) -> None:
        """Close it. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._folder.run(self._name, work)

    def _begin_digest(self, length: int) -> None:
        if self._version != self._present():
            self._forget_behind(0)
        self._forget_behind(length)
        self._begin()

    def _sum_up_to(self, length: int) -> None:
        while self._summed < length:
            data = os.pread(self._fd, min(BLOCK, length - self._summed), self._summed)
            if not data:
                raise ends_early(length, os.fstat(self._fd).st_size)
            self._sum.update(data)
            self._summed += len(data)

    def _forget_behind(self, offset: int) -> None:
        """What is behind an offset is read or written anew."""
        if offset < self._summed:
            self._sum, self._summed = hashlib.sha256(), 0

    def _begin(self) -> None:
        """Note, before the first byte is read, what it is by then."""
        if not self._summed:
            self._version = self._present()

    def _present(self) -> tuple[int, int, int]:
        """Return what is another once somebody has written."""
        found = os.fstat(self._fd)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _passed(self, offset: int, data: Bytes) -> None:
        """Count bytes that were read or written, if they follow what was counted."""
        if offset == self._summed:
            self._sum.update(data)
            self._summed += len(data)


class LocalSource(_Hashed):
    """A file of this machine that is being read."""

    def __init__(self, folder: LocalFolder, fd: int, entry: Entry) -> None:
        super().__init__(folder, entry.name, fd)
        self.entry = entry

    @classmethod
    def opened(cls, folder: LocalFolder, fd_of_folder: int, name: bytes, *, follow: bool) -> "LocalSource":
        """Open one that is there; whoever put a pipe in its place is not waited for."""
        fd = os.open(name, _READ if follow else _READ | os.O_NOFOLLOW, dir_fd=fd_of_folder)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise FileException("it is no regular file", code=Trouble.REFUSED)
            if not found.st_size and os.pread(fd, 1, 0):
                found = os.fstat(fd)
                if not found.st_size:
                    raise without_size()
            return cls(folder, fd, _entry_of(name, found))
        except BaseException:
            os.close(fd)
            raise

    async def blocks(self, start: int) -> AsyncIterator[tuple[int, Bytes]]:
        """See `Source.blocks`. Holes are not read."""
        offset, size = start, self.entry.size
        self._forget_behind(start)
        while offset < size:
            wanted = min(BLOCK, size - offset)
            data = await self._run(lambda at=offset, most=wanted: self._block(at, most))  # type: ignore[misc]
            yield offset, data
            offset += wanted

    def _block(self, offset: int, wanted: int) -> bytes:
        self._begin()
        data = ZEROS[:wanted] if self._is_hole(offset, wanted) else os.pread(self._fd, wanted, offset)
        if len(data) < wanted:
            raise ends_early(offset + wanted, os.fstat(self._fd).st_size)
        self._passed(offset, data)
        return data

    def _is_hole(self, offset: int, size: int) -> bool:
        if size < BLOCK or not hasattr(os, "SEEK_DATA"):
            return False
        try:
            return os.lseek(self._fd, offset, os.SEEK_DATA) >= offset + size
        except OSError:
            # There is nothing but a hole up to the end, or the file system knows of none.
            return False


class LocalPartial(_Hashed):
    """A file of this machine that is being written."""

    def __init__(self, folder: LocalFolder, left: Entry, fd: int, mode: int) -> None:
        super().__init__(folder, left.name, fd)
        self._mode = mode
        self.size = self._begun_back = left.size
        self._beginning: asyncio.Future[None] | None = None

    async def start_at(self, offset: int) -> None:
        """See `Partial.start_at`."""
        if offset != self.size:
            await self._run(lambda: self._cut(offset))
        self.size = self._begun_back = offset
        self._forget_behind(offset)

    async def write(self, offset: int, data: Bytes) -> None:
        """See `Partial.write`."""
        await self._run(lambda: self._write(offset, data))
        if self.size - self._begun_back >= WRITTEN_BACK:
            await self._begin_writing_back()

    async def finish(self, entry: Entry, *, keep_times: bool, sync: bool) -> None:
        """See `Partial.finish`."""
        await self._run(lambda: self._finish(entry, keep_times=keep_times))
        if sync:
            await self._folder.synced(self._name, self._fd)

    async def put_in_place(self, name: bytes, *, sync: bool) -> None:
        """See `Partial.put_in_place`."""
        await self._folder.put_in_place(self._name, name, sync=sync)
        await self.close()

    async def _begin_writing_back(self) -> None:
        """Have what is written begin to go to the disk, unless the disk is behind already.

        What becomes of that is told by the file's own `fsync`.
        """
        if self._beginning is None or self._beginning.done():
            start, self._begun_back = self._begun_back, self.size
            # A descriptor of its own, as this one may be closed meanwhile.
            fd = await self._run(lambda: os.dup(self._fd))
            run = asyncio.get_running_loop().run_in_executor
            self._beginning = run(None, _begin_writing_back, fd, start, self.size - start)

    def _cut(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self._version = self._present()

    def _write(self, offset: int, data: Bytes) -> None:
        self._passed(offset, data)
        if is_hole(data):
            return
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, offset)
            view, offset = view[written:], offset + written
        self.size = offset
        self._version = self._present()

    def _finish(self, entry: Entry, *, keep_times: bool) -> None:
        if self.size != entry.size:
            os.ftruncate(self._fd, entry.size)
        if stat.S_IMODE(os.fstat(self._fd).st_mode) != self._mode:
            os.fchmod(self._fd, self._mode)
        if keep_times:
            os.utime(self._fd, (entry.accessed, entry.modified))
        self._version = self._present()


def _begin_writing_back(fd: int, start: int, size: int) -> None:
    """Have Linux begin to write a range that is not needed any more. Unlike `fdatasync`, that waits for nothing.

    What is not written yet stays cached. Elsewhere all is left to the end.
    """
    try:
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(fd, start, size, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


async def _entries_of(files: LocalFiles, path: bytes, opened: Callable[[], int]) -> AsyncIterator[Sequence[Entry]]:
    with _descriptor(await files.run(path, opened)) as fd, await files.run(path, lambda: os.scandir(fd)) as found:
        names = iter(found)
        while part := await files.run(path, lambda: _some(names, fd)):
            yield part


def _some(names: "Iterator[os.DirEntry[str]]", fd: int) -> Sequence[Entry]:
    """Return what some of the names are; what vanishes meanwhile is left out."""
    part = []
    for found in names:
        name = os.fsencode(found.name)
        if (entry := _look(name, name, follow=False, folder=fd)) is not None:
            part.append(entry)
        if len(part) == NAMES_AT_ONCE:
            break
    return part


@contextmanager
def _descriptor(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def _look(path: bytes, name: bytes, *, follow: bool, folder: int | None = None) -> Entry | None:
    try:
        return _entry_of(name, os.stat(path, dir_fd=folder, follow_symlinks=follow))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _entry_of(name: bytes, found: os.stat_result) -> Entry:
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    return Entry(
        name=name,
        kind=kinds.get(stat.S_IFMT(found.st_mode), Kind.OTHER),
        size=found.st_size,
        mode=found.st_mode & PERMISSIONS,
        accessed=int(found.st_atime),
        modified=int(found.st_mtime),
    )


def _rename(old: bytes, new: bytes) -> None:
    if os.path.lexists(new):
        raise FileException("something of that name is there", code=Trouble.EXISTS)
    os.rename(old, new)


def _remove(path: bytes) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
            return
    os.unlink(path)
