"""What a request starts on this machine."""

from collections.abc import Mapping

import pytest

from omnyshell.model.sessions import SessionMode
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.processes.commands import POSIX_SHELL, USERS_SHELL, prepare, prepare_for_login
from omnyshell.services.node.restriction.policy import CommandPolicy


@pytest.mark.parametrize(
    ("env", "own", "users"),
    [({}, "/bin/bash", USERS_SHELL), ({"SHELL": "/bin/dash"},) + ("/bin/dash",) * 2, ({"SHELL": ""}, POSIX_SHELL, "")],
)
def test_a_line_is_for_the_shell_that_the_variables_name_or_else_for_the_users(
    env: Mapping[str, str], own: str, users: str
) -> None:
    line = ShellRequest(session_id="1", principal="ann", command="true", env=dict(env))
    shell = ShellRequest(session_id="1", principal="ann", mode=SessionMode.SHELL, interactive=True, env=dict(env))
    inherited = {"SHELL": "/bin/bash", "HOME": "/", "PATH": "/bin"}
    assert prepare(line, CommandPolicy(), inherited, ()).argv == [own, "-c", "true"]
    assert prepare(shell, CommandPolicy(), inherited, ()).argv == [own, "-l"]
    assert prepare_for_login(line, CommandPolicy(), ()).argv == [users, "-c", "true"]
    assert prepare_for_login(shell, CommandPolicy(), ()).argv == [users, "-l"]
