"""The keeper's command line, which `omnyshell keeper start` and a node without one write.

`serve` takes a directory, in which the socket will be, the number of the user who gets it, seconds after which the
keeper ends that holds nothing, and to which nobody is connected; 0 for never; and the node's file, which says who
becomes whom, or an empty word. `detach` is the same, and the command
ends as soon as the keeper serves, which goes on by itself. `--restore` and `--trial`, with a descriptor, upgrade it.
"""

import binascii
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import pairwise

from .becoming import Users
from .cgroups import Groups
from .children import HANDLED, allow_descriptors
from .held import LONGEST_ENDED, LONGEST_LEFT
from .keeper import Keeper
from .net import Net
from .poller import READ, Poller, say
from .store import received, store_of
from .streams import close_all
from .trust import UntrustedError, check, check_own_code
from .upgrade import Upgrade, inherited, inherited_socket, mark_of, read_state, restore, trial
from .users import RefusedError

SOCKET, LOCK, RETURNS = "socket", "lock", "returns"
"""Files of its directory; the last one is there while a service manager starts the keeper again, with its sessions."""

FAILED, RUNS_ALREADY, REFUSED = 1, 3, 4
"""Exit codes; where it refused, the next would as well, until somebody mends what it says."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_MOST_OPEN = 1 << 16
_BACKLOG = 16


def main(words: Sequence[str]) -> int:
    """Serve until it is stopped; return an exit code."""
    try:
        check_own_code()
        how, directory, user, idle, config, *state = words
        if how == "--trial":
            trial(int(*state))
            return 0
        _serve(how, directory, int(user), float(idle), config, state)
    except UntrustedError as exc:
        say(f"it does not run where others could have written: {exc}")
        return REFUSED
    except RefusedError as exc:
        say(str(exc))
        return REFUSED
    except BlockingIOError:
        say("another keeper serves this directory")
        return RUNS_ALREADY
    except (OSError, ValueError) as exc:
        say(str(exc))
    else:
        return 0
    return FAILED


def _serve(how: str, directory: str, user: int, idle: float, config: str, state: Sequence[str]) -> None:
    users, kept = Users(config, user), list[tuple[bytes, int]]()
    if how == "--restore":
        records = read_state(int(*state))
        os.close(int(*state))
        boot, lock = records[0][1], inherited(records[0][3])
    else:
        kept = received(os.environ)
        _check_file(users, goes_on=bool(kept))
        _leave_starter({fd for _, fd in kept})
        records, boot = [], os.urandom(8).hex().encode()
        lock = _lock(directory)
    poller = Poller()
    groups = _groups(poller, config, lock, goes_on=bool(kept or records))
    listener = inherited_socket(records[0][2]) if records else _listen(directory, user)
    if how == "detach":
        _detach()
    allow_descriptors()
    longest_left = LONGEST_LEFT if idle else LONGEST_ENDED
    keeper = Keeper(poller, listener, lock, {0, os.geteuid(), user}, boot, users, groups, longest_left)
    passed_on = restore(keeper, records)
    net = None if how == "detach" else _net(keeper, user, kept, passed_on)
    groups.take_over(keeper.sessions)

    def command(option: str, fd: int) -> list[str]:
        return [sys.executable, "-I", "-S", _HERE, option, directory, str(user), str(idle), config, str(fd)]

    _mark_return(f"{directory}/{RETURNS}", is_kept=net is not None)
    _watch_signals(keeper, net, Upgrade(keeper, net, command, _mark, mark_of(records)))
    _run(keeper, idle)
    keeper.ready.drop()
    groups.close()
    os.unlink(f"{directory}/{SOCKET}")


def _check_file(users: Users, *, goes_on: bool) -> None:
    """Raise `RefusedError` where the file says nothing to go by; where sessions go on, nothing is started then."""
    try:
        users.check_file()
    except RefusedError as exc:
        if not goes_on:
            raise
        say(str(exc))


def _groups(poller: Poller, config: str, lock: int, *, goes_on: bool) -> Groups:
    """Begin with control groups. Raises `RefusedError` where the limits of a file cannot be held.

    Where sessions go on, they do in any case, and nothing else is started as long as it is so.
    """
    groups = Groups(poller, config)
    groups.open(_name_of(lock))
    try:
        groups.check()
    except RefusedError as exc:
        if not goes_on:
            groups.close()
            raise
        say(str(exc))
    return groups


def _net(keeper: Keeper, user: int, kept: Sequence[tuple[bytes, int]], passed_on: list[list[bytes]]) -> Net | None:
    """Take back what the service manager has kept; return by what it keeps more, None where it does not."""
    store = store_of(keeper.poller, os.environ)
    if store is None:
        close_all(fd for _, fd in kept)
        return None
    net = Net(keeper, store, user)
    net.take_back(kept)
    net.go_on(passed_on)
    store.tell(b"READY=1")
    return net


def _run(keeper: Keeper, idle: float) -> None:
    """Serve until it is stopped, or was of no use for `idle` seconds, unless that is 0."""
    idle_since: float | None = None
    while not keeper.has_ended:
        if not idle or not keeper.is_idle:
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
            # Nothing else may come. Who is of use is woken by nothing.
            keeper.poller.call_later(idle, lambda: None)
        elif time.monotonic() - idle_since >= idle:
            return
        keeper.poller.run_once()


def _leave_starter(kept: Collection[int]) -> None:
    """Leave all that is the starter's: its descriptors but these, directory and ignored signals."""
    for before, after in pairwise((2, *sorted(kept), _MOST_OPEN)):
        os.closerange(before + 1, after)
    os.chdir("/")
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    # Until they are handled.
    signal.pthread_sigmask(signal.SIG_SETMASK, HANDLED)


