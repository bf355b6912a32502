"""Questions of which the engine may answer none for seconds: what is asked while it elects a leader gets no answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from omnyshell.extras import needs
from omnyshell.services.hub.cluster.nats.attempts import ended

with needs("cluster"):
    import nats.errors

Answer = TypeVar("Answer")


async def first_answer(ask: Callable[[], Awaitable[Answer]], every: float, within: float) -> Answer:
    """Ask each `every` seconds, also while earlier questions wait, and return what is answered first.

    So a leader is found soon, and a server that is slow is not asked in vain. `ask` raises `nats.errors.TimeoutError`
    where it was not answered; that is raised after `within` seconds, and whatever else it raises at once.
    """
    loop = asyncio.get_running_loop()
    again_at = loop.time()
    end = again_at + within
    asked: set[asyncio.Future[Answer]] = set()
    try:
        while (now := loop.time()) < end:
            if now >= again_at or not asked:
                asked.add(asyncio.ensure_future(ask()))
                again_at = now + every
            left = min(again_at, end) - now
            done, asked = await asyncio.wait(asked, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            # Each is looked at, as an error that nobody has looked at is logged as forgotten.
            answers = [each for each in done if not isinstance(each.exception(), nats.errors.TimeoutError)]
            if answers:
                return answers[0].result()
    finally:
        await ended(*asked)
    raise nats.errors.TimeoutError
