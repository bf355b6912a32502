"""What is known of a session."""

from collections.abc import Callable
from datetime import datetime

from omnyshell.ids import short_id
from omnyshell.model.grammars import is_login
from omnyshell.model.sessions import DetachedSessionInfo, SessionMode, SessionState
from omnyshell.services.node.backend import Asker, OwnedSession, ShellSession, is_owned
from omnyshell.services.node.screens.pump import Painting
from omnyshell.services.node.sessions.absence import Absence
from omnyshell.services.node.sessions.channel_end import ChannelEnd
from omnyshell.services.node.sessions.fitting import shortened
from omnyshell.services.node.sessions.output import SessionOutput
from omnyshell.services.node.sessions.stage import Stage

UNKNOWN_USER = "The node does not know whose this session is, and the hub allows some users alone"


class SessionFacts:
    """The part of a `NodeSession` that tells of it, and changes nothing."""

    id: str
    owner: str
    mode: SessionMode
    created_at: datetime
    stage: Stage
    output_stage: SessionOutput
    _absence: Absence
    _end: ChannelEnd | None
    _started: ShellSession | None

    @property
    def short_id(self) -> str:
        """The form of the id that people see."""
        return short_id(self.id)

    @property
    def pid(self) -> int | None:
        """The id of the process that leads it; None if it is none of this machine."""
        return self._started.pid if self._started is not None else None

    @property
    def user(self) -> str:
        """The user of the machine as whom it runs; empty where that is not known."""
        user = self._owned.user if self._owned is not None else ""
        # The wire has no words for others, such as those with spaces that domains have.
        return user if is_login(user) else ""

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """Call `answered` once, now or soon, with why somebody may not have the session; empty where they may."""
        if self._owned is not None:
            self._owned.admit(asker, answered)
        else:
            # Whose it is only its backend knows, which was asked when it began.
            answered(UNKNOWN_USER if asker.logins else "")

    def look(self, done: Callable[[], None]) -> None:
        """Have `describe` tell what runs in the foreground now; call `done` once, now or soon."""
        if self._owned is not None:
            self._owned.look(done)
        else:
            done()

    @property
    def _owned(self) -> OwnedSession | None:
        started = self._started
        if self.mode is SessionMode.FORWARD:
            # Nothing runs in it. Asking its type would take long, for each connection.
            return None
        return started if is_owned(started) else None

    @property
    def is_attached(self) -> bool:
        """Whether a client is attached."""
        return self._end is not None

    @property
    def is_shell(self) -> bool:
        """Whether the session can be listed, detached and resumed."""
        return self.mode is SessionMode.SHELL

    @property
    def is_running(self) -> bool:
        """Whether the session goes on: it has not ended, and nobody has ended it."""
        return self.stage is Stage.RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether the exit is known."""
        return self.stage is Stage.ENDED

    @property
    def etag(self) -> str:
        """Names the present state of the screen."""
        return self._etag_of(self.output_stage.version)

    def _etag_of(self, version: int) -> str:
        return f"{self.short_id}-{version:x}{'-ended' if self.has_ended else ''}"

    def describe(self, node_id: str, *, tells_user: bool) -> DetachedSessionInfo:
        """The session as a listing shows it; as whom it runs is for hubs with `logins`."""
        foreground = self._process.foreground()
        return DetachedSessionInfo(
            session_id=self.id,
            short_id=self.short_id,
            node_id=node_id,
            owner_user_id=self.owner,
            mode=self.mode,
            created_at=self.created_at,
            detached_at=self._absence.since,
            expires_at=self._absence.until,
            state=SessionState.ATTACHED if self.is_attached else SessionState.DETACHED,
            current_command=shortened(foreground.command),
            current_cwd=shortened(foreground.cwd),
            user=self.user if tells_user else "",
        )

    def when_seen(self, action: Callable[[Painting, str], None]) -> None:
        """Call `action` with the screen once it shows all output up to now, and with the etag of what it shows."""
        self.output_stage.when_seen(lambda painting, version: action(painting, self._etag_of(version)))

    @property
    def _process(self) -> ShellSession:
        if self._started is None:
            raise RuntimeError("the session is not started")
        return self._started
