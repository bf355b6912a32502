"""From a request to the program and arguments that are run (wire protocol section 4)."""

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import SessionMode, ShellFamily
from omnyshell.services.node.backend import ShellRequest

POSIX_SHELL = "/bin/sh"
_POWERSHELL = ("pwsh", "-NoLogo", "-NoProfile", "-Command")


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """What may be run; without patterns, everything.

    A pattern (as of a shell's file names) must match the program, as it was given or as its path, or the whole command
    line. With any pattern shells are refused, and a command string is split without a shell.
    """

    patterns: tuple[str, ...] = ()

    @property
    def is_restricted(self) -> bool:
        """Whether only what matches may run."""
        return bool(self.patterns)

    def allows(self, argv: list[str]) -> bool:
        """Tell whether this command line may run."""
        if not self.is_restricted:
            return True
        line = shlex.join(argv)
        return any(fnmatchcase(argv[0], pattern) or fnmatchcase(line, pattern) for pattern in self.patterns)


def build_argv(request: ShellRequest, env: Mapping[str, str], cwd: str, policy: CommandPolicy) -> list[str]:
    """Return what to run, its program as a path that is right from everywhere.

    Raises `SessionRejectedException`: `bad_request` where there is no such program or nothing to run, `not_authorized`
    where the policy forbids it.
    """
    argv = _restricted(request) if policy.is_restricted else _unrestricted(request, env)
    if any("\0" in word for word in argv):
        raise _bad_request("A NUL character cannot be passed to a program")
    if not policy.allows(argv):
        raise SessionRejectedException("This node does not allow that command", code=ErrorCodes.NOT_AUTHORIZED)
    program = _find_program(argv[0], env, cwd)
    return [program, *argv[1:]]


def _unrestricted(request: ShellRequest, env: Mapping[str, str]) -> list[str]:
    if request.args:
        return _direct(request)
    if request.command:
        return [*_shell_prefix(request, env), request.command]
    if request.mode is SessionMode.SHELL:
        shell = env.get("SHELL", POSIX_SHELL)
        # A script's name makes a shell read it without prompt: here the script is the terminal itself.
        return [shell, "-l"] if request.interactive else [shell, "/dev/tty"]
    raise _bad_request("There is nothing to run: give a command")


def _restricted(request: ShellRequest) -> list[str]:
    if request.args:
        return _direct(request)
    if not request.command:
        raise SessionRejectedException("This node does not allow shells", code=ErrorCodes.NOT_AUTHORIZED)
    try:
        words = shlex.split(request.command)
    except ValueError as exc:
        raise _bad_request(f"The command cannot be split: {exc}") from exc
    if not words:
        raise _bad_request("There is nothing to run: give a command")
    return words


def _direct(request: ShellRequest) -> list[str]:
    return [request.command, *request.args] if request.command else list(request.args)


def _shell_prefix(request: ShellRequest, env: Mapping[str, str]) -> tuple[str, ...]:
    if request.shell_family is ShellFamily.POWERSHELL:
        return _POWERSHELL
    if request.shell_family is ShellFamily.CMD:
        raise _bad_request("This node has no cmd shell")
    if request.shell_family is ShellFamily.POSIX:
        return (POSIX_SHELL, "-c")
    return (env.get("SHELL") or POSIX_SHELL, "-c")


def _find_program(name: str, env: Mapping[str, str], cwd: str) -> str:
    # A name with a slash is meant from where the program starts, as in a shell.
    wanted = os.path.join(cwd, name) if "/" in name else name  # noqa: PTH118
    found = shutil.which(wanted, path=env.get("PATH")) if name else None
    if found is None:
        raise _bad_request(f"There is no program '{name}' that can be run")
    return found


def _bad_request(text: str) -> SessionRejectedException:
    return SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)
