"""The environment of a process: the node's own, completed as a login would, plus variables that the request may add."""

import asyncio
import os
import pwd
import stat
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.backend import ShellRequest

POSIX_SHELL = "/bin/sh"

OWN_VARIABLES = "OMNYSHELL_*"
"""Pattern of names that no child gets, whether from the node or from a request."""

REFUSED_VARIABLES = (
    *("LD_*", "BASH_ENV", "ENV", "IFS", "PYTHON*", "PERL5*"),
    *("BASH_FUNC_*", "BASHOPTS", "SHELLOPTS", "PS4"),
)
"""The default patterns of names that a request may not set, as they could take control of the child."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_LANG = "C.UTF-8"
NOT_SHELLS = frozenset({"nologin", "false", "true", "sync", "halt", "shutdown"})
KNOWN_SHELLS = ("bash", "zsh", "fish", "ksh", "dash", "sh", "pwsh")
PROBE_TIMEOUT = 2.0


class Account(NamedTuple):
    """The account of the node's user."""

    name: str
    home: str
    shell: str


def account() -> Account:
    """Return the node's user. One without an entry in the user database has its number as name, and `/` as home."""
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        return Account(str(os.geteuid()), "/", "")
    return Account(entry.pw_name, entry.pw_dir, entry.pw_shell)


@cache
def _user_of(_uid: int) -> str:
    return account().name


def own_user() -> str:
    """Return the name of the node's user, which is looked up once: that may take a while, or a descriptor."""
    return _user_of(os.geteuid())


def why_not_own(wanted: str, logins: Collection[str]) -> str:
    """Return why nobody has what is the node's user's, who wants to be `wanted`, if anybody, of those in `logins`."""
    own = own_user()
    if wanted in ("", own) and (not logins or own in logins):
        return ""
    whom = f"'{wanted}'" if wanted else "whom the hub allows"
    return f"This node has no [users], so nobody becomes {whom}: all that it starts is {own}'s"


def inherited_variables(own: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the node's environment that processes get, taken when the node starts."""
    return {name: value for name, value in own.items() if not fnmatchcase(name, OWN_VARIABLES)}


def child_environment(request: ShellRequest, inherited: Mapping[str, str], refused: Sequence[str]) -> dict[str, str]:
    """Return the variables a process starts with.

    Variables of the request that match `refused` or `OWN_VARIABLES` are left out. Raises `SessionRejectedException` for
    a variable that no environment can hold.
    """
    env = dict(inherited)
    _make_good(env)
    _add_requested(env, request, refused)
    return env


def login_environment(request: ShellRequest, refused: Sequence[str]) -> dict[str, str]:
    """Return what a process starts with beside the variables of a login, of which the keeper knows: see above."""
    env = {"LANG": DEFAULT_LANG}
    _add_requested(env, request, refused)
    return env


def _add_requested(env: dict[str, str], request: ShellRequest, refused: Sequence[str]) -> None:
    for name, value in request.env.items():
        check_variable(name, value)
        if not any(fnmatchcase(name, pattern) for pattern in (*refused, OWN_VARIABLES)):
            env[name] = value
    env |= request.of_node
    if request.wants_pty:
        env.setdefault("TERM", "xterm-256color")
        if request.pty is not None:
            env["TERM"] = request.pty.term


def check_variable(name: str, value: str) -> None:
    """Raise `SessionRejectedException` for a variable that no environment can hold."""
    if not name or "=" in name or "\0" in name + value:
        raise SessionRejectedException(f"No variable can be named {name!r}", code=ErrorCodes.BAD_REQUEST)


def start_directory(request: ShellRequest, env: Mapping[str, str]) -> str:
    """Return the directory in which a process starts: the requested one, else home, else `/`.

    Raises `SessionRejectedException` if the requested directory cannot be entered.
    """
    if request.cwd:
        wanted = os.path.expanduser(request.cwd) if "\0" not in request.cwd else ""  # noqa: PTH111
        if not can_enter(wanted):
            text = f"There is no directory '{request.cwd}' that can be entered"
            raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)
        return wanted
    home = env.get("HOME", "/")
    return home if can_enter(home) else "/"


def can_enter(directory: str) -> bool:
    """Tell whether a process can start there."""
    return "\0" not in directory and os.path.isdir(directory) and os.access(directory, os.X_OK)  # noqa: PTH112


async def find_shells() -> tuple[str, ...]:
    """Return the names of the shells that work here. Each is started once, as a file alone proves nothing."""
    found = await asyncio.gather(*(_runs(name) for name in KNOWN_SHELLS))
    return tuple(name for name, runs in zip(KNOWN_SHELLS, found, strict=True) if runs)


def is_usable_shell(path: str) -> bool:
    """Tell whether a path is an executable that could be a login shell."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and os.access(path, os.X_OK) and os.path.basename(path) not in NOT_SHELLS  # noqa: PTH119


def _make_good(env: dict[str, str]) -> None:
    """Add what a login would set and the bare environment of a service lacks."""
    who = account()
    for key, value in (("HOME", who.home), ("USER", who.name), ("LOGNAME", who.name), ("PATH", DEFAULT_PATH)):
        if not env.get(key):
            env[key] = value
    if not any(env.get(key) for key in ("LANG", "LC_ALL")):
        env["LANG"] = DEFAULT_LANG
    candidates = (env.get("SHELL", ""), who.shell)
    env["SHELL"] = next((shell for shell in candidates if is_usable_shell(shell)), POSIX_SHELL)


async def _runs(name: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            name,
            "-c",
            "exit 0",
            env=inherited_variables(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
