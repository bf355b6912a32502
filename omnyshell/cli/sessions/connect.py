"""`omnyshell connect`: an interactive session in the user's terminal."""

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from omnyshell.cli.ground.access import access_from, split_user
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import BROKEN_PIPE, FAILURE, complain
from omnyshell.cli.sessions.forwarded_agent import with_agent
from omnyshell.cli.sessions.lines_wanted import lines_wanted
from omnyshell.cli.terminal.escapes import DEFAULT, ENDING, Escape, EscapeScanner, help_text, parse_escape, shown
from omnyshell.cli.terminal.raw_terminal import Notices, RawTerminal
from omnyshell.cli.terminal.streams import InputStream, OutputStream, tell, terminal_spec
from omnyshell.errors import ErrorCodes, OmnyShellException, OmnyShellTimeoutException, SessionRejectedException
from omnyshell.guardian import Guardian, guarding
from omnyshell.ids import short_id
from omnyshell.model.sessions import CloseReason, PtySpec, SessionMode
from omnyshell.options.values import parse_pairs
from omnyshell.printable import printable
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.session import DETACHED, RemoteSession
from omnyshell.services.client.states import LinkState
from omnyshell.services.dial import HubAccess
from omnyshell.terminal.state.tracker import ModeTracker
from omnyshell.terminal.text.terminals import widths_here

if TYPE_CHECKING:
    from omnyshell.cli.sessions.finding import Place

FORWARDED_VARIABLES = ("COLORTERM",)
"""Variables beside TERM that describe this terminal to programs on the node."""

RECONNECT_TIMEOUT = 1800.0
"""Seconds for which a lost hub is dialed again: as long as a node keeps a detached shell by default."""

FIRST_REPEAT, LAST_REPEAT = 0.25, 30.0
"""Seconds between repeated end-of-file characters, after an input that is no terminal has ended."""

BACK_WITHIN = 1.0
"""Seconds in which a session that was suspended is usually taken up again."""

LINE_AFTER = 2 * 2 * FIRST_REPEAT
"""The pause, in seconds, before which a newline is typed that the input lacks."""

_LIKE_A_SESSION = re.compile("[0-9a-fA-F-]{2,36}")


def connect(options: argparse.Namespace) -> int:
    """Open a shell, or a command in a terminal, on a node; returns its exit code."""
    split_user(options)
    env = {name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ}
    env |= parse_pairs(options.env, "--env")
    access, escape, history = access_from(options), parse_escape(options.escape), lines_wanted(options)
    with guarding() as guardian:
        try:
            return run(
                run_session(
                    access,
                    options.node,
                    options.rest,
                    env,
                    options.cwd,
                    guardian,
                    escape,
                    options.user or "",
                    has_agent=options.forward_agent,
                )
            )
        except SessionRejectedException as exc:
            if exc.code != ErrorCodes.UNKNOWN_NODE or options.rest or not _LIKE_A_SESSION.fullmatch(options.node):
                raise
            # Imported by those that use it: the command starts fast without.
            from omnyshell.cli.sessions.finding import choose, find, named

            sessions = named(find(access), options.node)
            if not sessions:
                raise
            place = choose(sessions, options.node)
            is_it = f"this is session {short_id(place.ref)} on {place.node}"
            complain(f"omnyshell: no node '{options.node}' is connected; {is_it}")
            return run(resume_session(access, place, guardian, history, escape))


async def run_session(
    access: HubAccess,
    node: str,
    command: list[str],
    env: dict[str, str],
    cwd: str | None,
    guardian: Guardian | None = None,
    escape: int | None = ord(DEFAULT),
    user: str = "",
    *,
    has_agent: bool = False,
) -> int:
    """Open a session and show it in the terminal until it ends or the user leaves; return the exit code."""
    async with (
        OmnyShellClient(_config(access)) as client,
        with_agent(client, node, user, wanted=has_agent) as of_agent,
    ):
        session = await _open(client, node, command, env | of_agent, cwd, user)
        return await _show(client, session, access, guardian, escape)


async def resume_session(
    access: HubAccess,
    place: "Place",
    guardian: Guardian | None = None,
    history: int = 0,
    escape: int | None = ord(DEFAULT),
) -> int:
    """Resume a session, and show it in the same way, after `history` of the lines above its screen."""
    async with OmnyShellClient(_config(access)) as client:
        spec = _terminal_here()
        session = await client.resume(place.node, place.ref, pty=spec, owner=place.owner)
        if not history:
            return await _show(client, session, access, guardian, escape, _room_above(session, spec))
        # Imported by those that use it: the command starts fast without.
        from omnyshell.cli.sessions.history import lines_above, scrolled_out

        here = place._replace(ref=session.id)
        rows = await lines_above(client, here, end=session.history_end, count=history, columns=spec.cols)
        return await _show(client, session, access, guardian, escape, scrolled_out(rows, spec.rows))


