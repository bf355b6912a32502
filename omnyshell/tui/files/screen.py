"""Two panes: this machine's files, and a node's."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from omnyshell.clock import SystemClock
from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import Entry, Files, Kind
from omnyshell.services.client.files.problems import FileException, LinkLostException, Trouble, shown
from omnyshell.services.client.files.removing import joined, remove_all
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.files.dialogs import NameDialog, PathDialog
from omnyshell.tui.files.editing import edit_there
from omnyshell.tui.files.machines import NodeFiles
from omnyshell.tui.files.pane import MOST_ENTRIES, FilePane
from omnyshell.tui.files.queue import Copy, CopyQueue
from omnyshell.tui.files.strip import CopyStrip
from omnyshell.tui.files.viewing import FileView, beginning
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.own.running import run_in_terminal
from omnyshell.tui.preferences.command import Invocation
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.footer import KeyFooter

TICK = 0.2
"""Seconds between drawings of how far copies are."""

T = TypeVar("T")


class FilesScreen(Screen[None]):
    """The pane at the left is this machine's, the one at the right the node's; keys act on the one that has the focus.

    `begin` is given what is to be copied; it goes on when the screen is left. `last` is where somebody was on each
    machine, so that the next screen of it begins there.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.EVERYWHERE)
    DEFAULT_CSS = """
    FilesScreen {
        background: $background;
        Horizontal { height: 1fr; }
        Vertical { width: 1fr; }
        FilePane { height: 1fr; }
    }
    """

    def __init__(
        self,
        state: HubState,
        place: str,
        machines: NodeFiles,
        queue: CopyQueue,
        begin: Callable[[Copy], None],
        last: MutableMapping[str, bytes],
        *,
        id: str | None = None,  # noqa: A002 - as Textual calls it
    ) -> None:
        super().__init__(id=id)
        clock = SystemClock()
        self.here = FilePane(state, clock, "this machine", "here")
        self.there = FilePane(state, clock, place)
        self._place = place
        self._machines = machines
        self._queue = queue
        self._begin = begin
        self._last = last
        self._strip = CopyStrip()
        self._files: dict[FilePane, Files] = {self.here: LocalFiles()}
        self._reading: dict[FilePane, int] = {self.here: 0, self.there: 0}
        """How often each pane was asked to show a directory: what is read too late is not shown."""

        self._is_left = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Two panes, the copies, and the keys."""
        with Horizontal():
            yield Vertical(self.here)
            yield Vertical(self.there)
        yield self._strip
        yield KeyFooter()

    def on_mount(self) -> None:
        """Read both directories."""
        for pane in (self.here, self.there):
            pane.goes_back = self._goes_back(pane)
        self.there.wait("Connecting…")
        self.there.table.focus()
        start_task(self, self._show_last(self.here), "Reading files")
        start_task(self, self._use_node(), "Reading files")
        self.set_interval(TICK, self._tick)
        self._tick()

    def on_unmount(self) -> None:
        """Let the node's files go."""
        self._is_left.set()

    def look_again(self) -> None:
        """Read both directories again, as a copy has ended."""
        for pane in self._files:
            start_task(self, self._show(pane, pane.path or b"."), "Reading files")

    def _tick(self) -> None:
        self._strip.tell(self._queue.copies)

    def _goes_back(self, pane: FilePane) -> Callable[[], bool]:
        def close() -> bool:
            if not pane.has_filter:
                self.dismiss(None)
            return not pane.has_filter

        return close

    # Machines

    async def _use_node(self) -> None:
        """Hold the node's files until the screen is left."""
        async with AsyncExitStack() as stack:
            try:
                self._files[self.there] = await stack.enter_async_context(self._machines.of(self._place))
            except OmnyShellException as exc:
                self.there.fail(advice(exc))
                return
            await self._show_last(self.there)
            await self._is_left.wait()

    async def _surely(self, pane: FilePane, work: Callable[[], Awaitable[T]]) -> T:
        """Do something, once more when a session that was lost meanwhile is there again."""
        try:
            return await work()
        except LinkLostException:
            pane.wait("The session was lost; waiting for it…")
            await self._files[pane].restored()
            return await work()

    # Reading

    async def _show_last(self, pane: FilePane) -> None:
        """Show the directory where somebody was last, if it is there still."""
        path, found = self._last.get(pane.machine, b"."), None
        with suppress(OmnyShellException):
            found = await self._files[pane].stat(path)
        await self._show(pane, path if found is not None and found.kind is Kind.FOLDER else b".")

    async def _show(self, pane: FilePane, path: bytes, cursor: bytes = b"") -> None:
        self._reading[pane] += 1
        number = self._reading[pane]
        try:
            whole, found, is_cut = await self._surely(pane, lambda: self._read(pane, path))
        except OmnyShellException as exc:
            if number == self._reading[pane]:
                pane.fail(f"{shown(path)}: {advice(exc)}")
            return
        if number == self._reading[pane]:
            self._last[pane.machine] = whole
            pane.put(whole, found, is_cut=is_cut, cursor=cursor)

    async def _read(self, pane: FilePane, path: bytes) -> tuple[bytes, Sequence[Entry], bool]:
        files = self._files[pane]
        whole = await files.whole_path(path)
        found: list[Entry] = []
        async for part in files.entries(whole):
            found += part
            if len(found) > MOST_ENTRIES:
                return whole, found[:MOST_ENTRIES], True
        return whole, found, False

    # Keys

    def on_file_pane_asked(self, event: FilePane.Asked) -> None:
        """Do what a pane's key asks for."""
        event.stop()
        pane = event.pane
        if event.action == "close":
            self.dismiss(None)
        elif event.action == "other_pane":
            self._other(pane).table.focus()
        elif event.action == "stop":
            self._queue.stop()
        elif pane in self._files:
            getattr(self, f"_do_{event.action}")(pane)

    def _other(self, pane: FilePane) -> FilePane:
        return self.there if pane is self.here else self.here

    def _start(self, pane: FilePane, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do something that the machine may refuse; what it says is told."""
        start_task(self, self._surely_done(pane, work), what)

    async def _surely_done(self, pane: FilePane, work: Callable[[], Awaitable[None]]) -> None:
        await self._surely(pane, work)

    def _do_open(self, pane: FilePane) -> None:
        entry = pane.rows.current
        if entry is not None:
            self._start(pane, lambda: self._open(pane, entry), "Opening")

    async def _open(self, pane: FilePane, entry: Entry) -> None:
        found = entry
        if entry.kind is Kind.LINK:
            found = await self._files[pane].stat(joined(pane.path, entry.name)) or entry
        if found.kind is Kind.FOLDER:
            await self._show(pane, joined(pane.path, entry.name))
        else:
            await self._view(pane, entry)

    def _do_above(self, pane: FilePane) -> None:
        above, _, name = pane.path.rstrip(b"/").rpartition(b"/")
        if name:
            start_task(self, self._show(pane, above or b"/", name), "Reading files")

    def _do_reload(self, pane: FilePane) -> None:
        current = pane.rows.current
        start_task(self, self._show(pane, pane.path, current.name if current is not None else b""), "Reading files")

    def _do_go_to(self, pane: FilePane) -> None:
        def go(path: bytes | None) -> None:
            if path is not None:
                start_task(self, self._show(pane, _at_home(pane is self.here, pane.path, path)), "Reading files")

        self.app.push_screen(PathDialog(pane.machine, pane.path), go)

    def _do_view(self, pane: FilePane) -> None:
        entry = pane.rows.current
        if entry is not None:
            self._start(pane, lambda: self._view(pane, entry), "Viewing")

    async def _view(self, pane: FilePane, entry: Entry) -> None:
        path, found = await self._file(pane, entry)
        folder = await self._files[pane].open(path.rpartition(b"/")[0] or b"/")
        try:
            data = await beginning(folder, found)
        finally:
            folder.close()
        self.app.push_screen(FileView(f"{pane.machine}:{shown(path)}", data, found.size))

    async def _file(self, pane: FilePane, entry: Entry) -> tuple[bytes, Entry]:
        """Return path and entry of a regular file, without links that lead to it. Raises `FileException`."""
        files = self._files[pane]
        path = await files.whole_path(joined(pane.path, entry.name))
        found = await files.stat(path)
        if found is None or found.kind is not Kind.FILE:
            raise FileException(f"{shown(entry.name)} is no file with a content", code=Trouble.REFUSED)
        return path, found

    def _do_edit(self, pane: FilePane) -> None:
        entry = pane.rows.current
        if entry is not None:
            self._start(pane, lambda: self._edit(pane, entry), "Editing")

    async def _edit(self, pane: FilePane, entry: Entry) -> None:
        path, found = await self._file(pane, entry)
        files = self._files[pane]
        is_changed = await edit_there(files, path, found._replace(name=path.rpartition(b"/")[2]), self._run_editor)
        said = f"{shown(entry.name)} is written back" if is_changed else f"{shown(entry.name)} is unchanged"
        self.notify(printable(said), markup=False)
        await self._show(pane, pane.path, entry.name)

    async def _run_editor(self, argv: tuple[str, ...]) -> None:
        await run_in_terminal(self.app, [Invocation(argv, {})], sys.stdin.readline)

    def _do_rename(self, pane: FilePane) -> None:
        entry = pane.rows.current
        if entry is None:
            return

        async def rename(name: bytes) -> None:
            if name != entry.name:
                await self._files[pane].rename(joined(pane.path, entry.name), joined(pane.path, name))

        def renamed(name: bytes | None) -> None:
            if name is not None:
                start_task(self, self._show(pane, pane.path, name), "Reading files")

        self.app.push_screen(NameDialog("Rename", "Rename", shown(pane.path), entry.name, rename), renamed)

    def _do_make_folder(self, pane: FilePane) -> None:
        async def make(name: bytes) -> None:
            await self._files[pane].make_folder(joined(pane.path, name))

        def made(name: bytes | None) -> None:
            if name is not None:
                start_task(self, self._show(pane, pane.path, name), "Reading files")

        self.app.push_screen(NameDialog("New directory", "Make", shown(pane.path), b"", make), made)

    def _do_delete(self, pane: FilePane) -> None:
        chosen, folder = pane.rows.chosen(), pane.path

        async def delete() -> None:
            try:
                await remove_all(self._files[pane], folder, chosen)
            finally:
                await self._show(pane, pane.path)

        def answered(is_meant: bool | None) -> None:
            if is_meant:
                pane.rows.selected.clear()
                start_task(self, delete(), "Deleting")

        if chosen:
            names = [shown(each.name) + ("/" if each.kind is Kind.FOLDER else "") for each in chosen]
            with_content = any(each.kind is Kind.FOLDER for each in chosen)
            what = "Directories go with all that is in them. " if with_content else ""
            said = f"{what}Nothing brings them back."
            self.app.push_screen(Question(f"Delete on {pane.machine}?", "Delete", names, said), answered)

    def _do_copy_over(self, pane: FilePane) -> None:
        other, chosen = self._other(pane), pane.rows.chosen()
        if other not in self._files or not other.path:
            self.notify("The other side has no directory to copy to.", severity="warning", markup=False)
            return
        copy = Copy(self._place, pane is self.here, pane.path, chosen, other.path)
        there = {each.name for each in other.found}
        replaced = [shown(each.name) for each in chosen if each.name in there]

        def answered(is_meant: bool | None) -> None:
            if is_meant:
                pane.rows.selected.clear()
                pane.show()
                self._begin(copy)
                self._tick()

        if replaced:
            title = f"Replace in {other.machine}:{shown(other.path)}?"
            said = "Files are replaced once their copies are whole; directories get what they do not have."
            self.app.push_screen(Question(title, "Replace", replaced, said), answered)
        elif chosen:
            answered(True)

    def on_live_table_moved(self, event: events.Event) -> None:
        """Nothing else follows the cursor."""
        event.stop()


def _at_home(is_here: bool, folder: bytes, path: bytes) -> bytes:
    """Return a path as somebody writes it: from the home directory with `~`, else from the directory that is shown."""
    if path == b"~" or path.startswith(b"~/"):
        return os.fsencode(Path(os.fsdecode(path)).expanduser()) if is_here else path[2:].lstrip(b"/") or b"."
    return path if path.startswith(b"/") else joined(folder, path)
