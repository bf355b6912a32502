"""One session of a node: a process, and the channel that its client has now."""

import logging
from collections.abc import Callable

from omnyshell.clock import Clock
from omnyshell.model.sessions import CloseReason, PtySpec, Widths
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelResize,
    ChannelSignal,
    NodeSessionDetach,
    NodeSessionDetached,
    NodeSessionOpen,
    NodeSessionOpened,
    NodeSessionRejected,
)
from omnyshell.services.node.backend import KeptSession, ShellSession, is_kept
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.records.record import NotedState
from omnyshell.services.node.screens.pump import Painting, ScreenFollower
from omnyshell.services.node.sessions.absence import Absence
from omnyshell.services.node.sessions.channel_end import ChannelEnd
from omnyshell.services.node.sessions.facts import SessionFacts
from omnyshell.services.node.sessions.notes import UNKNOWN, SessionNotes
from omnyshell.services.node.sessions.output import SessionOutput
from omnyshell.services.node.sessions.references import NOT_FOUND
from omnyshell.services.node.sessions.session_input import SessionInput
from omnyshell.services.node.sessions.size_reports import SizeReports
from omnyshell.services.node.sessions.stage import FOLLOWING, Stage
from omnyshell.services.node.sessions.terminal_names import answered_widths, stated_widths
from omnyshell.services.node.ssh.service import SshAnswer
from omnyshell.steps import entered, step

logger = logging.getLogger("omnyshell.node")

_STARTING = Stage.STARTING