def _room_above(session: RemoteSession, spec: PtySpec) -> bytes:
    """Return what moves all that the terminal shows into its scrollback, before a screen is painted over it.

    The alternate screen has a place of its own.
    """
    return b"" if session.opened.result().alt_screen or not sys.stdout.isatty() else b"\x1b[m" + b"\n" * (spec.rows - 1)


def _config(access: HubAccess) -> ClientConfig:
    if not sys.stdout.isatty():
        return ClientConfig(access=access)
    return ClientConfig(access=access, reconnect_timeout=RECONNECT_TIMEOUT, node_timeout=RECONNECT_TIMEOUT)


def _terminal_here() -> PtySpec:
    spec = terminal_spec()
    return PtySpec(term=spec.term, cols=spec.cols, rows=spec.rows, widths=widths_here(os.environ))


async def _open(
    client: OmnyShellClient, node: str, command: list[str], env: dict[str, str], cwd: str | None, user: str
) -> RemoteSession:
    pty = _terminal_here()
    if not command:
        return await client.open_shell(node, pty=pty, env=env, cwd=cwd, user=user)
    return await client.open_session(
        node, mode=SessionMode.SHELL, command=" ".join(command), env=env, cwd=cwd, pty=pty, user=user
    )


async def _show(
    client: OmnyShellClient,
    session: RemoteSession,
    access: HubAccess,
    guardian: Guardian | None,
    escape: int | None,
    above: bytes = b"",
) -> int:
    show = _Show(client, session, guardian, escape, above)
    async with session:
        with access.waiting.shown_by(show.login_waits):
            return await show.run()


