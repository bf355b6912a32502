"""Futures that are settled by messages, where whoever waits may have left."""

import asyncio
from typing import Any


def fail_future(future: asyncio.Future[Any], error: Exception) -> None:
    """Fail a future that is still open; asyncio will not complain where nobody looks at it."""
    if not future.done():
        future.set_exception(error)
        future.exception()
