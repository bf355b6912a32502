"""Starts a program in a session of its own, with three descriptors and nothing else of the keeper's."""

import fcntl
import os
import resource
import signal
import termios
from collections.abc import Callable, Sequence
from typing import NoReturn

from .attendant import open_session
from .becoming import Login, Users, become, login_environment, login_shell, login_umask
from .pam import Asked
from .users import RefusedError
from .wire import CANNOT, PTY, QUIET_PTY, REFUSED, Request

MOST_REPORT = 4096
"""Bytes that a child says of why its program cannot be started."""

READY = b"\1"
"""What a child says when it has yet to execute its program: one that ends without that has been killed."""

AS = b"as "
"""How a line begins in which a child says which user it has become, and by what number."""

HANDLED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that are the keeper's."""

_NOT_HANDED_ON = (*HANDLED, signal.SIGPIPE, signal.SIGXFSZ)
"""Those, and the two that Python ignores."""

_ALL_SIGNALS = signal.valid_signals()
"""All of them are named, so that the system need not ask of each what is done with it."""

_FAILED = 127
_STREAMS = 3
_SOFT_LIMIT, _HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)
_MOST_OPEN = _HARD_LIMIT if 0 < _HARD_LIMIT < 1 << 20 else 1 << 20


class Program:
    """What is to be run: the path of a program and its arguments, its variables, directory, and for whom.

    Without `user` it is the keeper's own. Otherwise `users` decides whose, and what is not said is as at a login: an
    empty first word is that user's shell, variables that are missing are added, and an empty directory is the home.
    """

    def __init__(self, request: Request, users: Users) -> None:
        _, kind, _, _, self.directory, self.user, _ = request.fields
        self.words, self.environment = list(request.words), request.variables
        self.is_on_terminal = kind in (PTY, QUIET_PTY)
        self.frame = request.frame
        self.users = users


Give = Callable[[Program, Sequence[int]], int]
"""Gives what `run` gets to a child, and returns its id."""


def allow_descriptors() -> None:
    """Let the keeper have as many descriptors as it may."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_HARD_LIMIT, _HARD_LIMIT))


def usual_descriptors() -> None:
    """Let this process have as many as it was started with: what it executes begins with that, too."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_SOFT_LIMIT, _HARD_LIMIT))


def start(program: Program, streams: Sequence[int], give: Give) -> tuple[int, int | None]:
    """Start a program, with these as its stdin, stdout and stderr; `compose` is to follow.

    If it has to become another user's, `give` has a child that waits become it, or returns 0, and one is forked.
    Return its id, and None; or where it has to become another user's, a pipe that ends behind `READY` once
    it runs, and otherwise says why it cannot be started. Raises `OSError`, and leaves nothing then.
    """
    if not program.user:
        return _spawn(program, streams), None
    report, telling = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return give(program, [*streams, telling]) or forked(lambda: run(program, streams, telling)), report
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(telling)


def compose() -> None:
    """Have directory and limit be the keeper's again, which a program was started with, as it is alone in its process.

    That can wait until who has asked for the program is answered.
    """
    allow_descriptors()
    os.chdir("/")


def end_now(pid: int) -> None:
    """End a child that has only just been started."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _spawn(program: Program, streams: Sequence[int]) -> int:
    """Start a program of the keeper's own user, which has no steps of its own and takes a third of a fork's time."""
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
    actions += [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    if program.is_on_terminal:
        # The leader of a session gets the terminal that it opens first as its controlling one.
        actions[0] = (os.POSIX_SPAWN_OPEN, 0, os.ttyname(streams[0]), os.O_RDWR, 0)
    os.chdir(program.directory)
    usual_descriptors()
    return os.posix_spawn(
        program.words[0],
        program.words,
        program.environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_ALL_SIGNALS,
    )


def forked(action: Callable[[], object]) -> int:
    """Return the id of a child that leads a session of its own, does something, and ends."""
    # No handler of the keeper's runs in the child: what it does there would be heard here.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                action()
            finally:
                os._exit(_FAILED)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def run(program: Program, streams: Sequence[int], telling: int) -> NoReturn:
    """Have this child become the program, or say why not."""
    try:
        _prepare(program, streams, telling)
        os.write(telling, READY)
        os.execvpe(program.words[0], program.words, program.environment)  # noqa: S606
    except RefusedError as exc:
        _tell(telling, REFUSED, str(exc))
    except OSError as exc:
        _tell(telling, CANNOT, exc.strerror or str(exc))
    except BaseException as exc:
        _tell(telling, CANNOT, repr(exc))
    finally:
        os._exit(_FAILED)


def _prepare(program: Program, streams: Sequence[int], telling: int) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    close_others(telling)
    # PAM's limits and mask come on top of these.
    usual_descriptors()
    os.umask(login_umask())
    _log_in(program, telling)
    if program.is_on_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(program.directory)
    for number in _NOT_HANDED_ON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_others(telling: int) -> None:
    """Leave the standard streams open, and one descriptor more."""
    os.closerange(_STREAMS, telling)
    os.closerange(telling + 1, _MOST_OPEN)


def _log_in(program: Program, telling: int) -> None:
    """Become a user, and complete the program as a login of theirs would. Raises `RefusedError`."""
    login, groups = program.users.find(program.user)
    account = login.account
    by_pam = dict[bytes, bytes]()
    if login.asks_pam:
        os.setgroups(groups)
        by_pam = _open_session(login, telling, is_on_terminal=program.is_on_terminal)
        # Modules may have added some.
        groups = os.getgroups()
    become(account, groups, _STREAMS, is_on_terminal=program.is_on_terminal)
    os.write(telling, AS + b"%s %d\n" % (os.fsencode(account.name), account.uid))
    program.words[0] = program.words[0] or os.fsencode(login_shell(account))
    # What root's modules set is not for a client to change.
    program.environment = {**login_environment(account), **program.environment, **by_pam}
    home = os.fsencode(account.home)
    if not program.directory:
        program.directory = home if _can_enter(home) else b"/"
    elif program.directory.startswith(b"~"):
        program.directory = os.path.join(home, program.directory[2:])


def _open_session(login: Login, telling: int, *, is_on_terminal: bool) -> dict[bytes, bytes]:
    """Have PAM open the session, and return the variables that it gives. Raises `RefusedError`."""
    asked = Asked(login.account.name, login.principal, os.ttyname(0) if is_on_terminal else "")
    opened = open_session(asked, telling)
    # Modules leave what is theirs open; whoever closes the session has it too.
    close_others(telling)
    if is_on_terminal and opened.said:
        os.write(1, "".join(f"{said}\n" for said in opened.said).encode(errors="replace"))
    return opened.variables


def _can_enter(home: bytes) -> bool:
    """Tell whether a home can be entered; if not, its user is told where they are."""
    try:
        os.chdir(home)
    except OSError as exc:
        os.write(2, b"omnyshell: %s: %s; starting in /\r\n" % (home, os.fsencode(exc.strerror or "")))
        return False
    return True


def _tell(telling: int, code: bytes, text: str) -> None:
    os.write(telling, (code + b"\0" + os.fsencode(text).replace(b"\0", b" "))[:MOST_REPORT])
