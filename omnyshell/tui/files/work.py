"""What the console does with files: its screens of them, and the copies that go on behind all screens."""

from typing import TYPE_CHECKING, Any

from textual.app import App

from omnyshell.printable import printable
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.messages import OpenFiles
from omnyshell.tui.tasks import start_task

if TYPE_CHECKING:
    from omnyshell.tui.files.machines import NodeFiles
    from omnyshell.tui.files.queue import Copy, CopyQueue


class FileWork:
    """Loads what it takes when it is first asked for: the console's start needs none of it."""

    def __init__(self, hub: HubLink) -> None:
        self._hub = hub
        self._machines: NodeFiles | None = None
        self._queue: CopyQueue | None = None
        self._last: dict[str, bytes] = {}
        """Which directory was shown last, by its machine."""

    @property
    def unfinished(self) -> "list[Copy]":
        """The copies that run or wait."""
        return self._queue.unfinished if self._queue is not None else []

    def open(self, app: App[Any], wanted: OpenFiles, screen_id: str) -> None:
        """Show the files of a node beside this machine's."""
        from omnyshell.tui.files.machines import NodeFiles
        from omnyshell.tui.files.queue import CopyQueue
        from omnyshell.tui.files.screen import FilesScreen

        if self._machines is None or self._queue is None:
            self._machines = NodeFiles(self._hub, lambda text: _tell(app, text))
            self._queue = CopyQueue(self._machines, lambda copy: _tell_end(app, copy))
        place = f"{wanted.user}@{wanted.node_id}" if wanted.user else wanted.node_id
        queue = self._queue

        def begin(copy: "Copy") -> None:
            if queue.add(copy):
                start_task(app, queue.run(), "Copying")

        app.push_screen(FilesScreen(self._hub.state, place, self._machines, queue, begin, self._last, id=screen_id))


def _tell(app: App[Any], text: str) -> None:
    app.notify(printable(text), severity="warning", markup=False)


def _tell_end(app: App[Any], copy: "Copy") -> None:
    """Say what became of a copy, whatever screen is shown, and have those that show files look again."""
    from omnyshell.tui.files.queue import CopyState
    from omnyshell.tui.files.screen import FilesScreen

    if copy.state is CopyState.DONE:
        app.notify(printable(f"{copy.what} to {copy.target}"), title="Copied", markup=False)
    elif copy.state is CopyState.FAILED:
        more = f" and {len(copy.problems) - 1} more" if len(copy.problems) > 1 else ""
        said = f"{copy.problems[0] if copy.problems else copy.what}{more}"
        app.notify(printable(said), title="Not all was copied", severity="error", markup=False)
    for screen in app.screen_stack:
        if isinstance(screen, FilesScreen):
            screen.look_again()
