"""Work beside the screen whose failure is told to the user, and ends nothing else."""

import logging
from collections.abc import Coroutine
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.tui.advice import advice
from omnyshell.tui.log import where

LONGEST_TOLD = 400
"""Characters of a failure that a toast has."""

logger = logging.getLogger("omnyshell.console")


def start_task(owner: DOMNode, work: Coroutine[Any, Any, None], what: str, *, group: str = "") -> Worker[None]:
    """Run `work` as a task of the owner's, which ends with it; `what` names it to the user where it fails.

    Of a `group` only the newest task goes on.
    """
    return owner.run_worker(
        _guarded(owner, work, what), name=what, group=group or "default", exclusive=bool(group), exit_on_error=False
    )


async def _guarded(owner: DOMNode, work: Coroutine[Any, Any, None], what: str) -> None:
    try:
        await work
    except OmnyShellException as exc:
        tell(owner, f"{what} failed", advice(exc))
    except Exception:
        logger.exception("%s failed", what)
        tell(owner, f"{what} failed", f"This is a mistake in OmnyShell. {where()} says more.")


def tell(owner: DOMNode, title: str, text: str) -> None:
    """Show a failure as a toast; its text is not taken for markup."""
    owner.app.notify(printable(text, LONGEST_TOLD), title=title, severity="error", markup=False)
