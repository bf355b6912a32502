"""The net for a keeper that crashed: the service manager keeps the descriptors of sessions, and facts of each.

It is told of those that last; the newest wait in a socket that it keeps as well, from before somebody is told of them.
A name in its store is a number, of a session or of a node's holder, and a letter, which says what the descriptor is.
Names are short, as all of them are one variable of the next keeper's. Facts are frames of the wire in sealed memory;
a later version may add words at their end, and what cannot be understood is given back.
"""

import fcntl
import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from .held import Held
from .keeper import Keeper
from .newest import Newest, waiting
from .peers import Peer
from .poller import say
from .processes import id_of, started_at
from .store import Store
from .streams import BOUND, FIXED, MEMORY, RECORD, STDERR, STDIN, STDOUT, TERMINAL, close_all, is_sealed, seal
from .wire import KINDS, MOST_NAME, MOST_SESSIONS, Frames, MalformedError, is_name, pack

DELAY = 0.25
"""Seconds before the manager is told of a session: most commands are over by then, and cost it nothing."""

NEWEST = b"0N"
"""The name of both ends of the socket in which the newest sessions wait. No session has the number 0."""

_LETTERS = {TERMINAL: b"T", STDIN: b"I", STDOUT: b"O", STDERR: b"E", RECORD: b"R"}
_FACTS, _END, _PROCESS, _HOLDER = b"F", b"X", b"P", b"H"

_MOST_FACTS = 8 * MOST_NAME
_LEAST_FACTS = 7
_HIGHEST = 0xFFFF
"""The highest number of a session or holder."""

_Facts = list[bytes]
_Process = tuple[int, int, int]
"""The id and user of a process, and when it was started."""

_Found = dict[bytes, int]
"""What was kept under one number: descriptors by their letters."""


