"""Where a session's output goes: to the client's channel, to the replay buffer, to the screen.

A session's output has one reader for its whole life. This module decides for each chunk where it goes; channels change
only between two chunks, so no byte is lost or doubled.
"""

import asyncio
import math
import re
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TypeVar

from omnyshell.model.sessions import PtySpec
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.protocol.messages import ChannelPaint
from omnyshell.protocol.replay import ReplayBuffer
from omnyshell.services.node.records.record import SessionRecord
from omnyshell.services.node.records.replay import JournalReplay
from omnyshell.services.node.screens.checkpoints import ScreenCheckpoints, what_paints
from omnyshell.services.node.screens.device_queries import DeviceQuery, DeviceQueryScanner
from omnyshell.services.node.screens.kept_lines import take_lines
from omnyshell.services.node.screens.pump import Painting, ScreenFollower, ScreenPump
from omnyshell.services.node.sessions.fitting import LARGEST_SCREEN
from omnyshell.terminal.screen.work import finished
from omnyshell.transport.channels import Channel

Result = TypeVar("Result")

_LEAVE = re.compile(rb"\x1b\[\?(?:[0-9]+;)*(?:47|1047|1049)(?:;[0-9]+)*l")
_LONGEST = 32


class MainScreenWatch:
    """Finds the first sequence that switches back to the main screen, in whichever chunks the output comes."""

    def __init__(self) -> None:
        self._tail = b""

    def find(self, data: bytes) -> int | None:
        """Return the offset in `data` after the sequence, or None if it does not end in `data`."""
        before = len(self._tail)
        text = self._tail + data
        match = _LEAVE.search(text)
        if match is not None:
            return match.end() - before
        start = text.rfind(b"\x1b", max(0, len(text) - _LONGEST))
        self._tail = text[start:] if start >= 0 else b""
        return None


