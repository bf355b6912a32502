"""Attempts beside each other, of which one counts, and the end of those that do not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

Choice = TypeVar("Choice")
Got = TypeVar("Got")

_CANCEL_AGAIN = 0.2


async def first_of(
    choices: Iterable[Choice],
    attempt: Callable[[Choice], Awaitable[Got]],
    give_back: Callable[[Got], Awaitable[None]],
    silent: float,
) -> tuple[Choice, Got]:
    """Try one choice after another, the next one beside those that have said nothing for `silent` seconds.

    Return the first that succeeds, and what it got; what others got meanwhile is given back. Raises what the last one
    raised where none succeeds. There has to be a choice.
    """
    left = list(choices)
    tried: dict[asyncio.Future[Got], Choice] = {}
    under_way: set[asyncio.Future[Got]] = set()
    try:
        while True:
            if left:
                choice = left.pop(0)
                begun = asyncio.ensure_future(attempt(choice))
                tried[begun] = choice
                under_way.add(begun)
            wait = silent if left else None
            done, under_way = await asyncio.wait(under_way, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                if each.exception() is None:
                    return tried.pop(each), each.result()
            if not left and not under_way:
                done.pop().result()
    finally:
        await ended(*tried)
        async with AsyncExitStack() as giving_back:
            for each in tried:
                if not each.cancelled() and each.exception() is None:
                    giving_back.push_async_callback(give_back, each.result())


async def ended(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks until they have ended: the library waits by what swallows a cancellation now and then."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN)
    for task in tasks:
        # What became of it is nobody's to know, and asyncio tells of errors that nobody has looked at.
        _ = task.cancelled() or task.exception()
