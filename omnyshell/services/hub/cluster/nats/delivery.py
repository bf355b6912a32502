"""What a consumer delivers, taken a few at a time: thousands of records may come at once, and each has consequences."""

import asyncio
from contextlib import suppress
from typing import Self

from omnyshell.extras import needs

with needs("cluster"):
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

AT_A_TIME = 4
"""Messages that are taken in one turn of the loop: for a claim's record a registration waits, a ms or two of work."""

MOST_WAITING, MOST_BYTES_WAITING = 1_000_000, 64 * 2**20


class Delivery:
    """A subscription to an inbox of its own: `begin` it, ask for the `next` message, and `end` it.

    The library's way to ask for one makes two tasks, and takes four turns of the loop. What is not taken waits in the
    library, within its bounds.
    """

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Msg] = asyncio.Queue(AT_A_TIME)
        self._subscription: Subscription | None = None
        self._left = AT_A_TIME
        """How many may still be taken in this turn."""

    @classmethod
    async def begin(cls, client: Client) -> Self:
        """Subscribe. Raises `nats.errors.Error`."""
        delivery = cls()
        delivery._subscription = await client.subscribe(
            client.new_inbox(),
            cb=delivery._put,
            pending_msgs_limit=MOST_WAITING,
            pending_bytes_limit=MOST_BYTES_WAITING,
        )
        return delivery

    @property
    def subject(self) -> str:
        """Where it is to be delivered to."""
        return self._subscription.subject if self._subscription is not None else ""

    async def end(self) -> None:
        """Let nothing come any more. Raises `nats.errors.Error` where the connection has ended."""
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def next(self, within: float) -> Msg:
        """Return the next message; others have their turn after a few. Raises `TimeoutError` after so many seconds.

        It is waited for twice, half of the time each: what came while this process was stopped is read the second time.
        """
        if not self._left or self._messages.empty():
            self._left = AT_A_TIME
            await asyncio.sleep(0)
        self._left -= 1
        if not self._messages.empty():
            return self._messages.get_nowait()
        with suppress(TimeoutError):
            async with asyncio.timeout(within / 2):
                return await self._messages.get()
        async with asyncio.timeout(within / 2):
            return await self._messages.get()

    async def _put(self, message: Msg) -> None:
        await self._messages.put(message)
