"""A live view of a session in a tab, from snapshots: it can never type into the session."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.errors import AuthorizationException, OmnyShellException
from omnyshell.ids import short_id
from omnyshell.terminal import Emulator
from omnyshell.tui.advice import advice
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings, label_of
from omnyshell.tui.messages import AttachSession, SessionRef
from omnyshell.tui.needs import need_of
from omnyshell.tui.previews.snapshots import Snapshot
from omnyshell.tui.rights import why_not
from omnyshell.tui.tasks import start_task, tell
from omnyshell.tui.terminal.commands import leader_name
from omnyshell.tui.terminal.prompt import Strip
from omnyshell.tui.terminal.tab import TabMark, TabPane, one_line
from omnyshell.tui.terminal.view import TerminalView

INTERVAL: Final = 0.2
"""Seconds between two snapshots."""


def _keys() -> str:
    attach, close = label_of(Context.WATCH, "attach"), label_of(Context.WATCH, "close")
    return f"{attach} attaches it   arrows and pages move   {close} closes"


class WatchView(Judged, TerminalView, can_focus=True):
    """A screen that is only watched; keys scroll it, or are the console's."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.WATCH)

    class Chosen(Message):
        """What the user wants to do with the session."""

        def __init__(self, *, attach: bool) -> None:
            super().__init__()
            self.attach = attach

    judged_context = Context.WATCH

    def __init__(self, screen: Emulator, takes: Callable[[events.Key], bool], why_not: Callable[[str], str]) -> None:
        """`why_not` returns why an action is refused, or ""."""
        super().__init__(screen)
        self._takes = takes
        self._why_not = why_not

    def refusal(self, action: str) -> str:
        """Return why an action is refused."""
        return self._why_not(action)

    def on_key(self, event: events.Key) -> None:
        """Pass keys to an open prompt, and handle the leader."""
        if self._takes(event):
            event.stop()
            event.prevent_default()

    def action_attach(self) -> None:
        """Attach the session."""
        self.post_message(self.Chosen(attach=True))

    def action_close(self) -> None:
        """Stop watching."""
        self.post_message(self.Chosen(attach=False))

    def action_move(self, lines: int) -> None:
        """Move by lines."""
        self.scroll_lines(lines)

    def action_page(self, pages: int) -> None:
        """Move by pages."""
        self.scroll_lines(pages * max(1, self.size.height - 1))


class WatchPane(TabPane):
    """Shows a session as it is, several times a second, without attaching to it."""

    DEFAULT_CSS = """
    WatchPane { width: 1fr; height: 1fr; background: $background; }
    WatchPane > Static { dock: bottom; height: 1; width: 100%; padding: 0 1; background: $panel; color: $bar-text; }
    """

    def __init__(
        self,
        ref: SessionRef,
        context: ConsoleContext,
        *,
        strip: Strip,
        lead: Callable[[], None],
    ) -> None:
        super().__init__(ref.node_id)
        self.snapshot = Snapshot(ref)
        self._port = context
        self._strip = strip
        self._lead = lead
        self._leader = leader_name(context.settings.leader)
        self._view = WatchView(self.snapshot.screen, self._takes, self._why_not)
        self._legend = Static()

    def compose(self) -> ComposeResult:
        """The screen, with a line of possible actions below."""
        yield self.heading
        yield self._view
        yield self._legend

    @property
    def own_name(self) -> str:
        """The session's title or short id."""
        return f"{self.node_id}: {self.what}"

    @property
    def ref(self) -> SessionRef | None:
        """The session, while it goes on."""
        return self.snapshot.ref if self.snapshot.exit_code is None else None

    @property
    def what(self) -> str:
        """The session's title or short id."""
        return self.snapshot.screen.title or short_id(self.snapshot.ref.session_id)

    @property
    def state(self) -> str:
        """That it is only watched."""
        return "ended" if self.snapshot.exit_code is not None else "watched"

    @property
    def mark(self) -> TabMark:
        """The mark of a session that is only watched."""
        return TabMark.OVER if self.snapshot.exit_code is not None else TabMark.WATCHED

    @property
    def target(self) -> Widget:
        """The screen."""
        return self._view

    def on_mount(self) -> None:
        """Begin to fetch."""
        self._tell()
        start_task(self, self._watch(), "Watching")

    async def _watch(self) -> None:
        while self.snapshot.exit_code is None:
            if self.is_on_screen and self.screen.is_current:
                await self._look()
            refusal = self.snapshot.refusal
            if refusal is not None and (not self.snapshot.is_known or isinstance(refusal, AuthorizationException)):
                tell(self, f"{self.label} cannot be watched", advice(refusal))
                self.post_message(self.Finished(self))
                return
            await asyncio.sleep(INTERVAL)

    async def _look(self) -> None:
        self._view.judge()
        try:
            changed = await self.snapshot.fetch(self._port.client)
        except OmnyShellException as exc:
            self.snapshot.error, changed = str(exc), True
        if changed:
            if self._view.emulator is not self.snapshot.screen:
                self._view.show_emulator(self.snapshot.screen)
            self._tell()
            self.post_message(self.Changed())

    def _tell(self) -> None:
        snapshot = self.snapshot
        if snapshot.error:
            words = f"Not available: {one_line(snapshot.error, 120)}"
        elif snapshot.exit_code is not None:
            words = f"Ended with exit code {snapshot.exit_code}."
        else:
            words = "Watching; nothing you type is sent."
        self._legend.update(Text.assemble((words, "bold"), f"   {_keys()}"))

    @property
    def subject(self) -> SessionRef:
        """The session, as rights are judged by it."""
        return self.snapshot.ref

    def _why_not(self, action: str) -> str:
        return why_not(need_of(Context.WATCH, action), self.subject, self._port.hub.state)

    def _takes(self, key: events.Key) -> bool:
        if self._strip.press(key):
            return True
        if key.key == self._leader:
            self._lead()
            return True
        return False

    def on_paste(self, event: events.Paste) -> None:
        """Give it to an open prompt; the session gets nothing."""
        event.stop()
        self._strip.paste(event.text)

    def on_watch_view_chosen(self, event: WatchView.Chosen) -> None:
        """Attach the session in place of this view, or close it."""
        event.stop()
        if event.attach:
            self.post_message(AttachSession(self.snapshot.ref, then=lambda: self.post_message(self.Finished(self))))
        else:
            self.post_message(self.Finished(self))
