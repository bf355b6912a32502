"""From a request to the program and arguments that are run (docs/protocol.md#sessions)."""

import os
import shutil
from collections.abc import Mapping, Sequence

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import SessionMode, ShellFamily
from omnyshell.services.node.agents import program as of_agents
from omnyshell.services.node.backend import Launch, ShellRequest
from omnyshell.services.node.environment import POSIX_SHELL, child_environment, login_environment, start_directory
from omnyshell.services.node.files import program as of_files
from omnyshell.services.node.restriction.environment import NO_HOME
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.ssh import program as of_ssh

USERS_SHELL = ""
"""Stands for the shell of the user whom a program gets."""

_BEYOND_COMMANDS = {
    SessionMode.SSH: "gets in by ssh",
    SessionMode.SFTP: "copies files",
    SessionMode.AGENT: "brings an agent along",
}
"""What no rule for commands could contain."""

_POWERSHELL = ("pwsh", "-NoLogo", "-NoProfile", "-Command")


def prepare(
    request: ShellRequest, policy: CommandPolicy, inherited: Mapping[str, str], refused_variables: Sequence[str]
) -> Launch:
    """Return what to start for a request.

    Raises `SessionRejectedException`: `bad_request` where there is no such program or nothing to run, `not_authorized`
    where the policy forbids it.
    """
    if policy.is_restricted:
        return _restricted(request, policy, refused_variables)
    env = child_environment(request, inherited, refused_variables)
    cwd = start_directory(request, env)
    argv = _argv(request, env.get("SHELL") or POSIX_SHELL, is_of_others=False)
    if any("\0" in word for word in argv):
        raise _bad_request("A NUL character cannot be passed to a program")
    return Launch([_find_program(argv[0], env, cwd), *argv[1:]], env, cwd)


def prepare_for_login(request: ShellRequest, policy: CommandPolicy, refused_variables: Sequence[str]) -> Launch:
    """Return what to start as a user whom the keeper knows: see `prepare`.

    An empty program is that user's shell, an empty directory their home, and a program is searched for in their path.
    """
    if policy.is_restricted:
        return _of_nobody(_restricted(request, policy, refused_variables))
    env = login_environment(request, refused_variables)
    argv = _argv(request, env.get("SHELL", USERS_SHELL), is_of_others=True)
    if request.args and not argv[0]:
        raise _bad_request("There is no program '' that can be run")
    if any("\0" in word for word in (*argv, request.cwd or "")):
        raise _bad_request("A NUL character cannot be passed to a program")
    return Launch(argv, env, _below_home(request.cwd or ""))


def _restricted(request: ShellRequest, policy: CommandPolicy, refused_variables: Sequence[str]) -> Launch:
    if request.mode in _BEYOND_COMMANDS:
        text = f"This node runs certain commands alone, so nobody {_BEYOND_COMMANDS[request.mode]}"
        raise SessionRejectedException(f"{text}: `omnyshell exec` runs them", code=ErrorCodes.NOT_AUTHORIZED)
    return policy.launch(request, refused_variables)


def _of_nobody(launch: Launch) -> Launch:
    """Take away what a restricted program has of the node's user: nobody else's home is trusted in its place."""
    home = launch.env["HOME"]
    env = {name: value for name, value in launch.env.items() if name not in ("USER", "LOGNAME")}
    return Launch(launch.argv, env | {"HOME": NO_HOME}, NO_HOME if launch.cwd == home else launch.cwd)


def _below_home(directory: str) -> str:
    return directory if not directory or directory[0] in "/~" else f"~/{directory}"


def _argv(request: ShellRequest, shell: str, *, is_of_others: bool) -> list[str]:
    if request.mode is SessionMode.SSH:
        return list(of_ssh.program())
    if request.mode is SessionMode.AGENT:
        return list(of_agents.program())
    if request.mode is SessionMode.SFTP:
        return list(of_files.program(is_of_others=is_of_others))
    if request.args:
        return [request.command, *request.args] if request.command else list(request.args)
    if request.command:
        return [*_shell_prefix(request, shell), request.command]
    if request.mode is SessionMode.SHELL:
        # A shell with a script's name reads the script without a prompt; here the script is the terminal itself.
        return [shell, "-l"] if request.interactive else [shell, "/dev/tty"]
    raise _bad_request("There is nothing to run: give a command")


def _shell_prefix(request: ShellRequest, shell: str) -> tuple[str, ...]:
    if request.shell_family is ShellFamily.POWERSHELL:
        return _POWERSHELL
    if request.shell_family is ShellFamily.CMD:
        raise _bad_request("This node has no cmd shell")
    if request.shell_family is ShellFamily.POSIX:
        return (POSIX_SHELL, "-c")
    return (shell, "-c")


def _find_program(name: str, env: Mapping[str, str], cwd: str) -> str:
    # As in a shell, a name with a slash is relative to the working directory.
    wanted = os.path.join(cwd, name) if "/" in name else name  # noqa: PTH118
    found = shutil.which(wanted, path=env.get("PATH")) if name else None
    if found is None:
        raise _bad_request(f"There is no program '{name}' that can be run")
    return found


def _bad_request(text: str) -> SessionRejectedException:
    return SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)
