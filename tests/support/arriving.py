"""Screens of a console, waited for with all that is on them."""

from typing import Any, TypeVar

from support.stack import until
from textual.app import App
from textual.screen import Screen

AnyScreen = TypeVar("AnyScreen", bound=Screen[Any])


async def arrive(app: App[Any], kind: type[AnyScreen]) -> AnyScreen:
    """Wait until a screen of that kind is the one that is seen, and its widgets can be asked for: a moment later."""
    await until(lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
    screen = app.screen
    assert isinstance(screen, kind)
    return screen
