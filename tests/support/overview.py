"""What tests of the console's overview look at, and do again and again."""

from support.stack import until
from textual.pilot import Pilot

from omnyshell.tui.app import ConsoleApp


def text_of(app: ConsoleApp) -> str:
    """What is on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def toasts(app: ConsoleApp) -> str:
    """What has been told beside."""
    return "\n".join(notification.message for notification in app._notifications)


def caught(app: ConsoleApp, kind: type | tuple[type, ...]) -> list:
    """Collect messages of a kind that reach the app."""
    found: list = []
    original = app.post_message

    def keep(message: object) -> bool:
        if isinstance(message, kind):
            found.append(message)
            return True
        return original(message)

    app.post_message = keep
    return found


async def filtered(pilot: Pilot[int], text: str) -> None:
    """Filter the panel that is worked in."""
    await pilot.press("slash")
    pilot.app.focused.value = text
    await pilot.press("enter")


async def settled(pilot: Pilot[int]) -> None:
    """Wait until what has changed is drawn: overview and node's page look a moment later, of which a busy machine makes
    more."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await pilot.pause()
    await until(lambda: not any(getattr(screen, "_next_look", None) for screen in (app.overview, app.screen)))
    await pilot.pause()