class NodeSession(SessionFacts):
    """A session: a process, which is started apart and given to `start`, and a client's channel, if one is attached.

    `follower` is the screen of a shell, or None. `on_end` is called when the process has ended, `on_confirmed` when the
    client has confirmed that it knows.
    """

    def __init__(
        self,
        request: NodeSessionOpen,
        *,
        keeping: Keeping,
        clock: Clock,
        follower: ScreenFollower | None,
        on_end: Callable[["NodeSession"], None],
        on_confirmed: Callable[["NodeSession"], None],
    ) -> None:
        self.id = request.session_id
        self.owner = request.principal
        self.mode = request.mode
        self.created_at = clock.now()
        self.stage = _STARTING
        self.exit: ChannelExit | None = None
        """How the process ended, from the stage `ENDED` on."""

        self.output_stage = SessionOutput(
            follower,
            block_timeout=keeping.block_timeout,
            read_on=self.budget_available,
            type_reply=self._type_reply,
        )
        self._keeping = keeping
        self._clock = clock
        self._notes = SessionNotes(request, self.created_at)
        self._on_end = on_end
        self._on_confirmed = on_confirmed
        self.history = follower.history if follower is not None else None
        """The lines that left a shell's screen at the top, also after its end."""

        self.ssh_answer: SshAnswer | None = None
        """What a client is told of the host that it will meet by ssh."""

        self._size = request.pty or PtySpec()
        self._size_reports = SizeReports()
        self._end: ChannelEnd | None = None
        self._started: ShellSession | None = None
        self._kept: KeptSession | None = None
        self._absence = Absence(clock, self.kill)
        self._input = SessionInput(self._notes)

    # Coming and going

    def start(self, process: ShellSession, end: ChannelEnd, *, offsets: bool) -> None:
        """Attach the first channel, and tell the hub; `budget_available` is to follow.

        The process was started with this session as its sink.
        """
        self._begin(process)
        self._attach(end, offsets=offsets)
        opened = NodeSessionOpened(session_id=self.id, pid=process.pid, offsets=offsets)
        opened.user = self.user if end.tells_users else ""
        opened.max_window = self._max_window
        if self.ssh_answer is not None:
            opened.ssh_host_key, opened.ssh_node_key, opened.ssh_proof = self.ssh_answer
        if offsets:
            opened.output_offset = opened.input_offset = 0
        end.channel.send(opened)

    def start_alone(self, process: ShellSession) -> None:
        """Begin without a client, which was lost while the process was started; else as `start`."""
        self._begin(process)

    def _begin(self, process: ShellSession) -> None:
        self._started = process
        if is_kept(process):
            self._kept = process
            if process.record is not None:
                self.output_stage.record(process.record, lambda: self._size)
                self._notes.begin(process.record)
        self._become(Stage.RUNNING, pid=process.pid)

    def go_on(self, process: ShellSession, state: NotedState) -> None:
        """Go on from what an earlier process of the node has noted. The process was taken with this as its sink."""
        self.created_at = state.created_at
        self._notes.go_on(state)
        self._begin(process)
        self._input.offset = self.received_offset()
        if self.output_stage.screen is not None:
            self.output_stage.screen.resize(self._size.cols, self._size.rows)
        if not state.is_kept:
            self.output_stage.replay.drop()
        if state.input_ended:
            self._input.end()
            if not self.is_shell:
                process.eof()

    def await_client(self, state: NotedState) -> None:
        """Wait for a client, as one that is lost now, or for as long as was noted."""
        if state.is_attached:
            self._lose_client()
            return
        self._absence.go_on(state.since, state.until)
        self._note_absence()
        self.budget_available()

    def resume(self, end: ChannelEnd, request: NodeSessionOpen) -> None:
        """Switch to another channel; if a client is still attached, it is detached.

        The terminal is resized at once. Then the screen is painted, or the output that the client lacks is sent again.
        """
        if not self._may_take_up(end, request, exactly=self._can_replay(request)):
            return
        if request.pty is not None:
            self.resize(request.pty)
        screen = self.output_stage.screen
        if screen is not None:
            screen.at_this_point(lambda: self._take_up(end, request))
        else:
            self._take_up(end, request)

    def detach(self, timeout: float | None) -> None:
        """Detach the client, and tell it. The session ends after `timeout` seconds, or never if that is None."""
        end = self._leave(timeout, keep=False)
        if end is not None:
            end.channel.finish(self._detached())
        self.budget_available()

    def resize(self, size: PtySpec) -> None:
        """Resize terminal and screen."""
        self._size = size
        self._notes.resized(size)
        self._process.resize(size.cols, size.rows)
        if self.output_stage.screen is not None:
            self.output_stage.screen.resize(size.cols, size.rows)
            self.output_stage.screen.at_this_point(self._report_size)
            self.output_stage.screen_resized()

    def kill(self) -> None:
        """End all processes of the session; an attached client is told. Idempotent."""
        self._begin_ending()
        end = self._leave(None, keep=False)
        if end is not None:
            text = "The session was ended from elsewhere"
            end.channel.finish(ChannelClose(reason=CloseReason.NODE_CLOSED, message=text))
        self._process.kill()

    def stop(self) -> None:
        """End the process because the node stops; an attached client is told how it ended. Idempotent."""
        self._begin_ending()
        self._absence.stop_waiting()
        self._process.kill()

    def kill_now(self) -> None:
        """End the process at once."""
        self._process.kill_now()

    def let_go(self) -> None:
        """Drop the rest of the output: the client has confirmed the end, or will not return. The last screen is kept.

        Idempotent.
        """
        end = self._leave(None, keep=False)
        if end is not None:
            end.channel.finish(ChannelClose())
        if self._kept is not None:
            self._kept.forget()

    def leave_behind(self) -> None:
        """Leave it to the node's next process; nothing of it ends, and what comes on its channel has no effect."""
        self._end = None
        self._absence.stop_waiting()
        if self._kept is not None:
            self._kept.leave()
        self.output_stage.stop()

    def close(self) -> None:
        """Release all that an ended session still holds. Idempotent."""
        self.let_go()
        self.output_stage.close()
        if self.history is not None:
            self.history.clear()

    def say(self, sentence: str) -> None:
        """Say something of the node's own to whoever has the session, or takes it up."""
        if self.is_shell:
            self.output(DataOpcode.STDOUT, f"\r\nomnyshell: {sentence}\r\n".encode())
        else:
            self.output(DataOpcode.STDERR, f"omnyshell: {sentence}\n".encode())

    # What the process calls

    def budget(self) -> int:
        """How many bytes of output can be taken."""
        return self.output_stage.budget if self.stage is not _STARTING else 0

    def output(self, stream: DataOpcode, data: bytes) -> None:
        """Take output."""
        self.output_stage.take(stream, data)

    def input_taken(self, size: int) -> None:
        """Return credit for input, unless it came over an earlier channel."""
        credit = self._input.taken(size)
        if self._end is not None and credit:
            self._end.channel.consumed(credit)

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        """Tell the client, after all output."""
        self._become(Stage.ENDED, code=exit_code, reason=signal_name or "")
        self.exit = ChannelExit(exit_code=exit_code, signal=signal_name, ts=self._clock.now())
        self._absence.stop_waiting()
        end = self._end
        self.output_stage.when_sent(lambda: self._tell_exit() if self._end is end else None)
        self.output_stage.keep_last_screen()
        self._on_end(self)

    # What the channel calls

    def input_received(self, end: ChannelEnd, data: bytes) -> None:
        """Pass input on to the process."""
        if end is not self._end:
            return
        if not self._input.has_room(len(data)):
            end.channel.finish(ChannelClose(reason=CloseReason.ERROR, message="Too much input waits"))
            self._lose_client()
            return
        self._input.arrived(len(data))
        self._process.write(data)
        self._size_reports.typed(data)
        self._count_columns(answered_widths(data))
        if self.is_shell:
            end.channel.typed()

    def message_received(self, end: ChannelEnd, message: ChannelMessage) -> None:
        """Handle a message of the client."""
        if end is not self._end:
            if isinstance(message, ChannelClose):
                end.channel.close()
        elif isinstance(message, ChannelClose):
            self._closed(end, message)
        elif isinstance(message, ChannelResize):
            self.resize(PtySpec(cols=message.cols, rows=message.rows))
        elif isinstance(message, ChannelSignal):
            self._process.signal(message.signal)
        elif isinstance(message, ChannelEof):
            self._end_input()
        elif isinstance(message, NodeSessionDetach) and self.is_shell and not self.has_ended:
            self.detach(message.timeout_seconds)

    def budget_available(self) -> None:
        """Resume reading: there is credit again."""
        if self.stage in (Stage.RUNNING, Stage.ENDING):
            self._process.resume_output()

    def channel_lost(self, end: ChannelEnd) -> None:
        """The connection to the hub is lost."""
        if end is self._end:
            self._lose_client()

    def received_offset(self) -> int:
        """Bytes of input that have arrived since the session began, and need not be sent again."""
        return self._notes.input_offset(self._input.offset)

    def acknowledged(self, offset: int) -> None:
        """The client has all output before this offset."""
        self.output_stage.acknowledged(offset)

    # Changing channels

    @property
    def _max_window(self) -> int | None:
        """The window to announce, or None.

        A shell's is not widened: its user would wait for the output under way (docs/protocol.md#credit).
        """
        return self._end.max_window if self._end is not None and not self.is_shell else None

    def _attach(self, end: ChannelEnd, *, offsets: bool) -> None:
        self._absence.end()
        self._end = end
        self._input.attached()
        end.channel.offsets = self if offsets else None
        self.output_stage.attach(end.channel, keep=offsets)
        self._notes.client_came(is_kept=offsets)

    def _leave(self, timeout: float | None, *, keep: bool) -> ChannelEnd | None:
        """Detach the channel, and return it.

        The session ends after `timeout` seconds without one, or never if that is None.
        """
        if self._end is not None:
            self._step("client left", channel=self._end.channel.id)
        end, self._end = self._end, None
        self.output_stage.leave(keep=keep)
        self._absence.begin(timeout)
        self._note_absence()
        return end

    def _note_absence(self) -> None:
        is_kept = self.output_stage.replay.is_keeping
        self._notes.client_left(self._absence.since, self._absence.until, is_kept=is_kept)

    def _take_up(self, end: ChannelEnd, request: NodeSessionOpen) -> None:
        """Paint the screen, if need be, and switch channels.

        The screen shows all output read so far, and no output is read meanwhile.
        """
        exactly, screen = self._can_replay(request), self.output_stage.screen
        if not self._may_take_up(end, request, exactly=exactly):
            return
        if screen is None or (exactly and not self._is_painted_for(request)):
            lacks_last = exactly and self._is_painted_for(request)
            last = self.output_stage.last_for_follower if lacks_last else None
            self._switch(end, request, last, exactly=exactly)
            return
        counted = None
        if request.pty is not None and not exactly:
            counted = screen.follower.count_columns(stated_widths(request.pty))

        def painted(painting: Painting) -> None:
            if exactly and not self._can_replay(request):
                self._take_up(end, request)
            elif self._may_take_up(end, request, exactly=exactly):
                self._switch(end, request, painting, exactly=exactly)
            elif counted is not None:
                screen.follower.count_columns(counted)

        # Whoever misses nothing has what was put on stacks: what is painted then is painted over it.
        screen.do_here(screen.follower.painting(again=exactly, same_size=True), painted, otherwise=Painting())

    def _may_take_up(self, end: ChannelEnd, request: NodeSessionOpen, *, exactly: bool) -> bool:
        """Whether there still are both, a session and who takes it up; who comes too late is told."""
        if end.channel.is_closed:
            return False
        if self.stage is Stage.ENDING or (self.has_ended and not exactly):
            rejected = NodeSessionRejected(
                session_id=request.session_id, reason=NOT_FOUND, message="The session has ended"
            )
            end.channel.finish(rejected)
            return False
        return True

    def _switch(self, end: ChannelEnd, request: NodeSessionOpen, painting: Painting | None, *, exactly: bool) -> None:
        before = self._leave(None, keep=exactly)
        if before is not None:
            before.channel.finish(self._detached())
        self._attach(end, offsets=request.offsets)
        self._size_reports.attached()
        how = "where it was" if exactly else "painted"
        self._step("session taken up", channel=end.channel.id, detail=how)
        end.channel.send(self._opened(request, painting, exactly=exactly))
        if exactly:
            self.output_stage.resend(request.output_offset or 0)
        elif not self.is_shell:
            self.say(UNKNOWN)
        if painting is not None:
            self.output_stage.paint(painting, again=exactly)
        self._report_size()
        self._tell_exit()
        self.budget_available()

    def _count_columns(self, widths: Widths | None) -> None:
        """Have the screen count columns as the terminal that is attached, if that is known, from here on."""
        screen = self.output_stage.screen
        if widths is not None and screen is not None:
            screen.at_this_point(lambda: screen.follower.count_columns(widths))

    def _report_size(self) -> None:
        """Tell a program of its size that relies on being told; see `SizeReports`."""
        screen = self.output_stage.screen
        if screen is not None and not self.has_ended and screen.follower.reports_size:
            self._process.type_reply(self._size_reports.report(self._size))

    def _can_replay(self, request: NodeSessionOpen) -> bool:
        replay, offset = self.output_stage.replay, request.output_offset
        return request.offsets and offset is not None and replay.is_keeping and replay.covers(offset)

    def _is_painted_for(self, request: NodeSessionOpen) -> bool:
        """Whether one who gets the output that he lacks is painted the screen as well."""
        return request.repaint or self.output_stage.may_lack_painting(request.output_offset or 0)

    def _opened(self, request: NodeSessionOpen, painting: Painting | None, *, exactly: bool) -> NodeSessionOpened:
        opened = NodeSessionOpened(session_id=self.id, pid=self._process.pid)
        opened.user = self.user if self._end is not None and self._end.tells_users else ""
        opened.alt_screen = painting is not None and painting.alt_screen
        opened.max_window = self._max_window
        if request.history and self.history is not None:
            opened.history_end = self.history.end
        if request.offsets:
            opened.offsets = True
            opened.output_offset = request.output_offset if exactly else self.output_stage.replay.end
            opened.input_offset = self._input.offset
            opened.input_ended = self._input.has_ended
            opened.reset = not exactly
        return opened

    def _detached(self) -> NodeSessionDetached:
        return NodeSessionDetached(session_id=self.id, short_id=self.short_id, expires_at=self._absence.until)

    def _closed(self, end: ChannelEnd, message: ChannelClose) -> None:
        """Handle a closed channel: the client left, was lost, or confirmed the end."""
        end.channel.close()
        if message.reason == CloseReason.CLIENT_DISCONNECTED:
            self._lose_client()
        elif self.has_ended:
            self._leave(None, keep=False)
            self._on_confirmed(self)
        else:
            self.kill()

    def _lose_client(self) -> None:
        """Keep the session without its client, which was lost."""
        if self.has_ended:
            self._leave(None, keep=True)
        elif self.is_shell and self._keeping.auto_detach:
            self._leave(self._keeping.auto_detach_timeout, keep=True)
        elif not self.is_shell and self.output_stage.replay.is_keeping:
            self._leave(self._keeping.exec_timeout, keep=True)
        else:
            self.kill()
        self.budget_available()

    def _begin_ending(self) -> None:
        if self.is_running:
            self._become(Stage.ENDING)

    def _end_input(self) -> None:
        self._input.end()
        self._step("input ended")
        self._process.eof()

    def _become(self, stage: Stage, **fields: object) -> None:
        ids = {"session_id": self.id, "principal": self.owner}
        self.stage = entered(stage, self.stage, FOLLOWING, "session", logger, **ids, **fields)

    def _step(self, text: str, **fields: object) -> None:
        step(logger, text, session_id=self.id, principal=self.owner, **fields)

    def _type_reply(self, data: bytes) -> None:
        if not self.is_attached and not self.has_ended:
            self._process.type_reply(data)

    def _tell_exit(self) -> None:
        """Send the exit.

        With offsets in force, the client closes the channel as confirmation; otherwise the node closes it.
        """
        if self.exit is None or self._end is None or self._end.channel.is_closed:
            return
        channel = self._end.channel
        channel.send(self.exit)
        if channel.offsets is None:
            channel.send(ChannelClose())
            self._end = None
