"""Background tasks whose failures are shown to the user, and affect nothing else."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.worker import Worker

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.tui.advice import advice
from omnyshell.tui.log import where

LONGEST_TOLD = 400
"""The most characters of an error in a toast."""

T = TypeVar("T")

logger = logging.getLogger("omnyshell.console")


def start_task(owner: DOMNode, work: Coroutine[Any, Any, None], what: str, *, group: str = "") -> Worker[None]:
    """Run `work` as a task that ends with its owner; `what` names it in an error for the user.

    A new task of a `group` cancels the earlier one.
    """
    return owner.run_worker(
        _guarded(owner, work, what), name=what, group=group or "default", exclusive=bool(group), exit_on_error=False
    )


async def _guarded(owner: DOMNode, work: Coroutine[Any, Any, None], what: str) -> None:
    try:
        await work
    except OmnyShellException as exc:
        tell(owner, f"{what} failed", advice(exc))
    except Exception as exc:
        if isinstance(exc, NoMatches) and not owner.display:
            # A screen that is left loses its widgets before its tasks end, and an answer may come in between.
            return
        logger.exception("%s failed", what)
        tell(owner, f"{what} failed", f"This is a mistake in OmnyShell. {where()} says more.")


async def in_own_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, or raise what it raises. It may block for long: the console's end does not wait."""
    done: Future[T] = Future()

    def run() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(work())
        except Exception as exc:
            done.set_exception(exc)

    Thread(target=run, name="console", daemon=True).start()
    return await asyncio.wrap_future(done)


def refuse(owner: DOMNode, why: str) -> None:
    """Say why something is not done: the user may not, or there is nothing to do it to."""
    owner.app.notify(printable(why, LONGEST_TOLD), severity="warning", markup=False)


def tell(owner: DOMNode, title: str, text: str) -> None:
    """Show an error as a toast; its text is not read as markup."""
    owner.app.notify(printable(text, LONGEST_TOLD), title=title, severity="error", markup=False)
