"""Sessions of others with the installed program: listed with their owners, looked at and ended by who may."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import run_text
from support.machines import Machines
from support.stack import Certificates, connected_client

from omnyshell import SessionMode
from omnyshell.model.sessions import PtySpec


@pytest.fixture
def machines(certificates: Certificates, tmp_path: Path) -> Iterator[Machines]:
    made = Machines(certificates, tmp_path, "--label", "allow-roles=developer")
    try:
        made.wait_for_node()
        yield made
    finally:
        made.close()


async def leave_a_shell(certificates: Certificates, port: int) -> str:
    """Have `dev` leave a shell on the node; returns its id."""
    async with connected_client(certificates, port, "dev") as dev:
        command = "echo deep thought; sleep 1000"
        session = await dev.open_session("n1", mode=SessionMode.SHELL, command=command, pty=PtySpec())
        async for chunk in session:
            if b"deep thought" in chunk.data:
                break
        await session.detach()
        return session.id


def said(machines: Machines, who: str, *words: str) -> tuple[int, str, str]:
    done = run_text("sessions", *words, env=os.environ | machines.variables(who))
    return done.returncode, done.stdout, done.stderr


def test_an_admin_lists_looks_at_and_ends_what_is_somebody_elses(
    machines: Machines, certificates: Certificates
) -> None:
    ref = asyncio.run(leave_a_shell(certificates, machines.hub.port))
    short = ref[:8]
    assert said(machines, "admin", "list") == (0, "no sessions\n", "")
    for words in (("list", "--all"), ("list", "--of", "dev"), ("list", "n1", "--all")):
        code, table, _ = said(machines, "admin", *words)
        row = table.splitlines()[1].split()
        assert (code, short in row, "dev" in row) == (0, True, True), table
    assert "OWNER" in table
    told = json.loads(said(machines, "admin", "list", "--all", "--json")[1])
    assert [(one["sessionId"], one["ownerUserId"]) for one in told] == [(ref, "dev")]
    for words in ((short,), (short, "--all"), ("n1", short, "--all"), ("n1", short, "--of", "dev")):
        code, screen, error = said(machines, "admin", "peek", *words)
        assert (code, "deep thought" in screen) == (0, True), error
    code, _, error = said(machines, "admin", "peek", "n1", short)
    assert (code != 0, "no such session" in error) == (True, True), "with its node it is one's own"
    code, _, error = said(machines, "admin", "kill", short, "--all", "--of", "dev")
    assert "exclude each other" in error
    code, text, error = said(machines, "admin", "kill", short)
    assert (code, text) == (0, f"Session {short} was ended\n"), error
    assert said(machines, "dev", "list") == (0, "no sessions\n", "")


def test_who_may_not_is_told_where(machines: Machines) -> None:
    code, text, error = said(machines, "dev", "list", "--all")
    assert (code, text) == (255, "no sessions\n")
    assert error == "omnyshell: you may not look at sessions of others on n1\n"
    code, _, error = said(machines, "dev", "kill", "n1", "12345678", "--of", "admin")
    assert code != 0
    assert "Not authorized to end sessions of admin on 'n1': it takes the role admin (you have developer)" in error
