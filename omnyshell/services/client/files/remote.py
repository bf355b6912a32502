"""A node's files."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.services.client.files.flow import Flow
from omnyshell.services.client.files.library import SFTPAttrs
from omnyshell.services.client.files.link import Opener, SftpLink
from omnyshell.services.client.files.ports import (
    LONGEST_PATH,
    MOST_IN_FLIGHT,
    MOST_NAMES,
    USABLE,
    Bytes,
    Entry,
    Folder,
    Kind,
    Partial,
    Source,
    below,
    is_hole,
    is_name,
    is_whole_path,
)
from omnyshell.services.client.files.problems import (
    At,
    FileException,
    LinkLostException,
    Trouble,
    in_its_place,
    without_size,
)
from omnyshell.services.client.files.remote_source import EMPTY, RemoteSource
from omnyshell.services.client.files.sftp import NEW, READ, WRITE, Answer, Sftp, attributes_of
from omnyshell.transport.backoff import Backoff, BackoffTimes

PATIENCE = 60.0
"""Seconds for which a lost session is opened anew, as after a node's restart."""

MOST_TRIES = 5
"""How many sessions in a row may be lost before anything comes of them."""

TIMES = BackoffTimes(shortest=0.1, first_ceiling=0.5, last_ceiling=4.0)
_MAY_COME_BACK = frozenset(
    (ErrorCodes.UNKNOWN_NODE, ErrorCodes.NODE_OFFLINE, ErrorCodes.TIMEOUT, ErrorCodes.CAPACITY_EXCEEDED, Trouble.LOST)
)


class RemoteFiles:
    """The files of a node, for whoever the session belongs to there; an async context manager that opens and closes.

    A session that is lost fails what was asked of it with `LinkLostException`; `restored` opens another one.
    """

    def __init__(
        self,
        title: str,
        opener: Opener,
        tell: Callable[[str], None] = lambda _: None,
        link: SftpLink | None = None,
    ) -> None:
        """`title` is how the node is shown; `opener` opens a session to it, and `link` is the first, if it is there.

        `tell` is told of one that was lost.
        """
        self.title = title
        self._opener = opener
        self._link = link
        self._tell = tell
        self._restoring: asyncio.Task[None] | None = None
        self._in_vain = 0
        self._backoff = Backoff(times=TIMES)
        self.reads, self.writes = Flow(MOST_IN_FLIGHT), Flow(MOST_IN_FLIGHT)
        """Apart, as who copies within a node reads and writes: none waits for room that only the other can make."""

    async def __aenter__(self) -> Self:
        """Open the session. Raises as `open_link` does."""
        if self._link is None:
            self._link = await self._opener()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the session. Idempotent."""
        if self._restoring is not None:
            self._restoring.cancel()
            await asyncio.gather(self._restoring, return_exceptions=True)
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def restored(self) -> None:
        """Return once there is a session again; raises as `open_link` does where there will be none."""
        if self._link is not None and not self._link.sftp.has_ended:
            return
        if self._restoring is None:
            self._restoring = asyncio.create_task(self._restore())
            self._restoring.add_done_callback(self._forget_restoring)
        await asyncio.shield(self._restoring)

    @property
    def sftp(self) -> Sftp:
        """The session's SFTP. Raises `LinkLostException` where there is none."""
        if self._link is None:
            raise LinkLostException("there is no session")
        return self._link.sftp

    def has_worked(self) -> None:
        """Something came of the present session: when it is lost, that is a new loss."""
        self._in_vain = 0

    # What a pane or a script asks

    async def stat(self, path: bytes, *, follow: bool = True) -> Entry | None:
        """See `Files.stat`."""
        with self.at(path):
            return await self.sftp.look(path or b".", follow=follow)

    async def entries(self, path: bytes) -> AsyncIterator[Sequence[Entry]]:
        """See `Files.entries`; what has a name that no file can have is left out."""
        sftp, count = self.sftp, 0
        with self.at(path):
            handle = await sftp.open_folder(path or b".")
            try:
                while names := await sftp.names(handle):
                    count += len(names)
                    if count > MOST_NAMES:
                        raise FileException(f"more than {MOST_NAMES} files are in it", code=Trouble.REFUSED)
                    if found := [each for each in names if is_name(each.name)]:
                        yield found
            finally:
                sftp.let_go(handle)

    async def open(self, path: bytes) -> Folder:
        """See `Files.open`."""
        found, whole = await asyncio.gather(self.stat(path), self.whole_path(path))
        if found is None or found.kind is not Kind.FOLDER:
            raise FileException("it is no directory", code=Trouble.NOT_FOUND).located(self.title, path)
        return RemoteFolder(self, whole)

    async def whole_path(self, path: bytes) -> bytes:
        """See `Files.whole_path`; what a node says is held against what a path is."""
        with self.at(path):
            whole = await self.sftp.whole_path(path or b".")
            if not is_whole_path(whole):
                raise FileException("the node says no path", code=Trouble.BROKEN)
        return whole

    async def rename(self, old: bytes, new: bytes) -> None:
        """See `Files.rename`."""
        with self.at(old, new):
            await self.sftp.move(old, new)

    async def remove(self, path: bytes) -> None:
        """See `Files.remove`."""
        found = await self.stat(path, follow=False)
        with self.at(path):
            if found is not None and found.kind is Kind.FOLDER:
                await self.sftp.drop_folder(path)
            else:
                await self.sftp.drop(path)

    async def make_folder(self, path: bytes) -> None:
        """See `Files.make_folder`."""
        with self.at(path):
            await self.sftp.make_folder(path)

    async def read_link(self, path: bytes) -> bytes:
        """Return what a link says."""
        with self.at(path):
            target = await self.sftp.leads_to(path)
            if not 0 < len(target) <= LONGEST_PATH or b"\0" in target:
                raise FileException("what the link says is no path", code=Trouble.BROKEN)
        return target

    def at(self, path: bytes, new: bytes = b"") -> At:
        """Have what goes wrong be said of a path of this node, and of the name that it is to get."""
        return At(self.title, path, new)

    # The session

    async def _restore(self) -> None:
        lost, self._link = self._link, None
        if lost is not None:
            await lost.close()
        self._in_vain += 1
        if self._in_vain > MOST_TRIES:
            raise LinkLostException(f"{self.title} opens sessions and ends them again")
        self._tell(f"{self.title}: the node's side of the copy has ended; beginning it anew")
        self._backoff.begin_outage()
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            await asyncio.sleep(self._backoff.next_delay())
            try:
                self._link = await self._opener()
            except OmnyShellException as exc:
                if exc.code not in _MAY_COME_BACK or loop.time() >= until:
                    raise
            else:
                self._tell("the copy goes on")
                return

    def _forget_restoring(self, task: "asyncio.Task[None]") -> None:
        self._restoring = None
        if not task.cancelled():
            # It is raised where it is waited for.
            task.exception()