class Net:
    """Has kept what a keeper holds, and takes back what one before it has held."""

    def __init__(self, keeper: Keeper, store: Store, user: int) -> None:
        """`user` is whom the keeper serves: what was held for another is not theirs."""
        self._keeper = keeper
        self._store = store
        self._user = user
        self._newest = Newest()
        self._will_bring = False
        self._kept: dict[Held, tuple[int, set[bytes]]] = {}
        """The number of each session that is kept, and the letters that are."""

        self._holders: dict[bytes, tuple[int, _Process]] = {}
        """The number of each holder that is kept, and who it is."""

        self._last = 0
        store.heard = self._bring_rest
        keeper.sessions.changed = self._changed
        keeper.holders_changed = self._bring_holders

    def leave(self) -> None:
        """Have everything kept, for the next keeper, and end this one."""
        self._keeper.settle_ended()
        self._say_all(self._keeper.sessions)
        self._keeper.is_left = True

    # What is kept

    def _changed(self, held: Held) -> None:
        waits = self._newest.names_of(held) is not None
        if held in self._kept and self._bring(held) and not self._store.is_behind:
            if waits:
                self._take_out(held)
        elif held.is_begun and (waits or held not in self._kept):
            self._queue(held)

    def _queue(self, held: Held) -> None:
        """Have one of the newest wait as it is now, or no more where it is held no longer."""
        before = self._newest.names_of(held)
        names = tuple(held.descriptors) if self._keeper.sessions.find(held.node, held.name) is held else None
        # The end alone is in its pidfd, which waits with it.
        if names == before:
            return
        if names is not None:
            self._add_newest(held)
        if before is not None:
            self._take_out(held)

    def _add_newest(self, held: Held) -> None:
        """Have it wait behind all others, or be kept at once where there is no room for that, there or here."""
        has_room = False
        with suppress(OSError):
            has_room = self._put_newest(held)
        if not has_room:
            self._bring(held)
        self._bring_later()

    def _put_newest(self, held: Held) -> bool:
        """Tell whether there was room for it. Raises `OSError`."""
        letters = [*[_LETTERS[name] for name in held.descriptors], _END if held.has_ended else _PROCESS]
        last = _sealed(_end_of(held)) if held.has_ended else held.pidfd
        # When its process was started takes a while to learn: its pidfd says which one it is.
        frame = pack(b"".join(letters), *self._facts(held))
        try:
            return self._newest.add(held, frame, [*held.descriptors.values(), last])
        finally:
            if held.has_ended:
                os.close(last)

    def _take_out(self, held: Held) -> None:
        """Have it wait no more as it was; those before it wait anew behind all others."""
        while (first := self._newest.first) is not None and first is not held:
            # In this order there is no moment at which nobody has it.
            self._add_newest(first)
            self._newest.drop_first()
        self._newest.drop_first()

    def _bring_later(self) -> None:
        if not self._will_bring:
            self._will_bring = True
            self._keeper.poller.call_later(DELAY, self._bring_newest)

    def _bring_newest(self) -> None:
        """Have all that wait kept; what the manager has not heard of yet, or there is no room for, waits on."""
        self._will_bring = False
        while (first := self._newest.first) is not None:
            if not self._bring(first) or self._store.is_behind:
                self._bring_later()
                return
            self._newest.drop_first()

    def _bring_rest(self) -> None:
        """Have kept what there was no room for."""
        self._bring_holders()
        for held in self._keeper.sessions:
            self._changed(held)

    def _say_all(self, due: Iterable[Held]) -> None:
        """Have all of these kept, and wait until that is said, as long as it is heard."""
        is_all = False
        # What finds no room has some once the manager has heard the rest.
        while not is_all:
            is_all = self._bring_all(due)
            if not self._store.flush():
                break

    def _bring_all(self, due: Iterable[Held]) -> bool:
        """Have all of these kept; tell whether there was room for them."""
        had_room = [self._bring(held) for held in list(due)]
        return all(had_room)

    def _bring(self, held: Held) -> bool:
        """Have kept what is held of a session now, and nothing else; tell whether there was room for it."""
        wanted = self._wanted(held)
        if not wanted and held not in self._kept:
            return True
        number, kept = self._kept.get(held) or (self._number(), set[bytes]())
        for letter in sorted(kept - wanted.keys()):
            self._store.remove(_name(number, letter))
        # Facts come last: without them nothing is taken back.
        kept = {letter for letter in wanted if letter in kept or self._put(_name(number, letter), wanted[letter])}
        if kept:
            self._kept[held] = number, kept
        else:
            self._kept.pop(held, None)
        return len(kept) == len(wanted)

    def _wanted(self, held: Held) -> dict[bytes, int | _Facts]:
        keeper = self._keeper
        if keeper.sessions.find(held.node, held.name) is not held:
            return {}
        wanted: dict[bytes, int | _Facts]
        wanted = {_LETTERS[name]: fd for name, fd in held.descriptors.items()}
        if held.has_ended:
            wanted[_END] = _end_of(held)
        else:
            wanted[_PROCESS] = held.pidfd
        held.started = held.started or started_at(held.pid)
        return wanted | {_FACTS: self._facts(held)}

    def _facts(self, held: Held) -> _Facts:
        numbers = b"%d" % held.pid, b"%d" % held.started
        of_keeper = self._keeper.boot, b"%d" % self._user
        return [*of_keeper, held.node, held.name, held.kind, *numbers, held.user, held.uid]

    def _bring_holders(self) -> None:
        """Have kept who has the descriptors of each node."""
        present = {node: _process_at(peer) for node, peer in self._keeper.holders.items()}
        for node, (number, process) in list(self._holders.items()):
            if present.get(node) != process:
                self._store.remove(_name(number, _HOLDER))
                del self._holders[node]
        for node, process in present.items():
            if node not in self._holders:
                number = self._number()
                facts = [b"%d" % self._user, node, *(b"%d" % fact for fact in process)]
                if self._put(_name(number, _HOLDER), facts):
                    self._holders[node] = number, process

    def _put(self, name: bytes, what: int | _Facts) -> bool:
        """Have something kept; tell whether there was room for it, here as well."""
        with suppress(OSError):
            if isinstance(what, int):
                return self._store.put(name, what)
            fd = _sealed(what)
            try:
                return self._store.put(name, fd)
            finally:
                os.close(fd)
        return False

    def _number(self) -> int:
        """Return a number that is not used."""
        used = {number for number, _ in (*self._kept.values(), *self._holders.values())}
        while True:
            self._last = self._last % _HIGHEST + 1
            if self._last not in used:
                return self._last

    # An upgrade, which goes on with what is kept

    def numbers(self) -> list[_Facts]:
        """Return what a newer keeper has to know of what is kept: node, session, and number."""
        self._say_all([*self._newest, *self._kept])
        self._bring_newest()
        found = [[held.node, held.name, b"%d" % number] for held, (number, _) in self._kept.items()]
        return found + [[node, b"", b"%d" % number] for node, (number, _) in self._holders.items()]

    def go_on(self, numbers: Iterable[_Facts]) -> None:
        """Go on where the keeper before the upgrade was; what it had not kept is kept now."""
        for node, name, number in numbers:
            held = self._keeper.sessions.find(node, name)
            if held is not None:
                self._kept[held] = int(number), set(self._wanted(held))
            elif not name and node in self._keeper.holders:
                self._holders[node] = int(number), _process_at(self._keeper.holders[node])
        self._store.remove(NEWEST)
        for end in self._newest.ends:
            self._store.put(NEWEST, end)
        for held in self._keeper.sessions:
            self._changed(held)
        self._bring_holders()

    # What was kept

    def take_back(self, kept: Iterable[tuple[bytes, int]]) -> None:
        """Hold what a keeper before this one has held, as far as it can be understood; give the rest back.

        `go_on` is to follow.
        """
        found: dict[int, _Found] = {}
        newest = list[int]()
        for name, fd in kept:
            number = _number_of(name)
            if name == NEWEST:
                newest.append(fd)
            elif number is None or name[-1:] in found.setdefault(number, {}):
                self._give_back(name, fd)
            else:
                found[number][name[-1:]] = fd
        for number, by_letter in found.items():
            try:
                self._take(number, by_letter)
            except (MalformedError, ValueError, OSError) as exc:
                for letter, fd in by_letter.items():
                    self._give_back(_name(number, letter), fd)
                say(f"what was kept under {number:x} is given back: {exc!r}")
        self._last = max(found, default=0)
        for fd in newest:
            self._take_newest(fd)

    def _give_back(self, name: bytes, fd: int) -> None:
        os.close(fd)
        self._store.remove(name)

    def _take(self, number: int, found: _Found) -> None:
        """Hold a session, or know a holder.

        Raises `MalformedError`, `ValueError` and `OSError`, and has taken nothing then.
        """
        if _HOLDER in found:
            self._take_holder(number, found)
            return
        held = self._session(number, _read(found.get(_FACTS, -1), _LEAST_FACTS), found)
        self._hold(held, number, found, set(found))

    def _take_newest(self, fd: int) -> None:
        """Hold what had only just begun, and tell the manager of each before it waits no more."""
        try:
            for words, descriptors in waiting(fd):
                self._take_one(words, descriptors)
        except OSError as exc:
            say(f"what waited is given up: {exc!r}")

    def _take_one(self, words: _Facts, descriptors: list[int]) -> None:
        if self._keeper.sessions.find(b"".join(words[3:4]), b"".join(words[4:5])) is not None:
            # The manager had heard of it already.
            close_all(descriptors)
            return
        found: _Found = {}
        try:
            if len(words) <= _LEAST_FACTS or len(words[0]) != len(descriptors):
                raise MalformedError("no facts")
            found |= {words[0][at : at + 1]: fd for at, fd in enumerate(descriptors)}
            number = self._number()
            self._hold(self._session(number, words[1:], found), number, found, set())
        except (MalformedError, ValueError, OSError) as exc:
            close_all(found.values() or descriptors)
            say(f"what waited is not taken: {exc!r}")

    def _session(self, number: int, facts: _Facts, found: _Found) -> Held:
        """Return the session of facts and descriptors. Raises `MalformedError`, `ValueError` and `OSError`."""
        boot, user, *rest = facts
        held = _session_of(rest, found)
        is_ours = int(user) == self._user and is_name(boot) and len(self._keeper.sessions) < MOST_SESSIONS
        if not is_ours or self._keeper.sessions.find(held.node, held.name) is not None:
            raise ValueError("it is not this keeper's")
        self._keeper.boot = boot
        held.pidfd = self._process_of(number, held, found)
        return held

    def _hold(self, held: Held, number: int, found: _Found, kept: set[bytes]) -> None:
        """Hold it, of which these letters are kept. Raises `OSError`, and has closed nothing then."""
        if not held.has_ended:
            self._keeper.watch(held)
        close_all(found[letter] for letter in (_FACTS, _END) if letter in found)
        self._kept[held] = number, kept
        self._keeper.sessions.add(held)

    def _process_of(self, number: int, held: Held, found: _Found) -> int:
        """Return the pidfd of a session's leader; of one that has ended and is nobody any more, note that it has.

        What was kept of another process is given back, and found no more. Raises `OSError`.
        """
        kept = found.get(_PROCESS)
        if kept is not None and not held.has_ended and (found_id := id_of(kept)) in (held.pid, -1):
            if not held.started and found_id == held.pid:
                held.started = started_at(held.pid)
            return kept
        if kept is not None:
            self._give_back(_name(number, _PROCESS), found.pop(_PROCESS))
        if held.has_ended:
            return -1
        # Where the manager kept none: a process of that id and age is the same.
        pidfd = _pidfd_of(held.pid, held.started)
        if pidfd is None:
            held.note_end()
            return -1
        return pidfd

    def _take_holder(self, number: int, found: _Found) -> None:
        user, node, *numbers = _read(found[_HOLDER], 5)
        pid, uid, started = map(int, numbers[:3])
        if len(found) > 1 or int(user) != self._user or not is_name(node) or node in self._holders:
            raise ValueError("it is nobody whom this keeper knows")
        pidfd = _pidfd_of(pid, started)
        os.close(found[_HOLDER])
        if pidfd is None:
            self._store.remove(_name(number, _HOLDER))
            return
        self._keeper.holders[node] = Peer(pid, uid, pidfd)
        self._holders[node] = number, (pid, uid, started)


