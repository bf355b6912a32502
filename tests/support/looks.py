"""One console in several palettes and sizes, one after another: each started anew would show the same."""

from collections.abc import AsyncIterator

from support.pictures import check_picture
from textual.pilot import Pilot

from omnyshell.tui.app import ConsoleApp

PALETTES = ("dark", "light", "contrast")
SIZES = ((80, 24), (120, 40), (200, 60))


async def check_palettes(app: ConsoleApp, pilot: Pilot[int], name: str) -> None:
    """Compare what is shown in each palette; it goes on in the last."""
    for palette in PALETTES:
        app.use_theme(palette)
        await pilot.pause()
        await check_picture(app, f"{name}-{palette}")


async def in_sizes(pilot: Pilot[int], *sizes: tuple[int, int]) -> AsyncIterator[str]:
    """Have the console be as large as each of some sizes, and return how pictures call it."""
    for width, height in sizes or SIZES:
        await pilot.resize_terminal(width, height)
        await pilot.pause()
        yield f"{width}x{height}"
