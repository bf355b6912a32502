"""The titles of window and icon, with those that were put aside, as escape sequences."""

from collections.abc import Iterator

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.sequences.osc import ICON, WINDOW


def titles(screen: Emulator, *, again: bool) -> Iterator[str]:
    """Yield what sets them, and puts them aside unless `again`.

    A title that nobody has set is the terminal's own, which is not painted, but may be put aside.
    """
    own = {ICON, WINDOW}
    for which, icon, window in screen.titles:
        meant = {ICON: icon if which != WINDOW else None, WINDOW: window if which != ICON else None}
        own -= {number for number, title in meant.items() if title}
        if not again:
            yield _set({number: title for number, title in meant.items() if number not in own})
            yield f"\x1b[22;{which}t"
    shown = {ICON: screen.icon_name, WINDOW: screen.title}
    yield _set({number: title for number, title in shown.items() if title or number not in own})


def _set(meant: dict[int, str | None]) -> str:
    titles = {number: title for number, title in meant.items() if title is not None}
    if len(titles) > 1 and titles[ICON] == titles[WINDOW]:
        return f"\x1b]0;{titles[ICON]}\x1b\\"
    return "".join(f"\x1b]{number};{title}\x1b\\" for number, title in titles.items())
