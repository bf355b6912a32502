"""Which program a rule means, found anew for each run, where nobody but root and the node's user can have put it."""

import os
import re
import stat
import sys

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.environment import DEFAULT_PATH
from omnyshell.services.node.restriction.containment import runs_others
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_path

MAX_INTERPRETERS = 4
"""Scripts whose interpreter is a script; as many as Linux starts."""

_FIRST_LINE = 256
"""Bytes that the kernel reads of it."""

_MAGIC = (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe") if sys.platform == "darwin" else (b"\x7fELF",)
"""How programs begin that are no scripts."""

_MANY_IN_ONE = frozenset(("busybox", "toybox", "coreutils"))
"""Programs that are what they are called."""

_ENV_ARGUMENT = re.compile(r"(-S[ \t]+)?([A-Za-z0-9_/][A-Za-z0-9_./+-]*)(?(1)(?:[ \t][^'\"$\\]*)?)")
"""What `env` may be told: a program, and behind `-S` words for it. Its own options and assignments lead elsewhere."""

_BLANKS = re.compile(rb"[ \t]+")


def look_up(name: str) -> str | None:
    """Return the path of the program that a bare name means in the fixed `PATH`; it is not judged."""
    if "/" in name:
        return None
    candidates = (os.path.join(directory, name) for directory in DEFAULT_PATH.split(":"))  # noqa: PTH118
    return next((path for path in candidates if _is_program(path)), None)


def is_entry(found: str, path: str) -> bool:
    """Tell whether two paths name the same entry of the same directory.

    That two names lead to one file is not enough: some programs are what they are called.
    """
    same_name = os.path.basename(found) == os.path.basename(path)  # noqa: PTH119
    try:
        return same_name and os.path.samefile(os.path.dirname(found), os.path.dirname(path))  # noqa: PTH120, PTH121
    except OSError:
        return False


def names_of(path: str) -> set[str]:
    """Return what a program is called, and what it really is."""
    called, real = os.path.basename(path), os.path.basename(os.path.realpath(path))  # noqa: PTH119
    return {called} if real in _MANY_IN_ONE else {called, real}


def trusted_program(path: str) -> str:
    """Return where the path of a program leads, and see that nobody else can decide what runs there.

    What interprets a script is held to the same. Raises `SessionRejectedException`, whose text has paths of this
    machine: `bad_request` where there is no such program, `NotTrustedException` where others decide.
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
    """The interpreter of a script, by its first line; `env` stands for what it looks up."""
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
    """The two words behind `#!`; None where a file is no script, or cannot be read and so is none that runs.

    What is neither a script nor a program of the system's own form is run by some shell, or by none, as it comes.
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
