"""Version 3 of SFTP over any stream: bytes come in by `feed`, and go out by a function."""

import asyncio
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from omnyshell.printable import printable
from omnyshell.protocol.limits import KIB
from omnyshell.services.client.files.library import (
    PacketDecodeError,
    SFTPAttrs,
    SFTPClientHandler,
    SFTPError,
    SFTPRanges,
    SSHPacket,
    String,
    UInt32,
    UInt64,
    constants as wire,
)
from omnyshell.services.client.files.packets import PacketReader
from omnyshell.services.client.files.ports import PERMISSIONS, Bytes, Entry, Kind
from omnyshell.services.client.files.problems import BY_REASON, FileException, Trouble, ends_early

VERSION = 3
MOST_BYTES = 512 * KIB
"""Bytes of one answer: a block, or as many names as a server says at once."""

LONGEST_HANDLE = 256
"""Bytes, as the protocol says."""

_AT_ONCE = 64 * KIB
"""Bytes that wait from which they are sent at once, and not with what else comes in this turn of the loop."""

LARGEST = 2**62
"""Bytes of a file that may be one: no system has larger ones."""

_HEAD = 4
_ANSWER_HEAD = 5
PREFIX_HASH = b"prefix-hash@omnyshell"
WITHOUT_LINKS = b"without-links@omnyshell"
_FSYNC, _POSIX_RENAME, _RANGES = b"fsync@openssh.com", b"posix-rename@openssh.com", b"ranges@asyncssh.com"
_DIGEST_SIZE = 32
_YEAR_2106 = 2**32 - 1

READ, WRITE = wire.FXF_READ, wire.FXF_WRITE
NEW = wire.FXF_WRITE | wire.FXF_CREAT | wire.FXF_EXCL

_TROUBLES = {
    wire.FX_NO_SUCH_FILE: Trouble.NOT_FOUND,
    wire.FX_PERMISSION_DENIED: Trouble.DENIED,
    wire.FX_OP_UNSUPPORTED: Trouble.UNSUPPORTED,
    wire.FX_FILE_ALREADY_EXISTS: Trouble.EXISTS,
    wire.FX_WRITE_PROTECT: Trouble.DENIED,
    wire.FX_NO_SPACE_ON_FILESYSTEM: Trouble.NO_ROOM,
    wire.FX_QUOTA_EXCEEDED: Trouble.NO_QUOTA,
}

Answer = asyncio.Future[tuple[int, Any]]
"""Becomes the kind of an answer, and the rest: a memoryview of data, and a packet of all else."""

T = TypeVar("T")


class _Quiet:
    """The library's logger, of which nothing is wanted: it would log payload."""

    def get_child(self, _name: str) -> "_Quiet":
        return self

    def nothing(self, *_args: object) -> None:
        """Log nothing."""

    debug1 = debug2 = info = packet = nothing


class _Reader:
    """What the library asks of its reader, besides bytes."""

    logger = _Quiet()

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default


class Sftp(SFTPClientHandler):
    """The client's side of one SFTP session.

    What a request returns is what the server says; each raises `FileException`, and `LinkLostException` once the stream
    has ended.
    """

    def __init__(self, send: Callable[[bytes], None], broken: Callable[[FileException], None]) -> None:
        """`send` takes bytes for the server; `broken` is told when the server breaks the protocol."""
        reader: Any = _Reader()
        super().__init__(asyncio.get_running_loop(), "replace", reader, None, VERSION)  # type: ignore[arg-type]
        self._send = send
        self._broken = broken
        self._out: list[bytes] = []
        self._out_size = 0
        self._packets = PacketReader(MOST_BYTES)
        self._greeting: asyncio.Future[SSHPacket] = self._loop.create_future()
        self._over: FileException | None = None
        self._follows_none_if_told = False

    @property
    def tells_ranges(self) -> bool:
        """Whether the server says where a file has something."""
        return self._supports_ranges

    @property
    def has_ended(self) -> bool:
        """Whether the stream is over."""
        return self._over is not None

    # The stream

    def feed(self, data: bytes | memoryview) -> None:
        """Take what the server has sent."""
        try:
            for packet in self._packets.feed(data):
                if self._over is not None:
                    return
                self._packet_received(packet)
        except FileException as exc:
            self._break(exc)

    def end(self, error: FileException) -> None:
        """Fail what waits, and what comes: the stream has ended. Idempotent."""
        if self._over is not None:
            return
        self._over = error
        self._out.clear()
        waiting: list[asyncio.Future[Any]] = [self._greeting, *self._requests.values()]
        self._requests = {}
        for each in waiting:
            if not each.done():
                each.set_exception(error)
                # Whoever asked may have given up.
                each.exception()

    def send_packet(self, pkttype: int, _pktid: int | None, *args: bytes) -> None:
        """Send a request, together with others of this turn of the loop."""
        if self._over is not None:
            raise self._over
        size = 1 + sum(map(len, args))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out += (size.to_bytes(_HEAD, "big"), pkttype.to_bytes(1, "big"), *args)
        self._out_size += size
        if self._out_size >= _AT_ONCE:
            self._flush()

    async def recv_packet(self) -> SSHPacket:
        """Return the server's first packet."""
        return await self._greeting

    def log_sent_packet(self, *_args: object) -> None:
        """Log nothing: it would be payload."""

    def _flush(self) -> None:
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            self._out_size = 0
            self._send(data)

    def _packet_received(self, packet: bytearray) -> None:
        if not self._greeting.done():
            self._greeting.set_result(SSHPacket(bytes(packet)))
            return
        if len(packet) < _ANSWER_HEAD:
            self._break(_broken("an answer that is cut off"))
            return
        kind, rest = packet[0], memoryview(packet)[_ANSWER_HEAD:]
        waiter: Any = self._requests.pop(int.from_bytes(packet[1:_ANSWER_HEAD], "big"), None)
        if waiter is None:
            self._break(_broken("an answer to nothing"))
        elif not waiter.done():
            waiter.set_result((kind, rest if kind == wire.FXP_DATA else SSHPacket(bytes(rest))))

    def _break(self, error: FileException) -> None:
        self.end(error)
        self._broken(error)

    def _log_extensions(self, extensions: Sequence[tuple[bytes, bytes]]) -> None:
        """Note, as the library would log it, what the server can do that the library does not know."""
        self._follows_none_if_told = (WITHOUT_LINKS, b"1") in extensions

    # Requests that are begun, and waited for later

    def begin(self, kind: int | bytes, *args: bytes) -> Answer:
        """Send a request, and return what becomes its answer."""
        waiter: Any = self._loop.create_future()
        self._send_request(kind, args, waiter)
        answer: Answer = waiter
        return answer

    def begin_change(self, kind: int | bytes, *args: bytes) -> Answer:
        """Change something by a path, in which no link is followed where the server knows how: it may be an older one.

        So whoever puts one in a directory's place meanwhile leads nobody elsewhere.
        """
        if not self._follows_none_if_told:
            return self.begin(kind, *args)
        inner = bytes([kind]) if isinstance(kind, int) else bytes([wire.FXP_EXTENDED]) + String(kind)
        return self.begin(WITHOUT_LINKS, inner, *args)

    def begin_read(self, handle: bytes, offset: int, size: int) -> Answer:
        """Ask for a block."""
        return self.begin(wire.FXP_READ, String(handle), UInt64(offset), UInt32(size))

    def begin_write(self, handle: bytes, offset: int, data: Bytes) -> Answer:
        """Send a block."""
        head = String(handle) + UInt64(offset) + UInt32(len(data))
        written: Any = data
        return self.begin(wire.FXP_WRITE, head, written)

    def begin_close(self, handle: bytes) -> Answer:
        """Close a file or directory."""
        return self.begin(wire.FXP_CLOSE, String(handle))

    def let_go(self, handle: bytes) -> None:
        """Have a handle closed, unless it is empty, without waiting for it: the stream may have ended."""
        if handle:
            with suppress(FileException):
                self.begin_close(handle)

    def begin_attributes(self, handle: bytes, attributes: SFTPAttrs) -> Answer:
        """Change what is known of an open file."""
        return self.begin(wire.FXP_FSETSTAT, String(handle), attributes.encode(VERSION))

    def begin_sync(self, handle: bytes) -> Answer:
        """Have a file written to the disk."""
        return self.begin(_FSYNC, String(handle))

    def begin_digest(self, path: bytes, length: int) -> Answer:
        """Ask for the SHA-256 of a file's first bytes."""
        return self.begin(PREFIX_HASH, String(path), UInt64(length))

    def begin_replace(self, old: bytes, new: bytes) -> Answer:
        """Rename, in place of what has the name."""
        return self.begin_change(_POSIX_RENAME, String(old), String(new))

    async def done(self, answer: Answer) -> None:
        """Return when a request is carried out."""
        kind, packet = await answer
        self._expect(kind, packet, wire.FXP_STATUS)

    async def data(self, answer: Answer, most: int) -> memoryview:
        """Return the bytes that were read, none behind the end of the file."""
        kind, rest = await answer
        if kind == wire.FXP_STATUS:
            try:
                self._expect(kind, rest, wire.FXP_DATA)
            except _EndException:
                return memoryview(b"")
        if kind != wire.FXP_DATA or int.from_bytes(rest[:_HEAD], "big") != len(rest) - _HEAD:
            self._unexpected()
        data: memoryview = rest[_HEAD:]
        if not 0 < len(data) <= most:
            self._unexpected()
        return data

    async def digest(self, path: bytes, handle: bytes, length: int) -> bytes:
        """Return the SHA-256 of so many bytes of a file, which is open."""
        kind, packet = await self.begin_digest(path, length)
        if kind != wire.FXP_EXTENDED_REPLY:
            self._expect(kind, packet, wire.FXP_EXTENDED_REPLY)
        hashed, digest = _decoded(packet.get_uint64), bytes(_decoded(packet.get_string))
        if hashed != length:
            raise ends_early(length, (await self.look_at_handle(handle, b"")).size)
        if len(digest) != _DIGEST_SIZE or packet:
            self._unexpected()
        return digest

    async def ranges(self, handle: bytes, offset: int, size: int) -> tuple[list[tuple[int, int]], bool]:
        """Return beginnings and ends of what is no hole, in order, and whether that is all; at least one where not."""
        kind, packet = await self.begin(_RANGES, String(handle), UInt64(offset), UInt64(size))
        if kind == wire.FXP_STATUS:
            try:
                self._expect(kind, packet, wire.FXP_EXTENDED_REPLY)
            except _EndException:
                return [], True
        if kind != wire.FXP_EXTENDED_REPLY:
            self._unexpected()
        said = self._parsed(SFTPRanges.decode, packet)
        found = [(begin, begin + length) for begin, length in said.ranges]
        places = [offset, *(place for each in found for place in each), offset + size]
        if packet or places != sorted(places) or not all(begin < end for begin, end in found):
            self._unexpected()
        if not found and not said.at_end:
            self._unexpected()
        return found, said.at_end

    # Requests

    async def greet(self) -> None:
        """Agree on the version. Raises `FileException`, also where the server is none of our nodes'."""
        try:
            await self.start()
        except SFTPError as exc:
            raise FileException(f"the node does not speak SFTP: {printable(exc.reason)}", code=Trouble.BROKEN) from exc
        if self.version != VERSION:
            raise FileException("the node does not speak version 3 of SFTP", code=Trouble.UNSUPPORTED)

    async def open_file(self, path: bytes, flags: int, mode: int | None = None) -> bytes:
        """Open a file, and return its handle."""
        attributes = attributes_of(mode, None)
        answer = self.begin(wire.FXP_OPEN, String(path), UInt32(flags), attributes.encode(VERSION))
        return await self._handle(answer)

    async def open_folder(self, path: bytes) -> bytes:
        """Open a directory, and return its handle."""
        return await self._handle(self.begin(wire.FXP_OPENDIR, String(path)))

    async def names(self, handle: bytes) -> Sequence[Entry]:
        """Return some of a directory's entries; none at the end."""
        try:
            found = await self._names(wire.FXP_READDIR, handle)
        except _EndException:
            return ()
        return [entry_of(bytes(name), attributes) for name, attributes in found]

    async def look(self, path: bytes, *, follow: bool) -> Entry | None:
        """Return what stands at a path; None for nothing."""
        kind, packet = await self.begin(wire.FXP_STAT if follow else wire.FXP_LSTAT, String(path))
        if kind != wire.FXP_ATTRS:
            try:
                self._expect(kind, packet, wire.FXP_ATTRS)
            except FileException as exc:
                if exc.code == Trouble.NOT_FOUND:
                    return None
                raise
        return entry_of(path.rstrip(b"/").rpartition(b"/")[2], self._attributes(packet))

    async def look_at_handle(self, handle: bytes, name: bytes) -> Entry:
        """Return what an open file is."""
        kind, packet = await self.begin(wire.FXP_FSTAT, String(handle))
        if kind != wire.FXP_ATTRS:
            self._expect(kind, packet, wire.FXP_ATTRS)
        return entry_of(name, self._attributes(packet))

    async def make_folder(self, path: bytes, mode: int | None = None) -> None:
        """Make a directory."""
        attributes = attributes_of(mode, None)
        await self.done(self.begin_change(wire.FXP_MKDIR, String(path), attributes.encode(VERSION)))

    async def set_attributes(self, path: bytes, attributes: SFTPAttrs) -> None:
        """Change what is known of a file or directory."""
        await self.done(self.begin_change(wire.FXP_SETSTAT, String(path), attributes.encode(VERSION)))

    async def move(self, old: bytes, new: bytes) -> None:
        """Rename, unless the name is taken."""
        await self.done(self.begin_change(wire.FXP_RENAME, String(old), String(new)))

    async def drop(self, path: bytes) -> None:
        """Remove a file or link."""
        await self.done(self.begin_change(wire.FXP_REMOVE, String(path)))

    async def drop_folder(self, path: bytes) -> None:
        """Remove an empty directory."""
        await self.done(self.begin_change(wire.FXP_RMDIR, String(path)))

    async def leads_to(self, path: bytes) -> bytes:
        """Return what a link says."""
        return await self._one_name(wire.FXP_READLINK, path)

    async def whole_path(self, path: bytes) -> bytes:
        """Return the absolute path of a path."""
        return await self._one_name(wire.FXP_REALPATH, path)

    async def make_link(self, path: bytes, target: bytes) -> None:
        """Make a link."""
        await self.done(self.begin_change(wire.FXP_SYMLINK, String(path), String(target)))

    # What answers are held against

    async def _handle(self, answer: Answer) -> bytes:
        kind, packet = await answer
        if kind != wire.FXP_HANDLE:
            self._expect(kind, packet, wire.FXP_HANDLE)
        handle = bytes(_decoded(packet.get_string))
        if len(handle) > LONGEST_HANDLE or packet:
            self._unexpected()
        return handle

    async def _one_name(self, request: int, path: bytes) -> bytes:
        names = await self._names(request, path)
        if len(names) != 1:
            self._unexpected()
        return bytes(names[0][0])

    async def _names(self, request: int, about: bytes) -> list[tuple[bytes, SFTPAttrs]]:
        kind, packet = await self.begin(request, String(about))
        if kind != wire.FXP_NAME:
            self._expect(kind, packet, wire.FXP_NAME)
        names, _ = self._parsed(self._process_name, packet)
        return [(name.filename, name.attrs) for name in names]  # type: ignore[misc]

    def _attributes(self, packet: SSHPacket) -> SFTPAttrs:
        return self._parsed(self._process_attrs, packet)

    def _parsed(self, parse: Callable[[SSHPacket], T], packet: SSHPacket) -> T:
        try:
            return parse(packet)
        except (PacketDecodeError, SFTPError):
            self._unexpected()

    def _expect(self, kind: int, packet: SSHPacket, wanted: int) -> None:
        """Raise what a status says, or that it is no answer to what was asked."""
        if kind != wire.FXP_STATUS:
            self._unexpected()
        try:
            error = SFTPError.construct(packet, "replace")
        except (PacketDecodeError, SFTPError):
            self._unexpected()
        if error is None and wanted != wire.FXP_STATUS:
            self._unexpected()
        if error is not None:
            raise _exception_of(error)

    def _unexpected(self) -> NoReturn:
        error = _broken("an answer to something else")
        self._break(error)
        raise error


class _EndException(FileException):
    """There is nothing more to read."""


def attributes_of(mode: int | None, times: Entry | None) -> SFTPAttrs:
    """Return what sets a mode and the times of an entry, each unless it is None."""
    attributes = SFTPAttrs()
    if mode is not None:
        attributes.permissions = mode
    if times is not None:
        attributes.atime, attributes.mtime = _second(times.accessed), _second(times.modified)
    return attributes


def _second(time_of: int) -> int:
    """A time as version 3 says it, which ends in 2106."""
    return min(max(time_of, 0), _YEAR_2106)


def entry_of(name: bytes, attributes: SFTPAttrs) -> Entry:
    """Return what a server says of a file. What it does not say is 0; without a kind it is nothing to copy."""
    mode = attributes.permissions or 0
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    size = attributes.size or 0
    return Entry(
        name=name,
        kind=kinds.get(stat.S_IFMT(mode), Kind.OTHER) if size <= LARGEST else Kind.OTHER,
        size=size,
        mode=mode & PERMISSIONS,
        accessed=attributes.atime or 0,
        modified=attributes.mtime or 0,
    )


def _exception_of(error: SFTPError) -> FileException:
    if error.code == wire.FX_EOF:
        return _EndException("there is no more")
    reason = printable(error.reason)
    code = BY_REASON.get(reason) or _TROUBLES.get(error.code, Trouble.FAILED)
    return FileException(reason or code.replace("_", " "), code=code)


def _broken(what: str) -> FileException:
    return FileException(f"the node's SFTP sends {what}", code=Trouble.BROKEN)


def _decoded(get: Callable[[], T]) -> T:
    try:
        return get()
    except PacketDecodeError as exc:
        raise _broken("an answer that is cut off") from exc