class SessionOutput:
    """The output of one session, and of a shell its screen, which `follower` is.

    `read_on` is called when there may be a budget again, `type_reply` with a terminal's answers to queries. Without a
    channel, a shell waits at most `block_timeout` seconds for room in the replay buffer, and then drops the buffer.
    """

    def __init__(
        self,
        follower: ScreenFollower | None,
        *,
        block_timeout: float,
        read_on: Callable[[], None],
        type_reply: Callable[[bytes], None],
    ) -> None:
        self.screen = ScreenPump(follower, on_room=read_on) if follower is not None else None
        """The screen of a shell that has not ended."""

        self.replay = ReplayBuffer()
        self.checkpoints: ScreenCheckpoints | None = None
        """Where the session is recorded: how its screen is noted."""

        self._record: SessionRecord | None = None
        self._channel: Channel | None = None
        self._block_timeout = block_timeout
        self._read_on = read_on
        self._type_reply = type_reply
        self._unblock: asyncio.TimerHandle | None = None
        self._queries = DeviceQueryScanner()
        self._main_watch: MainScreenWatch | None = None
        self._has_main = False
        """Whether the client has what was pushed onto the main screen's stack, though that has to be painted."""

        self._painted_at: float = -1
        """Up to where there was output when it was painted last, or should have been."""

        self._last_screen = Painting()
        self._last_version = 0
        self._holds_output = False
        """Whether output waits for the main screen to be painted before it."""

        self._last_for_follower: Painting | None = None

    def record(self, record: SessionRecord, size: Callable[[], PtySpec]) -> None:
        """Keep output in a record from now on, before any comes, and go on from what that has.

        `size` tells the terminal's.
        """
        checkpoint, screen = record.checkpoint, self.screen
        shown = None
        if screen is not None:
            shown = checkpoint.offset if checkpoint is not None else record.journal.start
            take_lines(record, checkpoint, screen.follower.history)
            for data in what_paints(record, checkpoint):
                screen.push(data)
        replay = JournalReplay(record.journal, shown)
        self.replay, self._record = replay, record
        if screen is not None:
            self.checkpoints = ScreenCheckpoints(screen, record, replay, size, self._read_on)

    @property
    def version(self) -> int:
        """A number that names the present state of the screen."""
        return self.screen.version if self.screen is not None else self._last_version

    def when_seen(self, action: Callable[[Painting, int], None]) -> None:
        """Call `action` with the screen, and its version, once it shows all output up to now."""
        if self.screen is not None:
            self.screen.at_this_point(lambda: self._show(action))
        else:
            action(self._last_screen, self._last_version)

    def _show(self, action: Callable[[Painting, int], None]) -> None:
        """Show the screen where it is small enough to be peeked at; the last one, where it has ended meanwhile."""
        screen, version = self.screen, self.version
        if screen is not None:
            painting = screen.follower.painting(most=LARGEST_SCREEN)
            screen.do_here(painting, lambda painted: action(painted, version), otherwise=Painting())
        else:
            action(self._last_screen, version)

    def when_up_to_date(
        self, steps: Generator[None, None, Result], then: Callable[[Result], None], *, otherwise: Result
    ) -> None:
        """Do steps that look at the history once that has all that left the screen by output up to now.

        `then` is called with their result, or with `otherwise` where they fail.
        """
        screen = self.screen
        if screen is not None:
            screen.at_this_point(lambda: screen.do_here(steps, then, otherwise=otherwise))
        else:
            then(finished(steps))

    def when_sent(self, action: Callable[[], None]) -> None:
        """Call `action` once all output up to now was sent to the client, if there is one."""
        if self.screen is not None and self._holds_output:
            self.screen.at_this_point(action)
        else:
            action()

    def keep_last_screen(self) -> None:
        """Keep what the screen shows in the end, instead of it."""
        if self.screen is not None:
            self.screen.at_this_point(lambda: self._show(self._keep))

    def _keep(self, painting: Painting, version: int) -> None:
        self._last_screen, self._last_version, screen = painting, version, self.screen
        if screen is None or not self.replay.is_keeping:
            self.screen = None
            return
        again = screen.follower.painting(again=True, same_size=True, most=LARGEST_SCREEN)
        screen.do_here(again, self._keep_for_follower, otherwise=Painting())

    def _keep_for_follower(self, painting: Painting) -> None:
        self._last_for_follower, self.screen = painting, None

    @property
    def last_for_follower(self) -> Painting | None:
        """The last screen of a shell that has ended, for a client that followed it and lacks something of it."""
        return self._last_for_follower

    @property
    def budget(self) -> int:
        """How many bytes can be taken now. Without a client, output is always read, unless all of it has to be kept."""
        if self.screen is not None and not self.screen.has_room:
            return 0
        room = self.replay.room
        if self._record is not None:
            room = min(room, self._record.journal.room)
        return min(room, self._channel.budget) if self._channel is not None else min(room, MAX_PAYLOAD)

    def attach(self, channel: Channel, *, keep: bool) -> None:
        """Send output to this channel from now on; with `keep`, keep it until it is acknowledged."""
        self._stop_waiting()
        self._channel = channel
        if keep:
            self.replay.keep()
        else:
            self.replay.drop()

    def leave(self, *, keep: bool) -> None:
        """Send output to no channel from now on.

        Without `keep`, the replay buffer is dropped: the next client gets the screen.
        """
        self._channel = None
        self._queries.reset()
        if not keep:
            self._main_watch = self._last_for_follower = None
            self.replay.drop()

    def screen_resized(self) -> None:
        """The screen has another size, which what is noted of it should have, too."""
        if self.checkpoints is not None:
            self.checkpoints.is_due = True

    def stop(self) -> None:
        """Stop following, and forget nothing."""
        self._stop_waiting()
        self._channel = None
        self.replay.stop()
        if self.screen is not None:
            self.screen.close()

    def close(self) -> None:
        """Release everything. Idempotent."""
        self._stop_waiting()
        self.replay.drop()
        self.replay.stop()
        if self.screen is not None:
            self.screen.close()

    def take(self, stream: DataOpcode, data: bytes) -> None:
        """Take a chunk of output, no larger than the budget."""
        end = self._main_watch.find(data) if self._main_watch is not None else None
        if end is None or self.screen is None:
            self._pass_on(stream, data)
            return
        self._main_watch = None
        if self._channel is None:
            self._painted_at = math.inf
            self._pass_on(stream, data)
            return
        self._pass_on(stream, data[:end])
        self._holds_output = True
        self.screen.at_this_point(lambda: self._show_main_screen(data[end:]))

    def resend(self, offset: int) -> None:
        """Send the kept output from `offset` on; the replay buffer must cover it."""
        if self._channel is not None:
            for stream, data in self.replay.since(offset):
                self._channel.send_data(stream, bytes(data))

    def paint(self, painting: Painting, *, again: bool) -> None:
        """Paint the client's terminal, which has followed the program before if it does so `again`.

        If that shows the alternate screen, the main one is painted when the program returns to it.
        """
        has_main = self._main_watch is None and self._painted_at < math.inf
        self._has_main = again and (has_main or self._has_main)
        self._main_watch = MainScreenWatch() if painting.alt_screen else None
        self._send_painted(painting.data)

    def may_lack_painting(self, offset: int) -> bool:
        """Whether a client that has the output before this offset may not have what was painted for it.

        That counts in no offset: who has none of the output behind it may have lost it with the connection.
        """
        return offset <= self._painted_at

    def acknowledged(self, offset: int) -> None:
        """The client has all output before this offset."""
        was_full = self.replay.room == 0
        self.replay.acknowledge(offset)
        if was_full:
            self._read_on()

    def _pass_on(self, stream: DataOpcode, data: bytes) -> None:
        if self._channel is not None:
            self.replay.append(stream, data)
            self._channel.send_data(stream, data)
            if self.screen is not None:
                self.screen.push(data)
        elif self.screen is not None:
            for item in self._unattended(stream, data):
                if isinstance(item, bytes):
                    self.screen.push(item)
                else:
                    self.screen.at_this_point(item)
            if self.replay.room == 0 and self._unblock is None:
                self._unblock = asyncio.get_running_loop().call_later(self._block_timeout, self._give_up_replay)
        else:
            self.replay.append(stream, data)

    def _unattended(self, stream: DataOpcode, data: bytes) -> Iterator[bytes | Callable[[], None]]:
        """Keep output without a client; yield what its screen is to follow, and answers to the device queries in it.

        These are blanked, so that no terminal answers them again.
        """
        for piece, query, length in self._queries.split(data):
            self.replay.append(stream, piece)
            yield piece
            if query is not None:
                self.replay.blank(length)
                yield partial(self._answer, query)

    def _answer(self, query: DeviceQuery) -> None:
        if self.screen is not None:
            self._type_reply(self.screen.follower.answer(query))

    def _give_up_replay(self) -> None:
        """Drop the replay buffer: the program has waited for the client long enough.

        The next client gets the screen.
        """
        self._unblock = None
        self.replay.drop()
        self._read_on()

    def _stop_waiting(self) -> None:
        if self._unblock is not None:
            self._unblock.cancel()
            self._unblock = None

    def _show_main_screen(self, following: bytes) -> None:
        if self.screen is None:
            return
        if self._channel is None:
            self._go_on(following)
            return
        painting = self.screen.follower.painting_main(again=self._has_main)
        self.screen.do_here(painting, lambda painted: self._go_on(following, painted), otherwise=b"")

    def _go_on(self, following: bytes, painted: bytes = b"") -> None:
        self._holds_output = False
        self._send_painted(painted)
        if not following or self.screen is None:
            return
        if self._channel is None:
            self.screen.push_next(*self._unattended(DataOpcode.STDOUT, following))
            return
        self.replay.append(DataOpcode.STDOUT, following)
        self._channel.send_data(DataOpcode.STDOUT, following)
        self.screen.push_next(following)

    def _send_painted(self, data: bytes) -> None:
        if self._channel is None:
            self._painted_at = math.inf
            return
        self._painted_at = self.replay.end
        if self._channel.offsets is not None:
            self._channel.send(ChannelPaint(size=len(data)))
        self._channel.send_data(DataOpcode.STDOUT, data)