class RemoteFolder:
    """A directory of a node, by its path: the node's side is who holds it together."""

    def __init__(self, files: RemoteFiles, path: bytes) -> None:
        self._files = files
        self.title = files.title
        self.path = path

    def entries(self) -> AsyncIterator[Sequence[Entry]]:
        """See `Folder.entries`."""
        return self._files.entries(self.path)

    async def look(self, name: bytes) -> Entry | None:
        """See `Folder.look`."""
        return await self._files.stat(self._of(name), follow=False)

    async def folder(self, name: bytes) -> Folder:
        """See `Folder.folder`."""
        return RemoteFolder(self._files, self._of(name))

    async def make_folder(self, name: bytes, mode: int) -> None:
        """See `Folder.make_folder`."""
        await self._do(name, lambda path: self._files.sftp.make_folder(path, mode))

    async def source(self, entry: Entry, *, follow: bool = False) -> Source:  # noqa: ARG002
        """See `Folder.source`."""
        # The node's side opens regular files alone, and follows what its rules let it.
        path, sftp = self._of(entry.name), self._files.sftp
        with self._files.at(path):
            handle = await sftp.open_file(path, READ)
            try:
                if not entry.size and await sftp.data(sftp.begin_read(handle, 0, 1), 1):
                    entry = await sftp.look_at_handle(handle, entry.name)
                    if not entry.size:
                        raise without_size()
            except BaseException:
                sftp.let_go(handle)
                raise
        return RemoteSource(self._files, sftp, path, handle, entry)

    async def partial(self, name: bytes, mode: int, *, is_exact: bool, is_there: bool) -> Partial:
        """See `Folder.partial`."""
        path, sftp = self._of(name), self._files.sftp
        with self._files.at(path):
            # The node's side opens one that is there only if it is this user's, and through no link.
            handle = await sftp.open_file(path, WRITE if is_there else NEW, mode | USABLE)
            if not is_there and not is_exact and mode & USABLE == USABLE:
                return RemotePartial(self._files, sftp, path, handle, None)
            try:
                left = await _usable(sftp, handle, name, mode | USABLE)
            except BaseException:
                # While it is open there it is in use.
                sftp.let_go(handle)
                raise
        mode = mode if is_exact else mode & left.mode
        return RemotePartial(self._files, sftp, path, handle, mode if mode != left.mode else None, left.size)

    async def replace(self, old: bytes, new: bytes) -> None:
        """See `Folder.replace`."""
        sftp, path = self._files.sftp, self._of(old)
        await self._do(new, lambda over: sftp.done(sftp.begin_replace(path, over)))

    async def read_link(self, name: bytes) -> bytes:
        """See `Folder.read_link`."""
        return await self._files.read_link(self._of(name))

    async def make_link(self, name: bytes, target: bytes) -> None:
        """See `Folder.make_link`."""
        await self._do(name, lambda path: self._files.sftp.make_link(path, target))

    async def remove(self, name: bytes) -> None:
        """See `Folder.remove`."""
        await self._do(name, lambda path: self._files.sftp.drop(path))

    async def remove_folder(self, name: bytes) -> None:
        """See `Folder.remove_folder`."""
        await self._do(name, lambda path: self._files.sftp.drop_folder(path))

    async def set_attributes(self, name: bytes, entry: Entry, *, keep_times: bool) -> None:
        """See `Folder.set_attributes`."""
        attributes = attributes_of(entry.mode, entry if keep_times else None)
        await self._do(name, lambda path: self._files.sftp.set_attributes(path, attributes))

    def close(self) -> None:
        """See `Folder.close`; there is nothing to let go."""

    async def _do(self, name: bytes, do: Callable[[bytes], Awaitable[object]]) -> None:
        """Do something with the path of a name, of which it is said what goes wrong."""
        path = self._of(name)
        with self._files.at(path):
            await do(path)

    def _of(self, name: bytes) -> bytes:
        path = below(self.path, name)
        if len(path) > LONGEST_PATH:
            raise FileException("its path is too long", code=Trouble.REFUSED).located(self.title, path)
        return path


