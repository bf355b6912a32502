"""The records of a stream in order, each once, whether they were delivered or asked for one by one.

A consumer delivers them, and lives at one server: where that dies, another one takes the servers' own leader, who may
have to be elected. To ask takes the stream's leader alone, who takes what is written as well.
"""

import asyncio
from collections.abc import Callable

from omnyshell.services.hub.cluster.nats.connection import EngineConnection
from omnyshell.services.hub.cluster.order.order import Origin, Reader, Stored


class Taking:
    """Hands the records of a stream on to its reader. `begin` it each time that reading begins."""

    def __init__(self, connection: EngineConnection, stream: str, reader: Reader) -> None:
        self._connection, self._stream, self._reader = connection, stream, reader
        self._last = 0
        self.created = ""
        """When the stream that is read was made."""

        self.seq = 0
        """The number of the last record that was taken."""

        self._reading: object | None = None
        """Stands for what was begun last; None from where the reader took a record no more until it is begun anew."""

        self._data = b""
        self.doubt = ""
        """Why reading has to begin anew, as the engine has lost what was taken last; empty where it has not."""

        self._seems = ""
        """What the look before has found."""

        self._heard_at = float("-inf")
        self._is_late = asyncio.Event()

    def begin(self, origin: Origin) -> int:
        """Return the number to read from. Raises `OmnyShellException` as the reader does."""
        begin = self._reader.begin_reading(origin)
        self.created, self._last, self.seq = origin.created, origin.last, begin - 1
        self._reading, self._data, self._seems, self.doubt = object(), b"", "", ""
        return begin

    @property
    def is_at_end(self) -> bool:
        """Whether all was taken that the stream held when reading began."""
        return self.seq >= self._last

    def heard(self) -> None:
        """Note that something was delivered."""
        self._heard_at = asyncio.get_running_loop().time()

    def take(self, stored: Stored) -> None:
        """Take a record, unless it was taken already. Raises `OmnyShellException` as the reader does.

        Where it raises, what is asked for is taken no more before reading begins anew: the reader may have forgotten
        what was before.
        """
        if stored.seq > self.seq:
            try:
                self._reader.take(stored)
            except BaseException:
                self._reading = None
                raise
            self.seq, self._data = stored.seq, stored.data

    async def ask_on(self, is_enough: Callable[[], bool]) -> None:
        """Ask for the next record and take it, again and again, until that is enough or there is none.

        Raises `OmnyShellException` as the reader does, or where nobody answers.
        """
        while not is_enough() and await self.take_next():
            pass

    async def take_next(self) -> bool:
        """Ask for the next record and take it; return False where there is none. Raises as `ask_on`."""
        reading = self._reading
        if reading is None:
            return False
        stored = await self._connection.next_of(self._stream, self.seq + 1)
        if stored is None or self._reading is not reading:
            return False
        self.take(stored)
        return True

    async def look(self, within: float) -> None:
        """Ask for the record that was taken last; there is a `doubt` where two looks have found the same.

        A server that led before may say for a moment what it knew. A later record is late where it is not taken in so
        many seconds. Raises as `ask_on` where nobody answers.
        """
        reading, seq = self._reading, self.seq
        if not self._data:
            return
        stored = await self._connection.next_of(self._stream, seq)
        if self._reading is not reading or self.seq != seq:
            return
        seems = self._lost(stored)
        if seems and seems == self._seems:
            self.doubt = seems
        self._seems = seems
        if not seems and stored is not None and stored.seq == seq:
            stored = await self._connection.next_of(self._stream, seq + 1)
        if not seems and stored is not None:
            self.want(stored.seq, within)

    def _lost(self, stored: Stored | None) -> str:
        """Return what is wrong where that is the first record from the last one on; empty where nothing is."""
        if stored is None:
            return f"the engine has no record {self.seq} any more"
        # A stream that keeps the last of each subject has a later one instead.
        is_other = stored.seq == self.seq and stored.data != self._data
        return f"the engine has another record {self.seq}" if is_other else ""

    # Records that are known to be there, and are not delivered

    def want(self, seq: int, within: float) -> None:
        """Have a record be late that is not taken in so many seconds, though nothing else was delivered meanwhile."""
        asyncio.get_running_loop().call_later(within, self._look, seq, within)

    def _look(self, seq: int, within: float) -> None:
        if self.seq >= seq:
            return
        if asyncio.get_running_loop().time() - self._heard_at < within:
            self.want(seq, within)
        else:
            self._is_late.set()

    async def late(self) -> None:
        """Wait until a record is late."""
        await self._is_late.wait()
        self._is_late.clear()

    async def catch_up(self) -> None:
        """Ask for all records that there are, unless something is delivered after all. Raises as `ask_on`."""
        heard = self._heard_at
        await self.ask_on(lambda: self._heard_at != heard)
