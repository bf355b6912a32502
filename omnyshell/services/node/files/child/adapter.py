"""Serves SFTP, version 3, by asyncssh's handler: the one place that knows of asyncssh here.

What is used of it beyond its documents is named in `tests/unit/services/node/files/test_adapter.py`: a new release is
looked at there.
"""

import grp
import os
import pwd
from collections.abc import Awaitable, Callable, Coroutine, Set
from contextlib import suppress
from functools import cache, wraps
from typing import Any, NamedTuple, cast

from asyncssh.constants import (
    FXF_APPEND,
    FXF_CREAT,
    FXF_EXCL,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
    FXP_CLOSE,
    FXP_EXTENDED,
    FXP_EXTENDED_REPLY,
    FXP_INIT,
    FXP_MKDIR,
    FXP_OPEN,
    FXP_OPENDIR,
    FXP_REMOVE,
    FXP_RENAME,
    FXP_RMDIR,
    FXP_SETSTAT,
    FXP_SYMLINK,
)
from asyncssh.packet import SSHPacket, String, UInt64
from asyncssh.sftp import (
    SFTPAttrs,
    SFTPBadMessage,
    SFTPFailure,
    SFTPInvalidHandle,
    SFTPLimits,
    SFTPName,
    SFTPOpUnsupported,
    SFTPServer,
    SFTPServerHandler,
)

from .open_file import MOST_READ, OpenFile
from .pipes import Input, Output, Silent
from .tree import Facts, Listing, Tree

VERSION = 3
PREFIX_HASH = b"prefix-hash@omnyshell"
"""The request for the hash of a file's first bytes."""

WITHOUT_LINKS = b"without-links@omnyshell"
"""Another request, which changes something by a path: done where no link is in the way."""

MOST_PACKET = MOST_READ + 1024
"""Bytes of a request, with what it says of its block."""

MOST_HANDLES = 256
"""How many files and directories one transfer may have open."""

_EXTENSIONS = [
    (b"posix-rename@openssh.com", b"1"),
    (b"hardlink@openssh.com", b"1"),
    (b"fsync@openssh.com", b"1"),
    (b"lsetstat@openssh.com", b"1"),
    (b"limits@openssh.com", b"1"),
    (b"statvfs@openssh.com", b"2"),
    (b"fstatvfs@openssh.com", b"2"),
    (b"copy-data", b"1"),
    (b"ranges@asyncssh.com", b"1"),
    (PREFIX_HASH, b"1"),
    (WITHOUT_LINKS, b"1"),
]

_CHANGING: Set[int | bytes] = {
    FXP_MKDIR,
    FXP_REMOVE,
    FXP_RENAME,
    FXP_RMDIR,
    FXP_SETSTAT,
    FXP_SYMLINK,
    b"hardlink@openssh.com",
    b"lsetstat@openssh.com",
    b"posix-rename@openssh.com",
}
"""Requests that change something by a path, all of which are answered by a status."""

_INIT = bytes([FXP_INIT])
_FLAGS = ((FXF_APPEND, os.O_APPEND), (FXF_CREAT, os.O_CREAT), (FXF_TRUNC, os.O_TRUNC), (FXF_EXCL, os.O_EXCL))


class Served:
    """One transfer, on two descriptors."""

    def __init__(self, tree: Tree, fd_in: int, fd_out: int) -> None:
        self._output = Output(fd_out)
        self._handler = _Handler(tree, Input(fd_in, self._output, tree.leave_partials), self._output)

    def run(self) -> str:
        """Answer requests to their end; return what was wrong with them, if anything."""
        with suppress(EOFError, BrokenPipeError):
            _run_through(self._handler.run())
        return str(self._handler.flaw or "")


def _run_through(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what never waits for anything but by blocking."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a handler of asyncssh's waits for a loop")


class _PrefixHash(NamedTuple):
    """The answer to `PREFIX_HASH`, as handlers send it."""

    size: int
    digest: bytes

    def encode(self, _version: int) -> bytes:
        """Return it as it is sent."""
        return UInt64(self.size) + String(self.digest)


_Process = Callable[["_Handler", Any], Awaitable[Any]]


def _if_there_is_room(process: Callable[..., Awaitable[Any]]) -> _Process:
    """Have a request be refused that would open one file too many."""

    @wraps(process)
    async def bounded(handler: "_Handler", packet: Any) -> Any:
        if len(handler._file_handles) + len(handler._dir_handles) >= MOST_HANDLES:
            raise SFTPFailure(f"no more than {MOST_HANDLES} files can be open")
        return await process(handler, packet)

    return bounded


