"""An attached session in a pane: its terminal, and notices about it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.errors import OmnyShellException
from omnyshell.ids import matches_ref, short_id
from omnyshell.model.live import LiveSession, session_key
from omnyshell.model.sessions import PtySpec, SessionState
from omnyshell.services.client.session import RemoteSession
from omnyshell.terminal import Bell, ClipboardWrite, Emulator, Event, TitleChanged
from omnyshell.tui.advice import advice
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.tasks import tell
from omnyshell.tui.terminal import clipboard
from omnyshell.tui.terminal.attachment import Attachment, Phase
from omnyshell.tui.terminal.commands import leader_name
from omnyshell.tui.terminal.copy_mode import hint
from omnyshell.tui.terminal.counting import WIDTHS
from omnyshell.tui.terminal.fair_following import FairFollowing
from omnyshell.tui.terminal.history import fetch_above
from omnyshell.tui.terminal.interactive import TerminalWidget
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.prompt import Choice, LineInput, Menu, Strip
from omnyshell.tui.terminal.tab import TabMark, TabPane, one_line
from omnyshell.tui.terminal.typed_search import TypedSearch
from omnyshell.tui.terminal.wording import LONGEST_NOTICE, STATES, notice, with_keys

_LONGEST_NAMES = 80
_LABELS_TIMEOUT = 2.0
_LEAVING = 1.0


class Notice(Static):
    """A notice about a session. `laid_out` is called when its size is known."""

    def __init__(self, laid_out: Callable[[], None]) -> None:
        super().__init__(id="notice")
        self._laid_out = laid_out

    def on_resize(self) -> None:
        """Its place is known."""
        self._laid_out()

    def on_show(self) -> None:
        """It is on screen, maybe with the size that it had before."""
        self._laid_out()


class TerminalPane(TabPane):
    """Opens a session once its size is known, and shows it until and after its end."""

    DEFAULT_CSS = """
    TerminalPane { width: 1fr; height: 1fr; layers: base above; background: $background; }
    TerminalPane #notice {
        dock: bottom; layer: above; width: 100%; height: auto; max-height: 4; padding: 0 1;
        background: $panel; color: $bar-text; display: none;
    }
    TerminalPane #notice.-shown { display: block; }
    """

    def __init__(
        self,
        spec: OpenSpec,
        context: ConsoleContext,
        following: FairFollowing,
        *,
        strip: Strip,
        lead: Callable[[], None],
        fellows: "Callable[[TerminalPane], Sequence[TerminalPane]]",
    ) -> None:
        """`strip` has the prompts, and gets keys first; `lead` opens the commands; `fellows` get the same keys."""
        super().__init__(spec.node_id)
        self.spec = spec
        self._port = context
        self._following = following
        self._strip = strip
        self._lead = lead
        self._fellows = fellows
        self._leader = leader_name(context.settings.leader)
        # An impossible size, so that the first real size counts as a change.
        self.emulator = Emulator(1, 1, scrollback=context.settings.scrollback, answering=True, widths=WIDTHS)
        self.terminal = TerminalWidget(self.emulator, self)
        self.attachment = self._new_attachment(spec)
        self._work: asyncio.Task[None] | None = None
        self._helper: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._words = Notice(self._show_last_lines)
        self._why_held = Text()
        self.is_away = False
        """Whether it is held until its node is back."""

        self._mark = TabMark.NONE
        self._is_seen = True

    def compose(self) -> ComposeResult:
        """Lay the notice over the terminal's last lines, whose size it leaves alone."""
        yield self.heading
        yield self.terminal
        yield self._words

    # The tab

    @property
    def own_name(self) -> str:
        """The title that the program set, with the node; else what was opened."""
        return f"{self.node_id}: {self.emulator.title}" if self.emulator.title else self.spec.name

    @property
    def what(self) -> str:
        """What runs in the foreground, as the hub says; else the title, or what was opened."""
        live = self._live
        return (live.command if live is not None else "") or self.emulator.title or self.spec.what

    @property
    def state(self) -> str:
        """What keys do here, or what the session waits for."""
        if self.attachment.phase is Phase.LIVE and self.terminal.copy_mode is not None:
            return "copy mode"
        return STATES[self.attachment.phase]

    @property
    def _live(self) -> LiveSession | None:
        """The session, as the hub says."""
        return self._port.hub.state.sessions.get(session_key(self.node_id, self.session_id))

    @property
    def watched_by(self) -> tuple[str, ...]:
        """Which others look at the session, as the hub says."""
        return self._live.watched_by if self._live is not None else ()

    @property
    def subject(self) -> SessionRef:
        """Its node and session, as rights are judged by them."""
        return SessionRef(self.node_id, self.session_id, self.spec.owner)

    @property
    def mark(self) -> TabMark:
        """The marks for waiting and over take precedence over unseen output."""
        if self.attachment.is_over:
            return TabMark.HELD if self.attachment.phase is Phase.HELD else TabMark.OVER
        return TabMark.WAITING if self.attachment.phase is Phase.WAITING else self._mark

    @property
    def has_program(self) -> bool:
        """Whether there is a program, or will be, that keys go to."""
        return not self.attachment.is_over

    @property
    def ref(self) -> SessionRef | None:
        """The session that goes on where this console is left; None where there is none, or it is not known yet."""
        over = (Phase.EXITED, Phase.DETACHED)
        name = self.session_id or self.spec.session_ref
        if not name or not self.spec.has_terminal or self.attachment.phase in over:
            return None
        return SessionRef(self.node_id, name, self.spec.owner)

    @property
    def user(self) -> str:
        """As whom another shell like this one runs; empty for the first user that one may be."""
        if self.spec.owner:
            return ""
        live = self._live
        return (live.user if live is not None else "") or self.spec.user

    def another(self) -> OpenSpec:
        """Return another shell on its node, as the same user and in the same directory, as far as that is known."""
        beside = "" if self.spec.owner or not self.is_live else self.session_id
        return OpenSpec(node_id=self.node_id, user=self.user, beside=beside)

    def has_session(self, node_id: str, ref: str) -> bool:
        """Whether its session, which goes on, is the one of that name."""
        own = self.ref
        return own is not None and own.node_id == node_id and matches_ref(own.session_id, ref)

    @property
    def is_live(self) -> bool:
        """Whether the session is live, here or on its node."""
        return not self.attachment.is_over

    @property
    def gets_keys(self) -> bool:
        """Whether keys that are typed elsewhere may go here too: its session is attached, and nobody copies here."""
        return self.attachment.phase is Phase.LIVE and self.terminal.copy_mode is None

    @property
    def target(self) -> Widget:
        """The terminal."""
        return self.terminal

    @property
    def session_id(self) -> str:
        """The session's id, "" while it is not known."""
        session = self.attachment.session
        return session.id if session is not None else ""

    async def leave(self) -> None:
        """Detach the session. Raises `OmnyShellException` where the node does not answer."""
        await self.attachment.detach()
        if self._work is not None and self.attachment.session is not None:
            # What is typed next is for the pane that comes to the front by this.
            await asyncio.wait([self._work], timeout=_LEAVING)

    def seen(self) -> None:
        """Clear the marks of unseen output."""
        self._is_seen = True
        self._set_mark(TabMark.NONE)

    def unseen(self) -> None:
        """The tab is not on screen any more."""
        self._is_seen = False

    # The session

    def _new_attachment(self, spec: OpenSpec) -> Attachment:
        async def opener(size: PtySpec) -> RemoteSession:
            return await spec.open(self._port.client, size)

        return Attachment(self.emulator, self._following, opener, self, has_terminal=spec.has_terminal)

    def resized(self, columns: int, lines: int) -> None:
        """Follow the widget; the first time, open the session."""
        self.attachment.resize(columns, lines)
        if self.attachment.phase is Phase.HELD:
            self._notice(self._words_now)
        elif self._work is None:
            self._begin()

    def hold(self, why: Text, *, is_away: bool = False) -> None:
        """Leave the session alone until the user, or its node's return, has `restart` called."""
        self._why_held, self.is_away = why, is_away
        self.attachment.hold()
        if self.is_mounted:
            self.phase_changed()

    @property
    def has_begun(self) -> bool:
        """Whether its size is known, so that it is opened, or waits for the user."""
        return self._work is not None or self.attachment.phase is Phase.HELD

    def _begin(self) -> None:
        self.is_away = False
        self._work = asyncio.create_task(self._run(), name=f"terminal {self.spec.name}")
        self.phase_changed()

    async def _run(self) -> None:
        try:
            await self.attachment.run()
        except Exception as exc:
            self.log.error(exc)
            self._notice(Text(f"This terminal failed: {type(exc).__name__}. Enter closes it."))

    def restart(self) -> None:
        """Run it again, or resume it if it goes on without this console."""
        if self.attachment.phase is Phase.TAKEN:
            self.spec = OpenSpec(
                node_id=self.node_id, session_ref=self.session_id, owner=self.spec.owner, user=self.spec.user
            )
        elif self.spec.session_ref and self.attachment.phase is Phase.EXITED:
            self.spec = OpenSpec(node_id=self.node_id, user=self.user)
        size = (self.emulator.columns, self.emulator.lines)
        self.emulator.reset()
        self.attachment = self._new_attachment(self.spec)
        self.attachment.resize(*size)
        self._begin()

    async def on_unmount(self) -> None:
        """End the tasks of this pane; a live session is left on its node."""
        for task in (self._work, self._helper, self._fetching):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    # What the attachment tells

    def screen_changed(self, events: list[Event]) -> None:
        """Paint, and mark the tab."""
        self.terminal.touch()
        if not self._is_seen and self._mark is TabMark.NONE and not self.attachment.repaints:
            self._set_mark(TabMark.ACTIVITY)
        for event in events:
            if isinstance(event, TitleChanged):
                self.post_message(self.Changed())
            elif isinstance(event, Bell):
                self._ring()
            elif isinstance(event, ClipboardWrite):
                self._program_copies(event)

    def phase_changed(self) -> None:
        """Say what the session waits for, or how it ended."""
        phase = self.attachment.phase
        if phase is Phase.DETACHED:
            self.said(f"Detached from {self.node_id}; session {short_id(self.session_id)} goes on there")
            self.post_message(self.Finished(self))
            return
        if (refusal := self.attachment.refusal) is not None:
            tell(self, f"{self.label} was not opened", advice(refusal))
            self.post_message(self.Finished(self))
            return
        if phase is Phase.TAKEN:
            self._help(self._find_out_who())
        if phase is Phase.LIVE:
            self._fetch_above()
        self._notice(self._words_now)
        self.post_message(self.Changed())

    def _fetch_above(self) -> None:
        """Have the lines above a screen that was painted, beside the session."""
        attachment, screen = self.attachment, self.emulator
        end, attachment.above = attachment.above, None
        if end is None or attachment.session is None:
            return
        screen.scrollback.clear()
        fetching = fetch_above(self._port.client, attachment.session, screen, end, self.terminal.touch)
        if self._fetching is not None:
            self._fetching.cancel()
        self._fetching = asyncio.create_task(self._fetch(fetching))

    async def _fetch(self, fetching: Coroutine[None, None, None]) -> None:
        try:
            await fetching
        except OmnyShellException as exc:
            self.said(f"Lines above the screen are missing: {exc}")

    @property
    def _words_now(self) -> Text:
        if self.attachment.phase is Phase.HELD:
            return self._why_held
        return notice(self.attachment, self.node_id, self.spec.name)

    def input_refused(self) -> None:
        """Say it."""
        self.said("The program does not read its input: what you typed was dropped")

    async def _find_out_who(self) -> None:
        """Find out whether a session that was detached here is attached elsewhere."""
        try:
            found = await self._port.client.sessions_of(self.node_id, self.spec.owner).list()
        except OmnyShellException:
            return
        state = next((info.state for info in found if info.session_id == self.session_id), None)
        if self.attachment.phase is not Phase.TAKEN or state is None:
            return
        who = one_line(self.attachment.taken_by)
        if state in (SessionState.ATTACHED, SessionState.OPEN):
            words = f"{who or 'Another terminal'} took it over."
        else:
            words = f"{f'{who} detached it' if who else 'Detached from elsewhere'}; it goes on."
        self._notice(with_keys(words, "r", "takes it back"))

    def _help(self, work: Coroutine[None, None, None]) -> None:
        """Run a task beside the session, which replaces an earlier one."""
        if self._helper is not None:
            self._helper.cancel()
        self._helper = asyncio.create_task(work)

    def _ring(self) -> None:
        if self._is_seen:
            self.app.bell()
        else:
            self._set_mark(TabMark.BELL)

    def _program_copies(self, event: ClipboardWrite) -> None:
        why = clipboard.refusal(event, self._port.settings.copy_limit, is_shown=self._is_seen)
        if self.attachment.session is not None:
            self._port.client.tell_clipboard(self.attachment.session, clipboard.size_of(event), why)
        if why:
            self.said(f"A program on {self.node_id} may not copy: {why}")
        else:
            self.said(f"A program on {self.node_id} copies. {clipboard.copy_out(self.app, event.text)}")

    def _set_mark(self, mark: TabMark) -> None:
        if mark is not self._mark:
            self._mark = mark
            self.post_message(self.Changed())

    # What the terminal asks for

    def key_pressed(self, key: events.Key) -> bool:
        """Handle the console's keys: for an open prompt, the leader, and keys after the session's end."""
        if self._strip.press(key):
            return True
        if key.key == self._leader:
            self._lead()
            return True
        if not self.attachment.is_over or self.terminal.copy_mode is not None:
            return False
        if key.key == "enter":
            self.post_message(self.Finished(self))
        elif key.key == "r":
            self.restart()
        return not key.key.startswith("shift+")

    def key_typed(self, key: str, character: str | None) -> None:
        """Send it here, and to the panes that get the same keys."""
        for pane in (self, *self._fellows(self)):
            pane.terminal.send_key(key, character)

    def typed(self, data: bytes) -> None:
        """Send it."""
        self.attachment.type(data)

    def pasted(self, text: str) -> None:
        """Ask first where several lines would go into a node with the label that the settings name."""
        if self._strip.paste(text):
            return
        count = len(text.strip("\r\n").splitlines())
        if count > 1 and self._port.settings.paste_asks_for:
            self._help(self._paste_lines(text, count))
        else:
            self._paste(text, self._targets)

    @property
    def _targets(self) -> "list[TerminalPane]":
        return [self, *self._fellows(self)]

    def _paste(self, text: str, panes: "Sequence[TerminalPane]") -> None:
        """Paste into those that get the same keys still."""
        for pane in self._targets:
            if pane in panes:
                pane.terminal.paste(text)

    async def _paste_lines(self, text: str, count: int) -> None:
        panes = self._targets
        nodes = {pane.node_id for pane in panes}
        label = self._port.settings.paste_asks_for
        name, _, value = label.partition("=")
        try:
            async with asyncio.timeout(_LABELS_TIMEOUT):
                labelled = {node.node_id for node in await self._port.client.list_nodes({name: value})}
        except (OmnyShellException, TimeoutError):
            # The nodes' labels are unknown now, so they may have the label.
            labelled, label = nodes, f"maybe {label}"
        if labelled & nodes:
            where = one_line(", ".join(sorted(labelled & nodes)), _LONGEST_NAMES)
            into = f"{len(panes)} panes, with " if len(panes) > 1 else ""
            self._strip.ask(self._paste_question(text, panes, f"Paste {count} lines into {into}{where} ({label})?"))
        else:
            self._paste(text, panes)

    def _paste_question(self, text: str, panes: "Sequence[TerminalPane]", question: str) -> Menu:
        def decide(key: str) -> None:
            if key == "y":
                self._paste(text, panes)

        return Menu(question, [Choice("y", "Paste"), Choice("n", "Leave it")], decide, is_question=True)

    def copied(self, text: str) -> None:
        """Copy it and say so."""
        if text:
            self.said(clipboard.copy_out(self.app, text))

    def search_wanted(self) -> None:
        """Ask for the text."""
        search = TypedSearch(self.terminal)
        self._strip.ask(LineInput("Search for", search.entered, search.earlier, search.typed, search.left))

    def said(self, text: str) -> None:
        """Tell it in a toast."""
        self.app.notify(one_line(text, LONGEST_NOTICE), markup=False)

    def on_terminal_widget_moved(self, event: TerminalWidget.Moved) -> None:
        """Tell the user how to get back, when the program's screen is not shown."""
        event.stop()
        self.post_message(self.Changed())
        if self.terminal.copy_mode is not None:
            self._notice(Text(hint(self.terminal.finder.tally)))
        elif self.terminal.is_scrolled:
            above = self.terminal.lines.top - self.terminal.top
            self._notice(Text(f"{above:,} lines up; shift+end or any key goes back to the program"))
        elif self.attachment.phase is Phase.LIVE:
            self._notice(Text())
        else:
            self._notice(self._words_now)

    def _notice(self, text: Text) -> None:
        if self.is_mounted:
            self._words.update(text)
            self._words.set_class(bool(text.plain), "-shown")
            self.call_after_refresh(self._show_last_lines)

    def _show_last_lines(self) -> None:
        """Keep what the program wrote last in sight above the notice."""
        lies_over = self._words.has_class("-shown") and self.attachment.phase is not Phase.OPENING
        self.terminal.covered = self._words.size.height if lies_over else 0
