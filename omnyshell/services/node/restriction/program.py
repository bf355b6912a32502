"""The program that a rule means, looked up for each run; only root and the node's user may be able to replace it."""

import os
import re
import stat
import sys

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.environment import DEFAULT_PATH
from omnyshell.services.node.restriction.containment import runs_others
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_path

MAX_INTERPRETERS = 4
"""Depth of scripts whose interpreter is a script; as much as Linux allows."""

_FIRST_LINE = 256
"""Bytes of a script's first line that the kernel reads."""

_MAGIC = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe") if sys.platform == "darwin" else (b"\x7fELF",)
"""The first bytes of programs that are no scripts."""

_MANY_IN_ONE = frozenset(("busybox", "toybox", "coreutils"))
"""Programs whose function depends on the name by which they are called."""

_ENV_ARGUMENT = re.compile(r"(-S[ \t]+)?([A-Za-z0-9_/][A-Za-z0-9_./+-]*)(?(1)(?:[ \t][^'\"$\\]*)?)")
"""What may follow `env`: a program, and after `-S` also arguments for it. Other options and assignments are refused."""

_BLANKS = re.compile(rb"[ \t]+")


def look_up(name: str) -> str | None:
    """Return the path of the program that a bare name means in the fixed `PATH`, without checking it."""
    if "/" in name:
        return None
    candidates = (os.path.join(directory, name) for directory in DEFAULT_PATH.split(":"))  # noqa: PTH118
    return next((path for path in candidates if _is_program(path)), None)


def is_entry(found: str, path: str) -> bool:
    """Tell whether two paths name the same entry of the same directory.

    Two names of one file are not enough: the function of some programs depends on their name.
    """
    same_name = os.path.basename(found) == os.path.basename(path)  # noqa: PTH119
    try:
        return same_name and os.path.samefile(os.path.dirname(found), os.path.dirname(path))  # noqa: PTH120, PTH121
    except OSError:
        return False


def names_of(path: str) -> set[str]:
    """Return the names of a program: that of the path, and that of the file that it leads to."""
    called, real = os.path.basename(path), os.path.basename(os.path.realpath(path))  # noqa: PTH119
    return {called} if real in _MANY_IN_ONE else {called, real}


def trusted_program(path: str) -> str:
    """Return a program's path with links resolved, after checking that no other user can change what runs there.

    A script's interpreter is checked too. Raises `SessionRejectedException`, whose text contains paths of this machine:
    `bad_request` if there is no such program, `NotTrustedException` if others could change it.
    """
    found = _trusted_file(path)
    current = found
    for _ in range(MAX_INTERPRETERS):
        interpreter = _interpreter(current)
        if interpreter is None:
            return found
        current = _trusted_file(interpreter)
    raise NotTrustedException(f"{path} is a script of scripts of scripts")


def is_script(path: str) -> bool:
    """Tell whether a file is a script, as far as it can be read."""
    try:
        return _first_line(path) is not None
    except SessionRejectedException:
        return False


def _trusted_file(path: str) -> str:
    try:
        found = trusted_path(path)
    except OSError as exc:
        raise _no_program(path, exc.strerror or str(exc)) from exc
    if not _is_program(found):
        raise _no_program(path, "it is no file that can be run")
    return found


def _interpreter(path: str) -> str | None:
    """The interpreter of a script, from its first line; `env` is replaced by the program that it looks up."""
    line = _first_line(path)
    if line is None:
        return None
    interpreter, argument = line
    if not interpreter.startswith("/"):
        raise NotTrustedException(f"the first line of {path} names its interpreter by no absolute path")
    if "env" in names_of(interpreter):
        _trusted_file(interpreter)
        interpreter = _looked_up_by_env(path, argument)
    if any(map(runs_others, names_of(interpreter))):
        raise NotTrustedException(f"the first line of {path} names {interpreter}, which runs other programs")
    return interpreter


def _looked_up_by_env(path: str, argument: str) -> str:
    match = _ENV_ARGUMENT.fullmatch(argument)
    if match is None:
        raise NotTrustedException(f"the first line of {path} tells env more than the name of a program")
    name = match[2]
    found = name if name.startswith("/") else look_up(name)
    if found is None:
        raise NotTrustedException(f"the first line of {path} names no program in {DEFAULT_PATH}")
    return found


def _first_line(path: str) -> tuple[str, str] | None:
    """The interpreter and its argument after `#!`; None if the file is no script.

    An unreadable file cannot run as a script either.

    A file that is neither a script nor in the system's binary format may be run by some shell, or not at all.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(_FIRST_LINE)
    except OSError:
        return None
    if head.startswith(_MAGIC):
        return None
    if not head.startswith(b"#!"):
        raise _no_program(path, "it is neither a program nor a script with '#!' and its interpreter in front")
    line = head[2:].split(b"\n")[0].split(b"\0")[0].strip(b" \t")
    interpreter, *argument = _BLANKS.split(line, maxsplit=1)
    return os.fsdecode(interpreter), os.fsdecode(argument[0] if argument else b"")


def _is_program(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and os.access(path, os.X_OK)


def _no_program(path: str, why: str) -> SessionRejectedException:
    return SessionRejectedException(f"There is no program {path} that can be run: {why}", code=ErrorCodes.BAD_REQUEST)