class _Handler(SFTPServerHandler):
    """Reads requests, and answers them."""

    _extensions = _EXTENSIONS

    def __init__(self, tree: Tree, reader: Input, writer: Output) -> None:
        super().__init__(_Files(tree), cast("Any", reader), cast("Any", writer), VERSION)
        self._dir_handles: dict[bytes, Any]
        self._file_handles: dict[bytes, Any]
        self._requests = reader
        self._answers = writer
        self._tree = tree
        self.flaw: Exception | None = None
        """What ended it before its client did."""

    async def recv_packet(self) -> Any:
        """Read a request. Raises `SFTPBadMessage` for one that is too long, or of an earlier version."""
        size = int.from_bytes(await self._requests.readexactly(4), "big")
        if size > MOST_PACKET:
            raise SFTPBadMessage(f"a request of {size} bytes is too long: this is no SFTP")
        data = await self._requests.readexactly(size)
        if data[:1] == _INIT and int.from_bytes(data[1:5], "big") < VERSION:
            raise SFTPBadMessage(f"SFTP is spoken in version {VERSION} alone")
        return SSHPacket(data)

    def send_packet(self, pkttype: int, pktid: int | None, *args: bytes) -> None:
        """Send an answer, without the copies that a whole block would be put into."""
        del pktid
        head = (1 + sum(map(len, args))).to_bytes(4, "big") + bytes([pkttype])
        self._answers.write(head, *args)

    def log_received_packet(self, *_: object) -> None:
        """Nobody reads it."""

    async def _cleanup(self, exc: Exception | None) -> None:
        self.flaw = None if isinstance(exc, BrokenPipeError) else exc
        for listing in self._dir_handles.values():
            listing.close()
        await super()._cleanup(exc)

    async def _process_close(self, packet: Any) -> None:
        handle = packet.get_string()
        packet.check_end()
        opened = self._file_handles.pop(handle, None) or self._dir_handles.pop(handle, None)
        if opened is None:
            raise SFTPInvalidHandle("there is no such handle")
        opened.close()

    async def _process_copy_data(self, packet: Any) -> None:
        # The library's own ends at the first answer that is shorter than its blocks, as all are here, and says OK.
        source, offset, size = packet.get_string(), packet.get_uint64(), packet.get_uint64()
        target, place = packet.get_string(), packet.get_uint64()
        packet.check_end()
        read, written = self._file_handles.get(source), self._file_handles.get(target)
        if read is None or written is None:
            raise SFTPInvalidHandle("there is no such handle")
        read.copy(offset, size, written, place)

    async def _process_limits(self, packet: Any) -> Any:
        packet.check_end()
        return SFTPLimits(MOST_PACKET, MOST_READ, MOST_READ, MOST_HANDLES)

    async def _process_prefix_hash(self, packet: Any) -> _PrefixHash:
        path, length = packet.get_string(), packet.get_uint64()
        packet.check_end()
        # Who reads a file means that one, also where its name is another's meanwhile, or nobody's, as a log's.
        read = next((each for each in self._file_handles.values() if each.read_as == path), None)
        if read is not None:
            return _PrefixHash(*read.prefix_hash(length, read))
        file = self._tree.open(path, os.O_RDONLY, None)
        try:
            # Whoever has it open may have read or written all of it already.
            known = next(filter(file.is_same, self._file_handles.values()), file)
            return _PrefixHash(*known.prefix_hash(length, file))
        finally:
            file.close()

    async def _process_without_links(self, packet: Any) -> None:
        kind = packet.get_byte()
        asked = packet.get_string() if kind == FXP_EXTENDED else kind
        if asked not in _CHANGING:
            raise SFTPOpUnsupported("this changes nothing by a path")
        with self._tree.straight():
            await self._packet_handlers[asked](self, packet)

    _packet_handlers: dict[Any, Any] = SFTPServerHandler._packet_handlers | {
        FXP_OPEN: _if_there_is_room(SFTPServerHandler._process_open),
        FXP_OPENDIR: _if_there_is_room(SFTPServerHandler._process_opendir),
        FXP_CLOSE: _process_close,
        b"copy-data": _process_copy_data,
        b"limits@openssh.com": _process_limits,
        PREFIX_HASH: _process_prefix_hash,
        WITHOUT_LINKS: _process_without_links,
    }
    _return_types = SFTPServerHandler._return_types | {PREFIX_HASH: FXP_EXTENDED_REPLY}


class _Named:
    """A listing, as handlers read it."""

    def __init__(self, listing: Listing) -> None:
        self.close = listing.close
        self._listing = listing

    def __aiter__(self) -> "_Named":
        return self

    async def __anext__(self) -> SFTPName:
        found = self._listing.next()
        if found is None:
            raise StopAsyncIteration
        return SFTPName(found[0], attrs=_attributes(found[1]))


