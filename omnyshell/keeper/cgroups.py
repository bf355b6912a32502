"""Each session in a control group of its own, where this machine has those of version 2 and lets the keeper make some.

Moving a process into a group takes the system 10 ms and more, and moving a program that runs would lose what it has
started meanwhile. So the keeper itself is in the group in which the next program will be born, and leaves it for a new
one when nobody waits for it. One that is empty again is used again.
"""

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from .files import Known, said_in
from .group import Group
from .hierarchy import disable, enable, enable_above, group_of, path_of, words_of, write
from .limits import KEYS, Limits, limits_of
from .nest import Nest
from .poller import READ, Poller, say
from .users import RefusedError

if TYPE_CHECKING:
    from .held import Sessions

ATTENDANTS = "attendants"
"""The group of those that outlive a session because they have to close it."""

QUIET = 0.2
"""Seconds after a start in which the keeper stays where it is, as the next start or end will come soon."""

_LOOK, _LONGEST = 0.5, 3600.0
"""Seconds until a group is looked at again that was not empty, the first time and later on."""

_LOGIN = re.compile(rb"/session-\w+\.scope$")
"""A group that systemd makes for a login."""


class Groups:
    """Makes the groups of sessions, and removes them."""

    def __init__(self, poller: Poller, file: str) -> None:
        """`file` is the node's, which says what sessions may take; empty where there is none."""
        self.place = ""
        """The directory in which groups are made; empty where there are none."""

        self.flaw = "this machine has no control groups of version 2"
        """Why there are none."""

        self.nest = Nest()
        self.when_vacant: Callable[[], None] = lambda: None
        """Called when nothing of a session is in the nest any more."""

        self._poller = poller
        self._file = file
        self._said = Known(file, self._read)
        self._limits = Limits()
        self._has_read = False
        self._number = 0
        self._tenant: Group | None = None
        """The session that was born in the nest and is not forgotten."""

        self._newest: Group | None = None
        """What was born in the nest last, forgotten or not; None where nothing is in it that was."""

        self._spent = b""
        """What `Group.earlier` is for the next one."""

        self._is_leaving = False
        self._left: set[str] = set()
        """Groups that are not empty, of sessions that are forgotten."""

        self._next_look = 0.0

    # The beginning and the end

    def open(self, name: str) -> None:
        """Begin below the keeper's own group, or where the keeper before an upgrade did; say why it cannot be."""
        try:
            found = group_of("self")
            if not found:
                return
            before = os.path.dirname(found)
            base = os.path.dirname(before) if os.path.basename(before) == name else found
            self._settle(f"{base}/{name}", found if base != found else "")
        except OSError as exc:
            self.flaw = f"no control groups can be made below {exc.filename or 'the own one'}: {exc.strerror}"
            self.place = ""

    def _settle(self, place: str, nest: str) -> None:
        for path in (place, f"{place}/{ATTENDANTS}"):
            with suppress(FileExistsError):
                _make(path)
        if not os.path.exists(f"{place}/cgroup.kill"):
            self.flaw = f"{place} has no cgroup.kill, which Linux has since 5.14"
            return
        numbers = [int(entry) for entry in os.listdir(place) if entry.isdecimal()]
        self.place, self._number = place, max(numbers, default=0)
        self.nest.settle(nest)
        if not nest:
            self._move_on()
        self._newest = self.of(nest) if nest else None
        self.flaw = ""

    def check(self) -> None:
        """Raise `RefusedError` where sessions could not be limited as the file says."""
        limits = self._now()
        if not limits.any:
            return
        if not self.place:
            raise RefusedError(f"{self._file} limits sessions, but {self.flaw}: {_remedy()}")
        wanted = limits.controllers()
        have = words_of(f"{self.place}/cgroup.subtree_control")
        for controller, key in wanted.items():
            if controller.encode() not in have:
                missing = f"the control group {os.path.dirname(self.place)} has no controller '{controller}' to give"
                raise RefusedError(f"'{key}' of {self._file} cannot be held, as {missing}: {_remedy()}")

    def facts(self) -> tuple[bytes, bytes, bytes]:
        """Return where groups are made, what keeps sessions from being in some or limited, and the limits; as text."""
        try:
            self.check()
        except RefusedError as exc:
            flaw = str(exc)
        else:
            flaw = self.flaw
        return os.fsencode(self.place), os.fsencode(flaw), self._limits.shown().encode()

    def _is_fit(self) -> bool:
        with suppress(RefusedError):
            self.check()
            return True
        return False

    def take_over(self, sessions: "Sessions") -> None:
        """Take over what an earlier keeper has left: groups of sessions that are held again, and remove what is empty.

        What nobody has descriptors of any more is ended.
        """
        if not self.place:
            return
        is_fit = self._is_fit()
        for path in self._entries():
            group = self.of(path)
            holder, node, name = group.noted()
            held = sessions.find(node, name)
            if path != self.nest.path and is_fit:
                # The service manager may have taken limits away, as it cannot start a keeper otherwise.
                group.limit()
            if held is not None:
                held.group = group
                if path == self.nest.path:
                    self._tenant = self._newest = group
                    self._leave_soon(group)
            elif path != self.nest.path:
                self._drop(group)
                if holder and path in self._left:
                    say(f"{path} is of a session that nobody keeps any more")
                    self._end_with(holder, group)
        for held in sessions:
            if held.group is None and not held.has_ended:
                held.group = self._login_of(held.pid)

    def close(self) -> None:
        """Remove all groups that are empty, and the keeper's own."""
        if not self.place:
            return
        base = os.path.dirname(self.place)
        for path in self._entries():
            _remove(path)
        if self._entries() == [self.nest.path]:
            # It may be in no group that gives controllers to others, and no session needs them any more.
            for directory in (self.place, base):
                disable(directory, self._limits.controllers())
        with suppress(OSError):
            write(f"{base}/cgroup.procs", f"{os.getpid()}")
        for path in (*self._entries(), f"{self.place}/{ATTENDANTS}", self.place):
            _remove(path)

    @property
    def left(self) -> list[Group]:
        """The groups of what sessions, or a trial of an upgrade, have left behind."""
        nest = [] if self._tenant is not None or not self.place else [self.nest.path]
        return [self.of(path) for path in (*self._left, *nest)]

    # Sessions

    def next(self) -> Group | None:
        """Return the group in which what is started now is born; None where there are none.

        Raises `RefusedError` where it could not be limited as the file says, and `OSError`.
        """
        self.check()
        if not self.place:
            return None
        if self._newest is not None and not self.nest.is_empty():
            self.leave(self._newest)
        elif self._newest is not None:
            # Also of a start that failed, whose end may be heard of only later.
            self.vacated(self._newest)
        group = self._tenant = self._newest = self.of(self.nest.path)
        group.earlier = self._spent
        self._leave_soon(group)
        return group

    def vacated(self, group: Group) -> None:
        """Have the next session in a group in which nothing is any more, or remove it."""
        group.remove_note()
        group.is_over = True
        if group.path == self.nest.path:
            self._tenant = self._newest = None
            self._spent = self.nest.spent()
            self.when_vacant()
        else:
            self.forget(group)

    def is_empty(self, group: Group) -> bool:
        """Tell whether nothing of a session is in its group any more."""
        return self.nest.is_empty() if group.path == self.nest.path else group.is_empty()

    @property
    def is_vacant(self) -> bool:
        """Whether nothing of a session is where the next one will be born, or there are no groups."""
        return self._newest is None

    def shared(self) -> None:
        """Something else than a session was started where the next one will be: that one looks whether it has gone."""
        if self.place and self._newest is None:
            self._newest = self.of(self.nest.path)

    def moved(self, group: Group | None, pid: int) -> Group | None:
        """Return the group that a program is in which has logged in: the same, or one that the system made for it."""
        login = self._login_of(pid) if group is not None else None
        if group is None or login is None:
            return group
        group.forget()
        login.limits = group.limits
        enable_above(login.path, login.limits.controllers())
        login.limit()
        return login

    def _login_of(self, pid: int) -> Group | None:
        """Return the group that the system has made for a login, if a process is in one; not that of the keeper."""
        with suppress(OSError):
            if _LOGIN.search(path_of(pid)) and not self.place.startswith(path := group_of(pid)):
                return self.of(path)
        return None

    def note_tenant(self) -> None:
        """Note whose the group is that the keeper has yet to leave: somebody goes by it."""
        if self._tenant is not None:
            self._tenant.write_note()

    def forget(self, group: Group) -> None:
        """Remove a group, if it was made here, now or when the last process has left it."""
        if self._tenant is group:
            self._tenant = None
        elif group.path.startswith(f"{self.place}/") and group.path != self.nest.path:
            self._drop(group)

    def leave(self, group: Group) -> None:
        """Leave a group if the keeper is there, and limit it then. Raises `OSError`."""
        if group.path != self.nest.path:
            return
        self._move_on()
        tenant, self._tenant, self._newest = self._tenant, None, None
        if tenant is None:
            self._drop(group)
        else:
            tenant.write_note()
            tenant.limit()

    def of(self, path: str) -> Group:
        """Return the group of a directory, which is to be limited as the file says now."""
        group = Group(path, self)
        group.limits = self._limits
        return group

    def _entries(self) -> list[str]:
        return [f"{self.place}/{entry}" for entry in os.listdir(self.place) if entry.isdecimal()]

    def _leave_soon(self, tenant: Group) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            # A limit would hold for the keeper, too.
            self._poller.call_later(0 if tenant.limits.files() else QUIET, self._leave_tenant)

    def _leave_tenant(self) -> None:
        self._is_leaving = False
        tenant = self._tenant
        if tenant is None or self.nest.is_empty():
            return
        try:
            self.leave(tenant)
            self.when_vacant()
        except OSError as exc:
            say(f"no control group can be made: {exc.strerror}")
            if tenant.limits.files():
                tenant.signal(signal.SIGKILL)

    def _move_on(self) -> None:
        while True:
            self._number += 1
            path = f"{self.place}/{self._number}"
            with suppress(FileExistsError):
                _make(path)
                break
        try:
            write(f"{path}/cgroup.procs", f"{os.getpid()}")
        except BaseException:
            _remove(path)
            raise
        self.nest.settle(path)
        self._spent = b""

    def _drop(self, group: Group) -> None:
        """Remove a group, or do so when it is empty."""
        if _remove(group.path) or group.path in self._left:
            return
        self._left.add(group.path)
        if len(self._left) == 1:
            self._poller.call_later(_LOOK, self._look_again)
        self._next_look = 2 * _LOOK

    def _look_again(self) -> None:
        """Remove what is empty by now; the longer nothing comes to it, the less often is looked."""
        self._left = {path for path in self._left if not _remove(path)}
        if self._left:
            self._poller.call_later(self._next_look, self._look_again)
            self._next_look = min(2 * self._next_look, _LONGEST)

    def _end_with(self, holder: int, group: Group) -> None:
        """Kill a group when a process has ended, which alone has what its session is read and written by."""
        try:
            pidfd = os.pidfd_open(holder)
        except OSError:
            group.signal(signal.SIGKILL)
            return

        def ended(_events: int) -> None:
            self._poller.unwatch(pidfd)
            os.close(pidfd)
            group.signal(signal.SIGKILL)

        self._poller.watch(pidfd, READ, ended)

    # What the file says

    def _now(self) -> Limits:
        """Return the limits that the file has, which is read anew when it has changed.

        What cannot be read leaves those that were; at the start it raises `RefusedError`.
        """
        return self._said.now() if self._file else self._limits

    def _read(self, path: str) -> Limits:
        try:
            # Who writes the file says what others may take.
            self._limits = said_in(path, KEYS, limits_of, "The limits of sessions")
        except RefusedError as exc:
            if not self._has_read:
                raise
            say(f"{exc}; those that were go on to hold")
            return self._limits
        self._has_read = True
        if self.place:
            for directory in (os.path.dirname(self.place), self.place):
                enable(directory, self._limits.controllers())
        return self._limits


def _make(path: str) -> None:
    """Make a group that everybody may read. Raises `OSError`."""
    os.mkdir(path)
    os.chmod(path, 0o755)  # noqa: S103 - a node reads there what is used


def _remove(path: str) -> bool:
    """Remove a group, if nothing is in it; tell whether there is none any more."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _remedy() -> str:
    return "have the keeper started by its service (omnyshell service install node), or leave these options out"
