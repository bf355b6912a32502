"""Futures that messages settle, and whose waiters may be gone."""

import asyncio
from typing import Any


def fail_future(future: asyncio.Future[Any], error: Exception) -> None:
    """Fail a future that is not done; asyncio does not log the error if nobody retrieves it."""
    if not future.done():
        future.set_exception(error)
        future.exception()