def _end_of(held: Held) -> _Facts:
    return [held.state, b"%d" % held.ended_at]


def _process_at(peer: Peer) -> _Process:
    return peer.pid, peer.uid, started_at(peer.pid)


def _name(number: int, letter: bytes) -> bytes:
    return b"%x" % number + letter


def _number_of(name: bytes) -> int | None:
    """Return the number in a name; None for what is no name of ours."""
    letters = (*_LETTERS.values(), _FACTS, _END, _PROCESS, _HOLDER)
    digits = name[:-1]
    is_ours = name[-1:] in letters and 0 < len(digits) <= 4 and set(digits) <= set(b"0123456789abcdef")
    return int(digits, 16) if is_ours else None


def _sealed(facts: _Facts) -> int:
    """Return memory with facts, which nobody changes any more."""
    fd = os.memfd_create("omnyshell-facts", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, pack(*facts))
    seal(fd, FIXED)
    return fd


def _read(fd: int, least: int) -> _Facts:
    """Return the facts in memory. Raises `MalformedError` and `OSError` for what has none, or fewer."""
    if fd < 0 or not stat.S_ISREG(os.fstat(fd).st_mode) or not is_sealed(fd, FIXED):
        raise MalformedError("no facts")
    frames = list(Frames().feed(os.pread(fd, _MOST_FACTS, 0)))
    facts = frames[0].split(b"\0") if len(frames) == 1 else []
    if len(facts) < least:
        raise MalformedError("no facts")
    return facts