def _lock(directory: str) -> int:
    """Take the directory's lock. Raises `BlockingIOError` where another keeper has it."""
    check(directory, set())
    if os.stat(directory).st_mode & 0o022:
        raise UntrustedError(f"others can write {directory}")
    lock = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _listen(directory: str, user: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # By this way the path of the directory may be of any length.
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    before = os.umask(0o177)
    try:
        place = f"/proc/self/fd/{fd}/{SOCKET}"
        if os.path.lexists(place):
            os.unlink(place)
        listener.bind(place)
        if user != os.geteuid():
            os.chown(place, user, -1, follow_symlinks=False)
    finally:
        os.umask(before)
        os.close(fd)
    listener.listen(_BACKLOG)
    return listener


def _name_of(lock: int) -> str:
    """Return a name that no other keeper's control groups can have, and the next keeper of the same directory has."""
    facts = os.fstat(lock)
    return f"omnyshell-{facts.st_dev:x}-{facts.st_ino:x}"


def _detach() -> None:
    """Go on as a process of nobody's; the one that was started ends, as all is ready."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _mark_return(path: str, *, is_kept: bool) -> None:
    """Have nodes wait for the next keeper, where a service manager starts it with the sessions of this one."""
    if is_kept:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644))
    elif os.path.lexists(path):
        os.unlink(path)


def _watch_signals(keeper: Keeper, net: Net | None, upgrade: Upgrade) -> None:
    """Have SIGTERM and SIGINT end sessions and keeper, or the keeper alone where the sessions are kept for the next.

    SIGHUP has it replaced by what is installed now.
    """
    woken, waking = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    for number in HANDLED:
        signal.signal(number, lambda *_: None)

    def ready(_events: int) -> None:
        numbers = os.read(woken, 64)
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            _end(keeper, net)
        else:
            upgrade.ask(lambda _why: None)

    keeper.poller.watch(woken, READ, ready)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _end(keeper: Keeper, net: Net | None) -> None:
    if net is None or keeper.ending is not None:
        keeper.stop(lambda count: say(f"it ends, and with it {count} sessions"))
    else:
        say(f"it ends, and leaves {len(keeper.sessions)} sessions to the next keeper")
        net.leave()


def _mark() -> int:
    """Return a number that differs where another version is installed: of these files, and of the interpreter."""
    mark = 0
    # While something is being installed, what was there a moment ago may be gone; then this is another number.
    with suppress(OSError):
        facts = os.stat(sys.executable)
        mark = binascii.crc32(f"{facts.st_ino} {facts.st_mtime_ns}".encode())
        for name in sorted(os.listdir(_HERE)):
            if name.endswith(".py"):
                with open(f"{_HERE}/{name}", "rb") as file:
                    mark = binascii.crc32(file.read(), mark)
    return mark
