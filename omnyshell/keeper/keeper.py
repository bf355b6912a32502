"""What the keeper does for those who ask."""

import errno
import os
import resource
import socket
from collections.abc import Callable, Mapping

from . import wire
from .becoming import Users
from .cgroups import Groups
from .children import Program, compose, end_now, start
from .connection import Connection
from .ending import Ending
from .held import LONGEST_ENDED, MOST_ENDED, Held, Sessions
from .peers import Peer, peer_of
from .poller import ONCE, READ, Poller, say
from .processes import has_ended
from .ready import Ready
from .starting import Starting
from .streams import STDIN, Streams, close_all, open_streams
from .users import RefusedError
from .wire import MalformedError, Request, like_a_start, pack, parse_request

MOST_CONNECTIONS = 16
OF_ROOT = 4
"""Connections that root may have beyond those, so that no node keeps it from asking or stopping a keeper."""

SPARE = 64
"""Descriptors that no session gets: connections, signals and the end of a keeper need some."""

MOST_NODES = 64
"""The most nodes for which sessions are held."""

_PAUSE = 1.0
"""Seconds without new connections, where there are no descriptors for them."""

_LOOK, GONE = 3600.0, 60.0
"""Seconds between two looks for sessions that ended long ago, and until one at what a node has left that went."""

_LOOK_AGAIN = 0.05
"""Seconds between two looks at how a process ended that another one has to wait for."""

_LATER = 0.02
"""Seconds after which what follows from an end is done, unless a start is announced before."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_KIND, _WHOSE = 1, 5
"""The fields of a start that say what the program has, and for whom it is."""

_SOMEBODY = b"\n\n\n"

_OF_ALL = (wire.HELLO, wire.UPGRADE, wire.STOP, wire.STATUS)
"""Requests that speak for no node."""

_OF_SESSIONS = (wire.TAKE, wire.CLOSE_STDIN, wire.STOP_READING, wire.SIGNAL, wire.WHERE, wire.FORGET)
"""Requests about a session that is held."""

_Answer = tuple[bytes, ...]


class DeniedError(Exception):
    """The answer to a request is no, with a code and a sentence."""

    def __init__(self, code: bytes, text: str, *facts: bytes) -> None:
        self.answer = (code, os.fsencode(text), *facts)


class Keeper:
    """Serves whoever connects to its socket and may: a node's user, its own, and root."""

    def __init__(
        self,
        poller: Poller,
        listener: socket.socket,
        lock: int,
        served: set[int],
        boot: bytes,
        users: Users,
        groups: Groups,
        longest_left: float = LONGEST_ENDED,
    ) -> None:
        """`served` are the users who may ask; `users` says whose programs are started for them.

        For `longest_left` seconds it holds sessions that have ended for nodes that are gone.
        """
        self.poller = poller
        self.groups = groups
        self.own_descriptors = (listener.fileno(), lock)
        self.boot = boot
        """Names this keeper, through all its upgrades."""

        self.sessions = Sessions()
        self.holders: dict[bytes, Peer] = {}
        """The process that has a node's descriptors, or had them."""

        self.connections: list[Connection] = []
        self._ended: list[Held] = []
        """Whose end was told, and nothing else was done."""

        self.starting = Starting(poller, self._begun, self.sessions.forget)
        self.ready = Ready(poller, groups, users)
        self._will_look = self._will_settle = False
        self.ending: Ending | None = None
        self.is_left = False
        """Whether it ends, and the next keeper has its sessions."""

        self.holders_changed: Callable[[], None] = lambda: None
        """Called whenever another process has a node's descriptors."""

        self.upgrade: Callable[[Callable[[str], None]], bool] = lambda _refused: False
        self._answers: dict[bytes, Callable[..., _Answer | None]] = {
            verb: getattr(self, "_" + verb.decode().replace("-", "_")) for verb in wire.REQUESTS
        }
        self._served = served
        self._longest_left = longest_left
        self._most_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._users = users
        self._listener = listener
        listener.setblocking(False)
        self._listen()
        self._forget_old()

    @property
    def is_idle(self) -> bool:
        """Whether it holds nothing, and nobody is connected."""
        return not self.connections and not len(self.sessions)

    @property
    def has_ended(self) -> bool:
        """Whether it was stopped and all of its sessions have ended, or it leaves them."""
        if self.ending is None or not self.ending.is_over:
            return self.is_left
        return self.is_left or self.ending.was_long_enough or all(each.is_idle for each in self.connections)

    def stop(self, answer: Callable[[int], None]) -> None:
        """End all sessions, and then the keeper; `answer` is told how many there were."""
        if self.ending is None:
            self.ending = Ending(self.poller, self.sessions, self.groups)
        self.ending.answers.append(answer)

    def look(self, held: Held) -> None:
        """See whether a session has ended, and tell its node."""
        if held.look():
            self._tell_end(held)
            self._ended.append(held)
            if not self._will_settle:
                self._will_settle = True
                # Who waits for what is told needs a processor, and nobody waits for the rest but the next child.
                self.poller.call_later(0 if held.user else _LATER, self._settle_at_last)
        elif has_ended(held.pidfd):
            self.poller.call_later(_LOOK_AGAIN, lambda: self.look(held))
        else:
            self.poller.change(held.pidfd, ONCE)

    def watch(self, held: Held, events: int = ONCE) -> None:
        """Hear of the end of a session's leader. Raises `OSError`."""
        self.poller.watch(held.pidfd, events, lambda _events: self.look(held))

    def _settle_at_last(self) -> None:
        self._will_settle = False
        self.settle_ended()

    def settle_ended(self) -> None:
        """Do what follows from the end of sessions whose nodes were told. Idempotent."""
        ended, self._ended = self._ended, []
        for held in ended:
            if held.group is not None:
                # So that the next start need not look whether anything is left there.
                held.group.ended()
            held.reap_if_done()
            self.sessions.changed(held)
            self.poller.unwatch(held.pidfd)
            os.close(held.pidfd)

    def _tell_end(self, held: Held) -> None:
        if self.sessions.find(held.node, held.name) is held:
            for connection in [each for each in self.connections if each.node == held.node]:
                connection.send(pack(wire.EXIT, held.name, held.state))

    # Connections

    def _listen(self) -> None:
        self.poller.watch(self._listener.fileno(), READ, self._connected)

    def _connected(self, _events: int) -> None:
        try:
            channel, _ = self._listener.accept()
        except OSError as exc:
            if exc.errno in _NO_ROOM:
                self.poller.unwatch(self._listener.fileno())
                self.poller.call_later(_PAUSE, self._listen)
            return
        try:
            peer = peer_of(channel)
        except OSError:
            channel.close()
            return
        most = MOST_CONNECTIONS + (OF_ROOT if peer.uid == 0 else 0)
        if peer.uid in self._served and len(self.connections) < most:
            most_open = self._most_open - SPARE
            self.connections.append(Connection(self.poller, channel, peer, self._heard, self._lost, most_open))
        else:
            channel.close()
            peer.close()

    def _lost(self, connection: Connection) -> None:
        self.connections.remove(connection)
        self._drop_holders()
        if connection.node and not self._will_look:
            self._will_look = True
            self.poller.call_later(GONE, self._look_at_left)

    def _drop_holders(self) -> None:
        """Forget processes of nodes that are not connected, and for which nothing is held."""
        needed = {held.node for held in self.sessions} | {each.node for each in self.connections}
        gone = self.holders.keys() - needed
        for node in gone:
            self.holders.pop(node).close()
        if gone:
            self.holders_changed()

    def _heard(self, connection: Connection, frame: bytes) -> None:
        request = parse_request(frame)
        is_first, is_of_node = connection.node is None, request.verb not in _OF_ALL
        if is_first is not (request.verb == wire.HELLO) or (is_of_node and not connection.node):
            raise MalformedError
        try:
            found = self._answer(connection, request)
            verdict = wire.OK
        except DeniedError as exc:
            verdict, found = wire.NO, exc.answer
        except RefusedError as exc:
            verdict, found = wire.NO, (wire.REFUSED, os.fsencode(str(exc)))
        except OSError as exc:
            verdict, found = wire.NO, (wire.CANNOT, os.fsencode(exc.strerror or str(exc)))
        if found is not None and request.number != wire.UNANSWERED:
            connection.send(pack(verdict, request.number, *found))

    def _answer(self, connection: Connection, request: Request) -> _Answer | None:
        """Return what `ok` says, or None where that is said later."""
        answer = self._answers.get(request.verb)
        if answer is None:
            raise DeniedError(wire.UNKNOWN_VERB, "This keeper is older than what was asked")
        if request.verb not in _OF_SESSIONS:
            return answer(connection, request)
        held = self.sessions.find(connection.node or b"", request.fields[0])
        if held is None:
            raise DeniedError(wire.NO_SUCH, "The keeper has no such session")
        return answer(connection, request, held)

    def _hello(self, connection: Connection, request: Request) -> _Answer:
        node = request.fields[1]
        if node:
            self._hold(connection, node)
        connection.node, connection.version = node, int(request.fields[0])
        judges = wire.JUDGES if self._users.judges(connection.peer.uid) else b""
        return b"%d" % wire.VERSION, b"%d" % os.getpid(), self.boot, judges, *self.groups.facts()

    def _hold(self, connection: Connection, node: bytes) -> None:
        """Make the peer the one that holds the node's sessions, unless another process does and lives."""
        self._drop_holders()
        holder = self.holders.get(node)
        if holder is not None and holder.pid != connection.peer.pid and holder.is_alive:
            raise DeniedError(wire.HELD, f"Process {holder.pid} holds the sessions of this node", b"%d" % holder.pid)
        if holder is None and len(self.holders) >= MOST_NODES:
            raise DeniedError(wire.FULL, f"This keeper serves {MOST_NODES} nodes already")
        self.holders[node] = connection.peer.copy()
        if holder is not None:
            holder.close()
        self.holders_changed()
        for other in [other for other in self.connections if other.node == node]:
            other.close()

    # Sessions

    def _start(self, connection: Connection, request: Request) -> None:
        if self.starting.is_held(connection):
            return
        kind, group = request.fields[_KIND], None
        held_by_us, of_program = self._streams(connection, request)
        try:
            program = self._program(connection, request)
            group = self.groups.next()
            pid, report = start(program, of_program, self.ready.give)
            node, name = connection.node or b"", request.fields[0]
            held = Held(node, name, kind if kind in wire.KINDS else wire.PIPES, pid, held_by_us)
            held.group, held.is_begun = group, report is None
            self._await(held, connection, request, report)
        except BaseException:
            compose()
            close_all({*held_by_us.values(), *of_program})
            if group is not None:
                group.forget()
            raise
        # Who is told of it can rely on its outliving this process.
        self.sessions.add(held)
        if report is None:
            # Before all that can wait, as somebody waits for it.
            self._tell_start(connection, request, held)
        compose()
        close_all(set(of_program))

    def _await(self, held: Held, connection: Connection, request: Request, report: int | None) -> None:
        """Hear of a program's end, and how it goes until it runs. Raises `OSError`, and has ended it then."""
        try:
            held.pidfd = os.pidfd_open(held.pid)
            self.watch(held, ONCE if report is None else 0)
            if report is not None:
                self.starting.add(report, connection, request, held)
        except OSError:
            end_now(held.pid)
            if held.pidfd >= 0:
                self.poller.unwatch(held.pidfd)
                os.close(held.pidfd)
            if report is not None:
                os.close(report)
            raise

    def _streams(self, connection: Connection, request: Request) -> Streams:
        """Return what a program has, which is the caller's. Raises `DeniedError` and `OSError`."""
        _, kind, columns, rows, *_ = request.fields
        if kind in wire.KINDS:
            return self._new_streams(kind, int(columns), int(rows))
        opened = connection.opened.pop(kind, None)
        if opened is None:
            raise DeniedError(wire.ORDER, "The pipes for this were not opened, or were used already")
        return opened

    def _new_streams(self, kind: bytes, columns: int, rows: int) -> Streams:
        held_by_us, of_program = open_streams(kind, columns, rows)
        if max(held_by_us.values()) >= self._most_open - SPARE:
            close_all({*held_by_us.values(), *of_program})
            why = f"The keeper has no descriptors left for another session, as it may open {self._most_open} files"
            raise DeniedError(wire.FULL, f"{why} (LimitNOFILE= of its service, ulimit -n)")
        return held_by_us, of_program

    def _program(self, connection: Connection, request: Request) -> Program:
        """Return what is to be started. Raises `DeniedError` where that may not be."""
        if request.fields[_WHOSE]:
            self._users.look()
        elif self._users.judges(connection.peer.uid):
            raise DeniedError(wire.REFUSED, "This keeper has to be told for whom a program is: start the node anew")
        self._check_room(connection.node or b"", request.fields[0])
        return Program(request, self._users)

    def _soon(self, connection: Connection, request: Request) -> _Answer:
        """A start is being prepared, and nobody waits yet: what it takes is in the processor's caches by then."""
        if request.fields[0]:
            self.ready.expect(request.fields[0])
        self.settle_ended()
        whose = _SOMEBODY if self._users.judges(connection.peer.uid) else b""
        self._program(connection, parse_request(like_a_start(whose)))
        self.groups.check()
        return ()

    def _begun(self, connection: Connection, request: Request, held: Held) -> None:
        """A program that had to become another user's runs."""
        held.is_begun = True
        self.sessions.changed(held)
        self._tell_start(connection, request, held)
        held.group = self.groups.moved(held.group, held.pid)
        self.ready.became(request.fields[_WHOSE])

    def _check_room(self, node: bytes, name: bytes) -> None:
        if self.ending is not None:
            raise DeniedError(wire.STOPPING, "The keeper is being stopped")
        if self.sessions.find(node, name) is not None:
            raise DeniedError(wire.EXISTS, "The keeper has a session of that id")
        if len(self.sessions) >= MOST_ENDED:
            self.sessions.forget_old(self._is_there, self._longest_left)
        if len(self.sessions) >= wire.MOST_SESSIONS and len(self.sessions.of(node)) >= wire.MOST_SESSIONS:
            raise DeniedError(wire.FULL, f"The keeper holds {wire.MOST_SESSIONS} sessions of this node")

    def _open(self, connection: Connection, request: Request) -> None:
        keys = [b"%b.%d" % (request.number, which) for which in range(int(request.fields[0]))]
        if request.number == wire.UNANSWERED or not connection.opened.keys().isdisjoint(keys):
            raise MalformedError
        if len(connection.opened) + len(keys) > wire.MOST_OPENED:
            raise DeniedError(wire.FULL, f"There are pipes for {wire.MOST_OPENED} programs that were not started")
        names, descriptors = list[bytes](), list[int]()
        try:
            for key in keys:
                held_by_us, _ = connection.opened[key] = self._new_streams(wire.PIPES, 1, 1)
                names += held_by_us
                descriptors += held_by_us.values()
        except BaseException:
            connection.close_opened(*keys)
            raise
        connection.send(pack(wire.OK, request.number, *names), descriptors)

    def _take(self, connection: Connection, request: Request, held: Held) -> None:
        self._tell(connection, request, held, held.descriptors)

    def _tell_start(self, connection: Connection, request: Request, held: Held) -> None:
        """Answer a start; the node has the descriptors already that were opened before."""
        self._tell(connection, request, held, held.descriptors if request.fields[_KIND] in wire.KINDS else {})

    def _tell(self, connection: Connection, request: Request, held: Held, descriptors: Mapping[bytes, int]) -> None:
        whose = (held.user, held.uid) if connection.version >= wire.WITH_USERS else ()
        facts = (b"%d" % held.pid, held.state, held.kind, *whose, *descriptors)
        connection.send(pack(wire.OK, request.number, *facts), descriptors.values())
        if held.group is not None:
            held.group.note(connection.peer.pid, held.node, held.name)

    def _list(self, connection: Connection, _request: Request) -> _Answer:
        found = self.sessions.of(connection.node or b"")
        return tuple(fact for held in found for fact in (held.name, b"%d" % held.pid, held.state, held.kind))

    def _groups(self, connection: Connection, _request: Request) -> _Answer:
        self.groups.note_tenant()
        found = ((held.name, held.group) for held in self.sessions.of(connection.node or b""))
        told = ((name, os.fsencode(group.path)) for name, group in found if group is not None and not group.is_over)
        return tuple(fact for each in told for fact in each)

    def _admit(self, _connection: Connection, request: Request) -> _Answer:
        whose, uid = request.fields
        try:
            self._users.check_admitted(whose, int(uid))
        except RefusedError as exc:
            raise DeniedError(wire.REFUSED, str(exc)) from exc
        return ()

    def _close_stdin(self, _connection: Connection, _request: Request, held: Held) -> _Answer:
        held.close(STDIN)
        self.sessions.changed(held)
        return ()

    def _stop_reading(self, _connection: Connection, _request: Request, held: Held) -> _Answer:
        self.settle_ended()
        held.stop_reading()
        self.sessions.changed(held)
        return ()

    def _signal(self, _connection: Connection, request: Request, held: Held) -> _Answer:
        held.signal(request.fields[1], int(request.fields[2]))
        return ()

    def _where(self, _connection: Connection, _request: Request, held: Held) -> _Answer:
        pid, name, directory = held.where()
        return b"%d" % pid, name, directory

    def _forget(self, _connection: Connection, _request: Request, held: Held) -> _Answer:
        if not held.has_ended:
            raise DeniedError(wire.ORDER, "The session has not ended")
        self.settle_ended()
        self.sessions.forget(held)
        return ()

    def _forget_old(self) -> None:
        self.sessions.forget_old(self._is_there, self._longest_left)
        self.poller.call_later(min(_LOOK, self._longest_left), self._forget_old)

    def _look_at_left(self) -> None:
        self._will_look = False
        self.sessions.forget_old(self._is_there, self._longest_left)

    def _is_there(self, node: bytes) -> bool:
        holder = self.holders.get(node)
        return holder is not None and holder.is_alive

    # The keeper itself

    def _upgrade(self, connection: Connection, request: Request) -> _Answer | None:
        def refused(why: str) -> None:
            connection.send(pack(wire.NO, request.number, wire.CANNOT, os.fsencode(why)))

        return None if self.upgrade(refused) else ()

    def _stop(self, connection: Connection, request: Request) -> None:
        say(f"process {connection.peer.pid} of user {connection.peer.uid} stops it")
        self.stop(lambda count: connection.send(pack(wire.OK, request.number, b"%d" % count)))

    def _status(self, _connection: Connection, _request: Request) -> _Answer:
        nodes = sorted({held.node for held in self.sessions} | set(self.holders))
        return tuple(fact for node in nodes for fact in self._status_of(node))

    def _status_of(self, node: bytes) -> _Answer:
        holder = self.holders.get(node)
        pid = holder.pid if holder is not None and holder.is_alive else 0
        held = self.sessions.of(node)
        running = sum(not each.has_ended for each in held)
        return node, b"%d" % pid, b"%d" % running, b"%d" % (len(held) - running)