class _Show:
    """One session in the user's terminal, after what is `above` it."""

    def __init__(
        self,
        client: OmnyShellClient,
        session: RemoteSession,
        guardian: Guardian | None,
        escape: int | None,
        above: bytes,
    ) -> None:
        self._client = client
        self._session = session
        self._guardian = guardian
        self._above = above
        self._modes = ModeTracker(os.environ.get("TERM", ""))
        self._screen = OutputStream(1)
        self._stdin = InputStream(0, self._type)
        self._scanner = EscapeScanner(escape)
        self._escape = escape
        self._terminal = RawTerminal(0)
        self._is_terminal = False
        self._has_whole_line = True
        """Whether input that is no terminal has ended with a newline so far."""

        self._is_back = False
        """Whether the session is painted anew after a suspension, without a word about its connection."""

        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()
        leaving = f"{shown(escape)}." if escape is not None else ""
        self._notices = Notices(self._modes, lambda: terminal_spec().cols, leaving)
        self._writing = asyncio.Lock()
        self._detaches = False
        self._reader_left = False
        session.repaints = True
        session.on_state = self._state_changed

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        with self._terminal as terminal:
            loop.add_signal_handler(signal.SIGWINCH, self._resize)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                loop.add_signal_handler(number, self._lose_terminal)
            self._is_terminal = terminal.is_terminal
            if self._guardian is not None:
                self._guardian.remember(b"")
            painting = self._own(self._paint())
            leaving = self._own(self._wait_left())
            self._own(self._notify())
            self._session.take_at_once = self._write_at_once
            self._stdin.resume()
            try:
                await asyncio.wait([painting, leaving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._stdin.pause()
                for task in self._tasks:
                    task.cancel()
                painted, *_ = await asyncio.gather(painting, leaving, *self._tasks, return_exceptions=True)
                self._restore()
        if isinstance(painted, Exception) and not isinstance(painted, OmnyShellException):
            raise painted
        # The session itself tells how it ended.
        return await self._exit_code()

    def _own(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        """Start a task that is cancelled when the session is no longer shown."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _wait_left(self) -> None:
        await self._left.wait()

    def _write_at_once(self, _stream: DataOpcode, data: memoryview) -> int:
        """Write output at once, without a turn of the event loop, if nothing else waits to be written."""
        if self._above or self._writing.locked() or self._notices.added.is_set():
            return 0
        taken = self._screen.write_at_once(data)
        self._shown(bytes(data[:taken]))
        return taken

    def _shown(self, data: bytes) -> None:
        """Note what the terminal was given, and what would put it back."""
        version = self._modes.version
        self._modes.feed(data)
        if self._guardian is not None and self._modes.version != version:
            self._guardian.remember(self._modes.reset_sequence())

    async def _paint(self) -> None:
        try:
            if self._above:
                await self._write(self._above)
                self._above = b""
            async for chunk in self._session:
                await self._write(chunk.data)
                self._shown(chunk.data)
        except BrokenPipeError:
            self._reader_left = True

    async def _notify(self) -> None:
        while True:
            await self._notices.added.wait()
            await self._write(b"")

    async def _write(self, data: bytes) -> None:
        """Write to the terminal, after the notices that wait."""
        async with self._writing:
            await self._screen.write(self._notices.take() + data)

    def _type(self, data: bytes) -> None:
        """Pass on what was typed, without the escapes in it, which are carried out here."""
        found: list[Escape] = []
        if self._is_terminal:
            if not data:
                # A terminal in raw mode has no end of file: it was closed.
                self._lose_terminal()
                return
            data, found = self._scanner.feed(data)
        elif not data:
            self._own(self._end_input())
            return
        else:
            self._has_whole_line = data.endswith(b"\n")
        if self._session.has_ended:
            return
        if data:
            self._session.send(data)
        for escape in found:
            if escape in ENDING:
                self._detaches = escape is Escape.DETACH
                self._left.set()
                return
            if escape is Escape.SUSPEND:
                self._suspend()
            else:
                self._own(self._write(self._help()))
        if self._session.is_stuck:
            self._stdin.pause()
            self._own(self._type_on())

    def _help(self) -> bytes:
        character = shown(self._escape) if self._escape is not None else DEFAULT
        return ("\n" + help_text(character)).replace("\n", "\r\n").encode()

    def _suspend(self) -> None:
        """Give the terminal to the user's shell until that continues this process; then have the session painted."""
        reset = self._put_back()
        self._terminal.leave()
        begin_line()
        os.kill(os.getpid(), signal.SIGTSTP)
        self._terminal.enter()
        self._modes.feed(reset)
        self._resize()
        self._is_back = self._client.take_up_again()
        if not self._is_back:
            # A program paints by itself when its terminal has another size.
            spec = terminal_spec()
            self._session.resize(spec.cols, spec.rows + 1)
            self._resize()

    async def _type_on(self) -> None:
        await self._session.drain()
        self._stdin.resume()

    async def _end_input(self) -> None:
        """Type the end-of-file character at growing intervals until the session ends.

        It is only a character: a shell that is still starting, or that waits for a program which does not read, would
        miss it. As with a real end of file, the next reader has to find it too. For a shell that edits its line it is
        no end while there is something on that: where the input ends without a newline, one is typed at last.
        """
        delay = FIRST_REPEAT
        while not self._session.has_ended:
            if delay == LINE_AFTER and not self._has_whole_line:
                self._session.send(b"\n")
            self._session.eof()
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_REPEAT)

    def _lose_terminal(self) -> None:
        """The terminal was closed: leave the session running, as the user did not ask to end it."""
        self._session.abandon()
        self._left.set()

    def _state_changed(self, state: LinkState) -> None:
        if self._is_back and state is LinkState.RECONNECTING:
            self._own(self._tell_if_away())
            return
        self._is_back = False
        if sys.stdout.isatty():
            self._notices.state_changed(state, str(self._session.lost_by))
        else:
            tell(self._session, state)

    def login_waits(self, text: str) -> None:
        """Show what the login of a new connection waits for."""
        if sys.stdout.isatty():
            self._notices.show(text)
        else:
            complain(f"omnyshell: {text}")

    async def _tell_if_away(self) -> None:
        """Say that the hub is waited for, where it is not back by now."""
        await asyncio.sleep(BACK_WITHIN)
        if self._is_back:
            self._is_back = False
            self._state_changed(LinkState.RECONNECTING)

    def _resize(self) -> None:
        spec = terminal_spec()
        self._session.resize(spec.cols, spec.rows)

    def _restore(self) -> None:
        self._screen.close()
        self._put_back()

    def _put_back(self) -> bytes:
        """Undo what the session set in the terminal; return the sequence that does."""
        reset = self._modes.abort_sequence + self._notices.erased() + self._modes.reset_sequence()
        if reset and sys.stdout.isatty():
            os.write(1, reset)
        if self._guardian is not None:
            self._guardian.remember(b"")
        return reset

    async def _exit_code(self) -> int:
        if self._reader_left:
            return BROKEN_PIPE
        if not self._session.has_ended:
            if self._session.is_suspended:
                _say("left the session; it goes on for a while: " + self._how_to_resume())
                return FAILURE
            if not self._detaches:
                _say("left the session")
                return FAILURE
            try:
                await self._session.detach()
            except OmnyShellTimeoutException:
                # The node does not answer the detach; leave as a lost client does, so that the session goes on.
                self._session.abandon()
                _say("the node did not answer; the session goes on for a while: " + self._how_to_resume())
                return FAILURE
        try:
            return self._stdin.judge((await self._session.wait()).shell_code)
        except OmnyShellException as exc:
            if exc.code == DETACHED:
                told = self._session.detached
                who = f"{printable(told.taken_by)} took it from here" if told and told.taken_by else "detached"
                _say(f"{who}; {self._how_to_resume()}")
                return 0
            if exc.code in (CloseReason.CLIENT_CLOSED, CloseReason.CLIENT_DISCONNECTED):
                return FAILURE
            begin_line()
            raise

    def _how_to_resume(self) -> str:
        return f"`omnyshell sessions resume {self._session.node_id} {short_id(self._session.id)}` takes it up again"


def _say(text: str) -> None:
    """Print a line below the session's last output."""
    begin_line()
    complain(text)


def begin_line() -> None:
    """Move to a new line, if stderr is a terminal."""
    if sys.stderr.isatty():
        print(file=sys.stderr)
