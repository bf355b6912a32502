"""A node's file that is read."""

import hashlib
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from omnyshell.services.client.files.holes import Holes
from omnyshell.services.client.files.ports import BLOCK, ZEROS, Bytes, Entry
from omnyshell.services.client.files.problems import ends_early
from omnyshell.services.client.files.sftp import Answer, Sftp

if TYPE_CHECKING:
    from omnyshell.services.client.files.remote import RemoteFiles

ASKED_AT_ONCE = 8 * BLOCK
"""Bytes for which there has to be room before more blocks are asked for: requests that go together are one message on
each hop, and wake each process once."""

MOST_ASKED = 64
"""Blocks that are known to come, with those that are holes and take no room."""

EMPTY = hashlib.sha256(b"").digest()


class RemoteSource:
    """A node's file that is being read."""

    def __init__(self, files: "RemoteFiles", sftp: Sftp, path: bytes, handle: bytes, entry: Entry) -> None:
        self._files, self._sftp, self._path, self._handle = files, sftp, path, handle
        self.entry = entry

    async def blocks(self, start: int) -> AsyncIterator[tuple[int, Bytes]]:
        """See `Source.blocks`. So many are asked for at once that none waits for the one before."""
        size, flow = self.entry.size, self._files.reads
        holes = Holes(self._sftp, self._handle, start, size)
        asked: deque[tuple[int, int, Answer | None]] = deque()
        offset = start
        try:
            while offset < size or asked:
                is_time = not asked or flow.has_room(ASKED_AT_ONCE)
                while offset < size and is_time and (not asked or (flow.has_room(BLOCK) and len(asked) < MOST_ASKED)):
                    wanted = min(BLOCK, size - offset)
                    asked.append((offset, wanted, await self._begun(holes, offset, wanted)))
                    offset += wanted
                at, wanted, answer = asked[0]
                data: Bytes = ZEROS
                if answer is not None:
                    with self._files.at(self._path):
                        data = await self._whole(at, wanted, answer)
                asked.popleft()
                if answer is not None:
                    flow.give_back(wanted)
                    self._files.has_worked()
                yield at, data
        finally:
            for _, wanted, answer in asked:
                if answer is not None:
                    flow.give_back(wanted)

    async def _begun(self, holes: Holes, offset: int, size: int) -> Answer | None:
        """Ask for a block; return None where it is a hole."""
        with self._files.at(self._path):
            if await holes.has(offset, size):
                return None
        flow = self._files.reads
        await flow.take(size)
        try:
            return self._sftp.begin_read(self._handle, offset, size)
        except BaseException:
            flow.give_back(size)
            raise

    async def digest(self, length: int) -> bytes:
        """See `Source.digest`."""
        with self._files.at(self._path):
            return await self._sftp.digest(self._path, self._handle, length) if length else EMPTY

    async def close(self) -> None:
        """See `Source.close`."""
        handle, self._handle = self._handle, b""
        self._sftp.let_go(handle)

    async def _whole(self, at: int, wanted: int, answer: Answer) -> memoryview:
        """Return a block, also where the server answers in parts."""
        data = await self._sftp.data(answer, wanted)
        while 0 < len(data) < wanted:
            missing = wanted - len(data)
            more = await self._sftp.data(self._sftp.begin_read(self._handle, at + len(data), missing), missing)
            if not more:
                break
            data = memoryview(b"".join((data, more)))
        if len(data) < wanted:
            found = await self._sftp.look_at_handle(self._handle, self.entry.name)
            raise ends_early(at + wanted, found.size)
        return data
