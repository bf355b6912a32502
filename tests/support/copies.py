"""What serves files, or lies about them, without hub and node: for what copies them."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from omnyshell.services.client.files.copying import Manner
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import Files
from omnyshell.services.client.files.problems import LinkLostException
from omnyshell.services.client.files.remote import RemoteFiles
from omnyshell.services.client.files.sftp import Sftp
from omnyshell.services.client.files.spots import landing, wanted
from omnyshell.services.client.files.transfer import Report, Transfer

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(1, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = range(13, 21)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
FILE, FOLDER, LINK = 0o100644, 0o040755, 0o120777


class End(asyncio.Protocol):
    """A link to what serves files; `cut` ends it as a lost session does."""

    def __init__(self) -> None:
        self.sftp = Sftp(self._send, lambda _: self.cut())
        self.carried = 0
        self.stop_after = float("inf")
        """Bytes, either way, after which it is cut."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.carried += len(data)
        self.sftp.feed(data)
        if self.carried > self.stop_after:
            self.cut()

    def connection_lost(self, _error: Exception | None) -> None:
        self.sftp.end(LinkLostException("it is cut"))

    def cut(self) -> None:
        self._transport.abort()
        self.sftp.end(LinkLostException("it is cut"))

    async def close(self) -> None:
        self.sftp.end(LinkLostException("it is closed"))
        # Aborted: what still waits to be sent would wait for a server that waits for its answers to be read.
        self._transport.abort()

    def _send(self, data: bytes) -> None:
        self.carried += len(data)
        if self.carried > self.stop_after:
            self.cut()
        else:
            self._transport.write(data)


class Node:
    """Serves the files of this machine as a node does, in a thread for each link."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.links: list[End] = []
        self.prepare: Callable[[End], None] = lambda _: None
        self._threads: list[Thread] = []

    async def open(self) -> End:
        # Imported where it is needed: it takes all of asyncssh along.
        from omnyshell.services.node.files.child.adapter import Served
        from omnyshell.services.node.files.child.places import Anywhere
        from omnyshell.services.node.files.child.tree import Tree

        ours, theirs = socket.socketpair()

        def serve() -> None:
            with theirs:
                Served(Tree(Anywhere(), read_only=False), theirs.fileno(), theirs.fileno()).run()

        thread = Thread(target=serve)
        thread.start()
        self._threads.append(thread)
        _, link = await asyncio.get_running_loop().create_connection(End, sock=ours)
        self.links.append(link)
        self.prepare(link)
        await link.sftp.greet()
        return link

    async def close(self) -> None:
        for link in self.links:
            await link.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)


@asynccontextmanager
async def node_files(home: Path, title: str = "n1") -> AsyncIterator[tuple[RemoteFiles, Node]]:
    """A node's files, and what serves them."""
    node = Node(home)
    try:
        async with RemoteFiles(title, node.open) as files:
            yield files, node
    finally:
        await node.close()


async def copied(
    source: Files, paths: "list[Path | bytes] | Path", target: Files, into: Path, **how: Any
) -> tuple[Transfer, list[Report]]:
    """Copy, as the command does; return the transfer, and what became of each file."""
    reports: list[Report] = []
    found = []
    for path in [paths] if isinstance(paths, Path) else paths:
        found += await wanted(source, os.fsencode(path))
    where, named = await landing(target, os.fsencode(into), found)
    transfer = Transfer(named, target, where, report=reports.append, **how)
    await transfer.run()
    return transfer, reports


HERE = LocalFiles(in_threads=False)
PRESERVING = Manner(preserve=True)


def u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def text(data: bytes) -> bytes:
    return u32(len(data)) + data


def attributes(mode: int, size: int = 0) -> bytes:
    return u32(5) + struct.pack(">QI", size, mode)


def names(*found: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Return an answer with names and their attributes."""
    return NAME, u32(len(found)) + b"".join(text(name) + text(b"") + attrs for name, attrs in found)


def status(code: int, reason: bytes = b"") -> tuple[int, bytes]:
    return STATUS, u32(code) + text(reason) + text(b"")


END = status(1)
MISSING = status(2)
Said = Callable[[bytes], "tuple[int, bytes] | bytes"]


class Liar(End):
    """A link to a server that says what a test wants: `says` has an answer, or mere bytes, for each kind of request."""

    def __init__(self, says: dict[int, Said]) -> None:
        super().__init__()
        self._says = says

    async def begin(self) -> "Liar":
        greeting = asyncio.ensure_future(self.sftp.greet())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.sftp.feed(text(bytes([VERSION]) + u32(3)))
        await greeting
        return self

    def cut(self) -> None:
        self.sftp.end(LinkLostException("it is cut"))

    async def close(self) -> None:
        self.cut()

    def _send(self, data: bytes) -> None:
        while data:
            size = int.from_bytes(data[:4], "big")
            packet, data = data[4 : 4 + size], data[4 + size :]
            if packet[0] != INIT:
                said = self._says[packet[0]](packet[5:])
                number = packet[1:5]
                answer = said if isinstance(said, bytes) else text(bytes([said[0]]) + number + said[1])
                asyncio.get_running_loop().call_soon(self.sftp.feed, answer)


@asynccontextmanager
async def false_files(says: dict[int, Said]) -> AsyncIterator[RemoteFiles]:
    """The files of a node that lies, as `says` says; what it says nothing of is there and well."""
    usual: dict[int, Said] = {
        STAT: lambda _: (ATTRS, attributes(FOLDER)),
        LSTAT: lambda _: MISSING,
        FSTAT: lambda _: (ATTRS, attributes(FILE)),
        REALPATH: lambda _: names((b"/there", attributes(FOLDER))),
        OPENDIR: lambda _: (HANDLE, text(b"d")),
        OPEN: lambda _: (HANDLE, text(b"f")),
        CLOSE: lambda _: status(0),
        READLINK: lambda _: names((b"elsewhere", attributes(FILE))),
        READ: lambda _: END,
    }

    async def opener() -> Any:
        return await Liar(usual | says).begin()

    async with RemoteFiles("liar", opener) as files:
        yield files


def once(*answers: "tuple[int, bytes] | bytes", after: "tuple[int, bytes] | bytes" = END) -> Said:
    """Return what says these one by one, and then the other."""
    left = list(answers)
    return lambda _: left.pop(0) if left else after
