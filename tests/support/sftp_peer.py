"""A client of SFTP that was written by hand, for what serves files: it says whatever a test wants to be said."""

import asyncio
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.deadline import DEADLINE

from omnyshell import OmnyShellClient, RemoteSession
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import SFTP
from omnyshell.protocol.messages import SessionOpen
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import program
from omnyshell.services.node.files.service import FileService

INIT, VERSION, STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 1, 2, 101, 102, 103, 104, 105, 200, 201
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(3, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = range(13, 21)
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE = range(6)
UNSUPPORTED = 8
FOR_READING, FOR_WRITING, APPENDING, CREATING, CUTTING, NEW = 1, 2, 4, 8, 16, 32
NO_ATTRS = bytes(4)


def text(data: bytes) -> bytes:
    """A string, as it is sent."""
    return struct.pack(">I", len(data)) + data


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def u64(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}Q", *numbers)


class Said(NamedTuple):
    """An answer."""

    kind: int
    rest: bytes

    @property
    def code(self) -> int:
        """The code of a status."""
        assert self.kind == STATUS, self
        return int(struct.unpack(">I", self.rest[:4])[0])

    @property
    def why(self) -> str:
        """The text of a status."""
        return self.string_at(4).decode()

    @property
    def data(self) -> bytes:
        """What was read, or a handle."""
        assert self.kind in (DATA, HANDLE), self
        return self.string_at(0)

    @property
    def names(self) -> list[bytes]:
        """The names of a listing, or of a path."""
        assert self.kind == NAME, self
        count, at, names = struct.unpack(">I", self.rest[:4])[0], 4, []
        for _ in range(count):
            names.append(self.string_at(at))
            at += 4 + len(names[-1])
            at += 4 + len(self.string_at(at))
            at = _after_attrs(self.rest, at)
        return names

    @property
    def size(self) -> int:
        """The size in attributes."""
        assert self.kind == ATTRS, self
        return int(struct.unpack(">Q", self.rest[4:12])[0])

    @property
    def owner(self) -> int:
        """The id of the user in attributes."""
        assert self.kind == ATTRS, self
        return int(struct.unpack(">I", self.rest[12:16])[0])

    @property
    def mode(self) -> int:
        """The mode in attributes."""
        assert self.kind == ATTRS, self
        return int(struct.unpack(">I", self.rest[20:24])[0])

    def string_at(self, at: int) -> bytes:
        (length,) = struct.unpack(">I", self.rest[at : at + 4])
        return self.rest[at + 4 : at + 4 + length]


def _after_attrs(data: bytes, at: int) -> int:
    (flags,) = struct.unpack(">I", data[at : at + 4])
    return at + 4 + sum(size for bit, size in ((1, 8), (2, 8), (4, 4), (8, 8)) if flags & bit)


class SftpPeer:
    """Speaks with what serves files, on two streams that block."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._number = 0

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def request(self, kind: int, *parts: bytes) -> int:
        """Send a request without waiting for its answer; return its number."""
        self._number += 1
        self.send(text(bytes([kind]) + u32(self._number) + b"".join(parts)))
        return self._number

    def answer(self) -> tuple[int, Said]:
        """Return the next answer, and to which request it is."""
        data = self._packet()
        return struct.unpack(">I", data[1:5])[0], Said(data[0], data[5:])

    def ask(self, kind: int, *parts: bytes) -> Said:
        """Send a request, and return its answer."""
        number = self.request(kind, *parts)
        told, said = self.answer()
        assert told == number
        return said

    def begin(self) -> bytes:
        """Agree on a version; return what was said of it."""
        self.send(text(bytes([INIT]) + u32(3)))
        return self._packet()

    def open(self, path: bytes, flags: int = FOR_READING) -> bytes:
        """Open a file, and return its handle."""
        return self.ask(OPEN, text(path), u32(flags), NO_ATTRS).data

    def put(self, path: bytes, data: bytes) -> Said:
        """Write a file that is new; return what came of the last request."""
        opened = self.ask(OPEN, text(path), u32(FOR_WRITING | CREATING | CUTTING), NO_ATTRS)
        if opened.kind == STATUS:
            return opened
        said = self.ask(WRITE, text(opened.data), u64(0), text(data))
        closed = self.ask(CLOSE, text(opened.data))
        return said if said.code else closed

    def get(self, path: bytes) -> bytes:
        """Read a small file."""
        handle = self.open(path)
        said = self.ask(READ, text(handle), u64(0), u32(1 << 16))
        self.ask(CLOSE, text(handle))
        return b"" if said.kind == STATUS and said.code == EOF else said.data

    def listed(self, path: bytes) -> list[bytes]:
        """List a directory."""
        handle, names = self.ask(OPENDIR, text(path)).data, []
        while (said := self.ask(READDIR, text(handle))).kind == NAME:
            names += said.names
        assert said.code == EOF
        assert self.ask(CLOSE, text(handle)).code == OK
        return names

    def extended(self, name: bytes, *parts: bytes) -> Said:
        """Ask for what an extension has."""
        return self.ask(EXTENDED, text(name), *parts)

    def end(self) -> int:
        """Say no more, and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(DEADLINE)

    def _packet(self) -> bytes:
        assert self.process.stdout is not None
        size = self.process.stdout.read(4)
        assert len(size) == 4, "it has ended"
        return self.process.stdout.read(struct.unpack(">I", size)[0])


@contextmanager
def served_files(
    roots: Sequence[Path | str] = (), *, read_only: bool = False, cwd: Path | None = None, **how: Any
) -> Iterator[SftpPeer]:
    """What serves files, in a process of its own that has ended afterwards; `how` is for `Popen`."""
    said = FileService(FilesPolicy(tuple(map(str, roots)), read_only)).variables()
    env = dict(os.environ) | dict(said) | how.pop("env", {})
    with subprocess.Popen(
        program(is_of_others=False), stdin=-1, stdout=-1, stderr=-1, env=env, cwd=cwd, **how
    ) as process:
        try:
            peer = SftpPeer(process)
            peer.begin()
            yield peer
        finally:
            process.kill()


class Transfer:
    """A session of files, through hub and node."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self._heard = b""

    @classmethod
    async def opened(cls, client: OmnyShellClient, **fields: Any) -> "Transfer":
        """Open one on the node n1; raises as the client does."""
        transfer = cls(await cls.asked_for(client, **fields))
        await transfer.ask(INIT, u32(3))
        return transfer

    @staticmethod
    async def asked_for(client: OmnyShellClient, **fields: Any) -> RemoteSession:
        """Ask for it alone."""
        request = SessionOpen(node_id="n1", mode=SessionMode.SFTP, **fields)
        return await asyncio.wait_for(client.open_as_asked(request, SFTP), DEADLINE)

    async def ask(self, kind: int, *parts: bytes) -> Said:
        """Send a request, and return its answer."""
        number = u32(7) if kind != INIT else b""
        self.session.send(text(bytes([kind]) + number + b"".join(parts)))
        size = int.from_bytes(await self._read(4), "big")
        data = await self._read(size)
        return Said(data[0], data[1 + len(number) :])

    async def pid(self) -> Path:
        """What there is of its process in /proc, while there is one."""
        return Path("/proc", os.fsdecode((await self.ask(READLINK, text(b"/proc/self"))).names[0]))

    async def _read(self, size: int) -> bytes:
        async with asyncio.timeout(DEADLINE):
            while len(self._heard) < size:
                chunk = await anext(aiter(self.session))
                assert not chunk.is_stderr, chunk.data
                self._heard += chunk.data
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken
