"""Runs the system's sshd for one connection, on stdin and stdout, as the user that it is started as.

It is started by its path, for a user who may read no more of the package than this, and imports nothing of it; of the
standard library little, as a client waits meanwhile. What sshd reads lies in memory that has no name anywhere, so that
nothing is left behind, and no disk need be writable.

sshd speaks on a socket of the loopback, as only then it knows addresses, for `SSH_CONNECTION`. What it starts, it
starts in sessions of their own; this process is whom they fall to, and ends them:

- all of them when it is hung up or terminated, as the node does to end a session;
- all of them where the client is lost while a command runs;
- where the client leaves a command, and says so to sshd, what that still waits for. What was put into the background on
  purpose goes on then, as after any login by ssh.
"""

import _thread
import fcntl
import os
import pwd
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

ASKED = "OMNYSHELL_SSH"
"""The variable that says what is wanted, as the text of `Asked`; an empty one asks whose the session is."""

NO_SSHD = "there is no sshd on this machine: it comes with the package openssh-server"
FAILED = 255

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/bin", "/usr/bin")
_SSHDS_OWN = {"HOME", "USER", "LOGNAME", "SHELL", "MAIL", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "LANG", "LANGUAGE"}
"""Variables that sshd sets, or that the client may say."""

_BLOCK = 1 << 18
_BULK = 1 << 14
"""Bytes at once that nobody typed: more of them are waited for, as each piece costs node, hub and client alike."""

_SHORT = 1 << 10
"""Bytes at once that may be a farewell."""

_GATHERED = 240 << 10
"""Bytes that a node reads in one turn."""

_MORE = 2000
"""Microseconds in which they come, or go on without."""

_PIPE_SIZE = 1 << 19
"""Bytes that the pipe to the node holds: what it reads, and what is gathered meanwhile."""

_GRACE = 1.0
"""Seconds between the hang-up and the kill of what sshd started: the node kills this process after 1.5 s."""

_PATIENCE = 0.4
_SAID_LAST = 3
_BECOME_PARENT = 36

_MEANT = (
    (
        "chown(/dev/pts",
        "failed",
        "sshd gives no terminal here, as /dev/pts is not mounted with gid=5: commands go, and `omnyshell connect`",
    ),
    ("not allowed because account is locked", "", "sshd lets nobody in whose account is locked"),
    ("issing privilege separation directory: ", "", "sshd needs the directory {}, which is missing"),
    ("Privilege separation user ", " does not exist", "sshd needs the user {}, who is missing"),
    ("not allowed because ", "", "sshd lets this user not in: not allowed because {}"),
)
"""What sshd says before a word and after it, and what is said in its place, with that word."""


class Asked:
    """What is wanted: the host key and the client's key in ssh's forms, variables, and a file to include."""

    def __init__(self, host_key: str, key: str, *, accept: Iterable[str], agent: bool, include: str) -> None:
        self.host_key = host_key
        self.key = key
        self.accept = tuple(accept)
        self.agent = agent
        self.include = include

    def text(self) -> str:
        """Return it as lines, of which the host key's come last: to read JSON takes longer to load than all else."""
        return "\n".join((self.key, " ".join(self.accept), str(int(self.agent)), self.include, self.host_key))

    @classmethod
    def from_text(cls, text: str) -> "Asked":
        """Read what `text` has made."""
        key, accept, agent, include, host_key = text.split("\n", 4)
        return cls(host_key, key, accept=accept.split(), agent=agent == "1", include=include)


class _EndedError(Exception):
    """The node ends this session."""


def main() -> int:
    """Answer the question, or serve the connection; return sshd's exit code."""
    text = os.environ.pop(ASKED)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return _fail(f"the user with the number {os.geteuid()} has no name, so sshd would not know who it is")
    sshd = next((path for path in _candidates() if os.access(path, os.X_OK)), "")
    if not sshd:
        return _fail(NO_SSHD)
    if not hasattr(os, "memfd_create"):
        return _fail("a node serves ssh on Linux alone")
    if not text:
        print(user)
        return 0
    asked = Asked.from_text(text)
    if asked.include and not os.access(asked.include, os.R_OK):
        # sshd would look past a file that is not there, and let in whom that denies.
        return _fail(f"{user} cannot read {asked.include}, which [ssh] of the node's file includes")
    return _Connection(sshd, user, asked).serve()


def _fail(text: str) -> int:
    os.write(2, f"omnyshell: {text}\n".encode(errors="replace"))
    return FAILED


def _candidates() -> Iterator[str]:
    for directory in (*_PLACES, *os.environ.get("PATH", "").split(":")):
        # sshd has to be called by an absolute path.
        if directory.startswith("/"):
            yield f"{directory}/sshd"


def _in_memory(text: str) -> str:
    """Return a path, for other processes of this user while this one lives, that leads to a text."""
    descriptor = os.memfd_create("omnyshell-ssh")
    os.fchmod(descriptor, 0o600)
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def configuration(user: str, asked: Asked, environment: dict[str, str], *, host_key: str, keys: str) -> str:
    """Return sshd's configuration for one connection; of a word that is said twice sshd takes the first."""
    lines = [
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {keys}",
        "AuthorizedKeysCommand none",
        "AuthenticationMethods publickey",
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "HostbasedAuthentication no",
        "PermitRootLogin prohibit-password",
        f"AllowUsers {user}",
        "PermitUserEnvironment no",
        "StrictModes no",
        "PidFile none",
        "LogLevel INFO",
        "UseDNS no",
        "PrintLastLog no",
        "PrintMotd no",
        f"AllowAgentForwarding {'yes' if asked.agent else 'no'}",
        "AllowTcpForwarding yes",
        "AllowStreamLocalForwarding yes",
        "X11Forwarding yes",
        "UsePAM no",
    ]
    if not _has_instructions_for_aes():
        # Clients that have them ask for it first.
        lines.append("Ciphers -aes*-gcm@openssh.com")
    lines += [f"AcceptEnv {name}" for name in asked.accept]
    lines += [f"SetEnv {' '.join(said)}"] if (said := list(_said_to_sshd(environment))) else []
    if not asked.include or not _has_sftp(asked.include):
        lines.append("Subsystem sftp internal-sftp")
    if asked.include:
        lines.append(f'Include "{asked.include}"')
    return "\n".join(lines) + "\n"


def _has_instructions_for_aes() -> bool:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        return "aes" in file.read().split()
    return True


def _has_sftp(path: str) -> bool:
    """Tell whether a file of sshd's says what sftp is, which it may say but once."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return any(line.lower().split()[:2] == ["subsystem", "sftp"] for line in file)
    return False


def _said_to_sshd(environment: dict[str, str]) -> Iterator[str]:
    """Yield the variables of a session here that sshd would not give: a path, and what PAM has set."""
    for name, value in environment.items():
        is_theirs = name in _SSHDS_OWN or name.startswith(("LC_", "SSH_", "OMNYSHELL_"))
        if not is_theirs and name.isascii() and name.isidentifier() and value.isprintable():
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'"{name}={quoted}"'


class _Connection:
    """sshd, and what goes to it and comes from it."""

    def __init__(self, sshd: str, user: str, asked: Asked) -> None:
        self._sshd = sshd
        self._user = user
        self._asked = asked
        self._pid = 0
        self._children = _Children()
        self._background = b""
        """What had fallen to us when the client said something last, as what is put into the background does."""

        self._was_busy = False
        """Whether a command ran when the client had gone."""

        self._is_farewell_said = False
        self._said: list[str] = []
        self._is_let_in = False

    def serve(self) -> int:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _end)
        try:
            code = self._run()
        except _EndedError:
            _end_all(lambda: _below(os.getpid()))
            return FAILED
        return code

    def _run(self) -> int:
        if os.geteuid() == 0:
            # As the unit of the system's own does, which need not run here.
            with suppress(OSError):
                os.makedirs("/run/sshd", 0o755, exist_ok=True)
        environment = dict(os.environ)
        host_key, keys = _in_memory(self._asked.host_key), _in_memory(self._asked.key + "\n")
        path = _in_memory(configuration(self._user, self._asked, environment, host_key=host_key, keys=keys))
        ours, theirs = _loopback()
        log, logged = os.pipe()
        streams = ((os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_DUP2, theirs.fileno(), 1))
        self._pid = os.posix_spawn(
            self._sshd,
            [self._sshd, "-i", "-e", "-f", path],
            environment,
            file_actions=(*streams, (os.POSIX_SPAWN_DUP2, logged, 2)),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
        theirs.close()
        os.close(logged)
        heard, sent = _thread.allocate_lock(), _thread.allocate_lock()
        for lock in (heard, sent):
            lock.acquire()
        _thread.start_new_thread(self._hear, (log, heard))
        _thread.start_new_thread(self._feed, (ours,))
        _thread.start_new_thread(_drain, (ours, sent))
        _adopt_orphans()
        code = self._wait()
        # Its socket has ended, so that what it wrote last ends as well; unless the node does not read.
        sent.acquire()
        heard.acquire(timeout=_PATIENCE)
        if self._was_busy and not self._is_farewell_said:
            _end_all(lambda: _below(os.getpid()))
        else:
            cut_off = _numbers(self._children.read()) - _numbers(self._background)
            _end_these(list(_handles({*cut_off, *chain.from_iterable(map(_below, cut_off))})))
        if not self._is_let_in:
            for line in self._said[-_SAID_LAST:]:
                _fail(line)
        return code

    def _wait(self) -> int:
        """Wait for sshd; what it leaves falls to us meanwhile."""
        while True:
            pid, status = os.wait()
            if pid == self._pid:
                return max(0, os.waitstatus_to_exitcode(status))

    def _feed(self, ours: socket.socket) -> None:
        with suppress(OSError):
            while data := os.read(0, _BLOCK):
                if len(data) <= _SHORT:
                    self._background = self._children.read()
                ours.sendall(data)
        self._was_busy = any(map(_is_command, _below(self._pid)))
        with suppress(OSError):
            ours.shutdown(socket.SHUT_WR)

    def _hear(self, log: int, heard: "_thread.LockType") -> None:
        """Pass on what sshd says that its client has to know, in words of ours where there are some."""
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._is_let_in = self._is_let_in or line.startswith("Accepted ")
                self._is_farewell_said = self._is_farewell_said or line.startswith("Received disconnect ")
                meant = meaning(line.strip())
                if meant:
                    _fail(meant)
                    self._is_let_in = True
                else:
                    self._said.append(f"sshd: {line.strip()}")
                    del self._said[:-_SAID_LAST]
        heard.release()


def meaning(line: str) -> str:
    """Return what a line of sshd's means in our words; empty for one that need not be passed on."""
    for before, after, ours in _MEANT:
        _, is_said, rest = line.partition(before)
        word, ends, _ = rest.partition(after) if after else (rest, True, "")
        if is_said and ends:
            return ours.format(word)
    return ""


def _drain(ours: socket.socket, sent: "_thread.LockType") -> None:
    with suppress(OSError):
        fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    with suppress(OSError):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, _MORE))
        ready = select.poll()
        ready.register(ours, select.POLLIN)
        buffer = memoryview(bytearray(_GATHERED))
        while size := _gather(ours, ready, buffer):
            left = buffer[:size]
            while left:
                left = left[os.write(1, left) :]
    with suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    sent.release()


def _gather(ours: socket.socket, ready: select.poll, buffer: memoryview) -> int:
    """Receive what there is; of much of it, as much as fits, if it comes soon."""
    ready.poll()
    size = ours.recv_into(buffer, 0, socket.MSG_DONTWAIT)
    if _BULK <= size < len(buffer):
        with suppress(BlockingIOError):
            size += ours.recv_into(buffer[size:], 0, socket.MSG_WAITALL)
    return size


def _end(_number: int, _frame: object) -> None:
    raise _EndedError


def _loopback() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected with one another: by TCP, or where there is no loopback without."""
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
            server.settimeout(_PATIENCE)
            ours = socket.create_connection(server.getsockname()[:2], timeout=_PATIENCE)
            theirs, address = server.accept()
        if address != ours.getsockname():
            raise OSError("somebody else was faster")
    except OSError:
        return socket.socketpair()
    for each in (ours, theirs):
        each.settimeout(None)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


def _adopt_orphans() -> None:
    """Have what loses its parent below us fall to us, and not to the machine's first process."""
    import ctypes

    ctypes.CDLL(None).prctl(_BECOME_PARENT, 1, 0, 0, 0)


def _below(ancestor: int) -> set[int]:
    """Return the processes that descend from one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = set[int](), [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        found.update(below)
    return found


class _Children:
    """The processes whose parent we are, by birth or since they lost theirs. They are looked at for each request."""

    def __init__(self) -> None:
        self._descriptor = -1
        with suppress(OSError):
            self._descriptor = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)

    def read(self) -> bytes:
        """Return their numbers, as the system writes them."""
        with suppress(OSError):
            return os.pread(self._descriptor, _BLOCK, 0)
        return b""


def _numbers(said: bytes) -> set[int]:
    return set(map(int, said.split()))


def _is_command(pid: int) -> bool:
    """Tell whether a process is none of sshd's own."""
    with suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return not file.read().startswith("sshd")
    return False


def _handles(pids: set[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(OSError):
            yield os.pidfd_open(pid)


def _end_these(handles: list[int]) -> None:
    """Hang processes up, and kill those that stay."""
    for number in (signal.SIGHUP, signal.SIGCONT):
        for handle in handles:
            with suppress(OSError):
                signal.pidfd_send_signal(handle, number)
    until, left = time.monotonic() + _GRACE, set(handles)
    poller = select.poll()
    for handle in handles:
        poller.register(handle, select.POLLIN)
    while left and (rest := until - time.monotonic()) > 0:
        for handle, _ in poller.poll(1000 * rest):
            poller.unregister(handle)
            left.discard(handle)
    for handle in left:
        with suppress(OSError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


def _end_all(those: Callable[[], set[int]]) -> None:
    """End all processes below us, also those that are made meanwhile."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _end_these(list(_handles(those())))
    until = time.monotonic() + _PATIENCE
    while (left := those()) and time.monotonic() < until:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


if __name__ == "__main__":
    sys.exit(main())