def _session_of(facts: _Facts, found: _Found) -> Held:
    """Return the session of facts and descriptors, each of its kind. Raises `MalformedError` and `ValueError`."""
    node, name, kind, pid, started = facts[:5]
    descriptors = {of: found[letter] for of, letter in _LETTERS.items() if letter in found}
    are_ours = all(_is_of(of, fd) for of, fd in descriptors.items()) and RECORD in descriptors
    if not is_name(node) or not is_name(name) or kind not in KINDS or not are_ours:
        raise MalformedError("no session")
    held = Held(node, name, kind, int(pid), descriptors)
    held.is_child, held.started = False, int(started)
    # An earlier version did not say as whom it runs.
    held.user, held.uid = facts[5:7] if len(facts) >= 7 else (b"", b"")
    if _END in found:
        state, ended_at = _read(found[_END], 2)[:2]
        held.ended_at, held.is_reaped = int(ended_at), True
        held.status = int(state) if state.lstrip(b"-").isdigit() else None
    if held.pid <= 0 or held.started < 0 or not (held.started or {_PROCESS, _END} & found.keys()):
        raise ValueError("no process")
    return held


def _is_of(name: bytes, fd: int) -> bool:
    """Tell whether a descriptor is what its name says."""
    facts, access = os.fstat(fd), fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    if name == TERMINAL:
        return stat.S_ISCHR(facts.st_mode) and os.isatty(fd)
    if name == RECORD:
        return stat.S_ISREG(facts.st_mode) and facts.st_size == MEMORY and is_sealed(fd, BOUND)
    return stat.S_ISFIFO(facts.st_mode) and access == (os.O_WRONLY if name == STDIN else os.O_RDONLY)


def _pidfd_of(pid: int, started: int) -> int | None:
    """Return the pidfd of a process of that id and age; None where there is none any more."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if started_at(pid) == started:
        return pidfd
    os.close(pidfd)
    return None