class _Files(SFTPServer):
    """What handlers ask for, done by a `Tree`. Nothing is left to `SFTPServer` that touches a file."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(cast("Any", _NoChannel()))
        self._tree = tree

    def open(self, path: bytes, pflags: int, attrs: SFTPAttrs) -> OpenFile:
        """Open a file."""
        reads, writes = pflags & FXF_READ, pflags & FXF_WRITE
        access = os.O_WRONLY if writes and not reads else os.O_RDWR if writes else os.O_RDONLY
        flags = access | sum(ours for theirs, ours in _FLAGS if pflags & theirs)
        return self._tree.open(path, flags, attrs.permissions)

    def open56(self, *_: object) -> OpenFile:
        """Later versions are not served."""
        raise NotImplementedError

    def close(self, file_obj: Any) -> None:
        """Close a file."""
        file_obj.close()

    def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        """Read from it."""
        data: bytes = file_obj.read(offset, size)
        return data

    def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        """Write to it."""
        size: int = file_obj.write(offset, data)
        return size

    def fstat(self, file_obj: Any) -> SFTPAttrs:
        """Return its facts."""
        return _attributes(file_obj.stat())

    def fsetstat(self, file_obj: Any, attrs: SFTPAttrs) -> None:
        """Set its facts."""
        self._tree.set_of(file_obj, _facts(attrs))

    def fsync(self, file_obj: Any) -> None:
        """Have it on disk."""
        file_obj.sync()

    def fstatvfs(self, file_obj: Any) -> os.statvfs_result:
        """Return how much there is of its file system."""
        room: os.statvfs_result = file_obj.room()
        return room

    def stat(self, path: bytes) -> SFTPAttrs:
        """Return facts."""
        return _attributes(self._tree.stat(path, follow=True))

    def lstat(self, path: bytes) -> SFTPAttrs:
        """Return facts, of a link itself."""
        return _attributes(self._tree.stat(path, follow=False))

    def setstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set facts."""
        self._tree.set(path, _facts(attrs), follow=True)

    def lsetstat(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Set facts, of a link itself."""
        self._tree.set(path, _facts(attrs), follow=False)

    def statvfs(self, path: bytes) -> os.statvfs_result:
        """Return how much there is of a file system."""
        return self._tree.room(path)

    def scandir(self, path: bytes) -> _Named:
        """List a directory."""
        return _Named(self._tree.listing(path))

    def mkdir(self, path: bytes, attrs: SFTPAttrs) -> None:
        """Make a directory."""
        self._tree.make_directory(path, attrs.permissions)

    def remove(self, path: bytes) -> None:
        """Remove what is no directory."""
        self._tree.remove(path)

    def rmdir(self, path: bytes) -> None:
        """Remove an empty directory."""
        self._tree.remove_directory(path)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename to what is free."""
        self._tree.rename(oldpath, newpath, over=False)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename, in the place of what is there."""
        self._tree.rename(oldpath, newpath, over=True)

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file another name."""
        self._tree.link(oldpath, newpath)

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a link that says `oldpath`."""
        self._tree.make_link(oldpath, newpath)

    def readlink(self, path: bytes) -> bytes:
        """Return what a link says."""
        return self._tree.read_link(path)

    def realpath(self, path: bytes) -> bytes:
        """Return a path without links."""
        return self._tree.real(path)

    def format_user(self, uid: int | None) -> str:
        """Return a user's name; each is looked up once."""
        return _user(uid or 0)

    def format_group(self, gid: int | None) -> str:
        """Return a group's name; each is looked up once."""
        return _group(gid or 0)


class _NoChannel:
    """What `SFTPServer` keeps, and asks for its log alone."""

    logger = Silent()


def _attributes(found: os.stat_result) -> SFTPAttrs:
    """Return facts as they are told: times before 1970 and after 2106, which version 3 cannot say, as the nearest."""
    attrs = SFTPAttrs.from_local(found)
    attrs.atime, attrs.mtime = (min(max(int(each or 0), 0), _LAST_SECOND) for each in (attrs.atime, attrs.mtime))
    return attrs


def _facts(attrs: SFTPAttrs) -> Facts:
    owner = times = None
    if attrs.uid is not None and attrs.gid is not None:
        owner = attrs.uid, attrs.gid
    if attrs.atime is not None and attrs.mtime is not None:
        times = attrs.atime * _SECOND, attrs.mtime * _SECOND
    return Facts(attrs.size, owner, attrs.permissions, times)


_SECOND = 1_000_000_000
"""Nanoseconds."""

_LAST_SECOND = 2**32 - 1


@cache
def _user(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


@cache
def _group(gid: int) -> str:
    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
