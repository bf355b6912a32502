"""`-u` and `USER@NODE`, typed: with a keeper of root's that becomes users, and a user's own becomes nobody."""

import asyncio
import os
import pwd
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.commands import run_text
from support.keepers import KeeperProcess
from support.people import Machine
from support.stack import Certificates, hub_config, running_node, within

from omnyshell import OmnyShellHub
from omnyshell.services.node.keeper.place import own_directory

Run = Callable[..., Coroutine[Any, Any, "subprocess.CompletedProcess[str]"]]

OWN = pwd.getpwuid(os.geteuid()).pw_name
BECOMES_NOBODY = f"so nobody becomes 'dbms': all that it starts is {OWN}'s [not_authorized]"
NOT_BEA = "'admin' may not become 'bea' here, but: ann, dbms [not_authorized]"


@pytest.fixture(name="run")
async def _run(certificates: Certificates, machine: Machine, tmp_path: Path) -> AsyncIterator[Run]:
    """Runs a command of `admin`, toward n1, whose keeper is root's, and n2, whose keeper is of its own user's."""
    file = tmp_path / "node.toml"
    file.write_text("[users]\nadmin = ['ann', 'dbms']\n")
    (tmp_path / "n1").mkdir(mode=0o700)
    keepers = KeeperProcess(own_directory(tmp_path / "n1"), users_file=file, machine=machine)
    (tmp_path / "n2").mkdir(mode=0o700)
    own = KeeperProcess(own_directory(tmp_path / "n2"))
    try:
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, tmp_path / "n1", keeper=True, users_file=file),
            running_node(certificates, hub.port, tmp_path / "n2", "n2", keeper=True),
        ):
            env = os.environ | {
                "OMNYSHELL_HUB": f"wss://127.0.0.1:{hub.port}",
                "OMNYSHELL_PRINCIPAL": "admin",
                "OMNYSHELL_TOKEN": "admin-token",
                "OMNYSHELL_CA": str(certificates.ca),
            }
            yield lambda *words: within(asyncio.to_thread(run_text, *words, env=env))
    finally:
        keepers.end()
        own.end()


async def test_each_command_says_who_one_may_not_be_and_fails(run: Run) -> None:
    """They share two nodes, which take a second to start."""
    for words, said in (
        (("exec", "n1", "id", "-un"), "ann"),
        (("exec", "-u", "dbms", "n1", "id", "-un"), "dbms"),
        (("exec", "dbms@n1", "id", "-un"), "dbms"),
        (("connect", "dbms@n1", "--", "id", "-un"), "dbms"),
        (("exec", "-u", OWN, "n2", "id", "-un"), OWN),
        (("run", "--nodes", "n1", "-u", "dbms", "id", "-un"), "n1 | dbms"),
    ):
        done = await run(*words)
        assert (done.returncode, said in done.stdout) == (0, True), (words, done)
    for command in ("exec", "connect"):
        for place, why in (
            (("-u", "bea", "n1"), NOT_BEA),
            (("bea@n1",), NOT_BEA),
            (("dbms@n2",), BECOMES_NOBODY),
            (("-u", "a b", "n1"), "That is no user's name"),
            (("-u", "ann", "bea@n1"), "'bea@n1' names another user"),
        ):
            done = await run(command, *place, "--", "id")
            assert (done.returncode, done.stdout, why in done.stderr) == (255, "", True), (command, place, done)


async def test_of_several_nodes_each_says_for_itself(run: Run) -> None:
    done = await run("run", "--nodes", "n1,n2", "-u", "dbms", "id", "-un")
    said = done.stdout + done.stderr
    assert done.returncode not in (0, None)
    assert "dbms" in done.stdout
    assert BECOMES_NOBODY in said, done
    done = await run("run", "--nodes", "n1,n2", "-u", "bea", "id", "-un")
    assert done.returncode != 0
    assert "uid" not in done.stdout
    assert all(why in done.stdout + done.stderr for why in (NOT_BEA, BECOMES_NOBODY.replace("dbms", "bea")))