class RemotePartial:
    """A node's file that is being written."""

    def __init__(
        self, files: RemoteFiles, sftp: Sftp, path: bytes, handle: bytes, mode: int | None, size: int = 0
    ) -> None:
        """`mode` is what it is to allow in the end, where that is not what it does now."""
        self._files, self._sftp, self._path, self._handle = files, sftp, path, handle
        self._mode = mode
        self.size = size
        self._end = 0
        """Where what was written ends."""

        self._sent: deque[Answer] = deque()

    async def digest(self, length: int) -> bytes:
        """See `Partial.digest`."""
        with self._at():
            return await self._sftp.digest(self._path, self._handle, length) if length else EMPTY

    async def start_at(self, offset: int) -> None:
        """See `Partial.start_at`."""
        if offset != self.size:
            with self._at():
                await self._sftp.done(self._sftp.begin_attributes(self._handle, SFTPAttrs(size=offset)))
        self.size = self._end = offset

    async def write(self, offset: int, data: Bytes) -> None:
        """See `Partial.write`."""
        if is_hole(data):
            return
        while self._sent and self._sent[0].done():
            await self._oldest()
        size, flow = len(data), self._files.writes
        await flow.take(size)
        try:
            answer = self._sftp.begin_write(self._handle, offset, data)
        except BaseException:
            flow.give_back(size)
            raise
        answer.add_done_callback(lambda _: flow.give_back(size))
        self._sent.append(answer)
        self._end = offset + size

    async def finish(self, entry: Entry, *, keep_times: bool, sync: bool) -> None:
        """See `Partial.finish`. All of it is asked at once."""
        sftp, handle = self._sftp, self._handle
        asked = []
        if self._end != entry.size:
            asked.append(sftp.begin_attributes(handle, SFTPAttrs(size=entry.size)))
        if self._mode is not None or keep_times:
            changed = attributes_of(self._mode, entry if keep_times else None)
            asked.append(sftp.begin_attributes(handle, changed))
        if sync:
            asked.append(sftp.begin_sync(handle))
        while self._sent:
            await self._oldest()
        with self._at():
            for answer in asked:
                await sftp.done(answer)
        self._files.has_worked()

    async def put_in_place(self, name: bytes, *, sync: bool) -> None:  # noqa: ARG002
        """See `Partial.put_in_place`."""
        folder, slash, _ = self._path.rpartition(b"/")
        replaced = self._sftp.begin_replace(self._path, folder + slash + name)
        # Only then, as whoever waits for it may open what has its name.
        asked = replaced, self._sftp.begin_close(self._handle)
        self._handle = b""
        with self._at():
            for answer in asked:
                await self._sftp.done(answer)

    async def close(self) -> None:
        """See `Partial.close`."""
        handle, self._handle = self._handle, b""
        self._sftp.let_go(handle)
        for answer in self._sent:
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _oldest(self) -> None:
        with self._at():
            await self._sftp.done(self._sent.popleft())
        self._files.has_worked()

    def _at(self) -> At:
        return self._files.at(self._path)


async def _usable(sftp: Sftp, handle: bytes, name: bytes, mode: int) -> Entry:
    """Return what a partial file is, which allows no more than a mode from now on."""
    left = await sftp.look_at_handle(handle, name)
    if left.kind is not Kind.FILE:
        raise in_its_place(name)
    if left.mode & ~mode:
        left = left._replace(mode=left.mode & mode)
        with suppress(FileException):
            # Some file systems keep no permissions.
            await sftp.done(sftp.begin_attributes(handle, SFTPAttrs(permissions=left.mode)))
    return left
