"""Shells on real terminals, through a real hub."""

import asyncio
from pathlib import Path

import pytest
from support.screen_reader import Screen
from support.stack import (
    Certificates,
    connected_client,
    hub_config,
    running_node,
    stack,
    until,
    within,
)

from omnyshell import ExitStatus, OmnyShellHub, PtySpec, SessionMode

SIZE = PtySpec(term="xterm-256color", cols=91, rows=37)


async def test_opening_a_shell_that_is_cancelled_leaves_none(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stack(certificates, tmp_path) as (hub, node, client):
        monkeypatch.setattr(client, "list_nodes", asyncio.Event().wait)
        opening = asyncio.create_task(client.open_shell("n1", pty=SIZE))
        await until(lambda: [route.is_open for route in hub.sessions] == [True])
        await within(client.ping())
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await within(opening)
        await until(lambda: node.session_count == 0)


async def test_an_interactive_shell_has_a_terminal_of_the_size_asked_for(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_shell("n1", pty=SIZE, env={"SHELL": "/bin/bash"}))
        screen = Screen(session)
        await session.write(b"echo size=$(stty size) term=$TERM flags=$-; tty\n")
        await screen.shows(b"size=37 91 term=xterm-256color flags=")
        await screen.shows(b"/dev/pts/")
        session.resize(100, 40)
        await session.write(b"stty size\n")
        await screen.shows(b"40 100")
        await session.write(b"exit 5\n")
        await screen.rest()
        assert await within(session.wait()) == ExitStatus(5)


async def test_ctrl_c_reaches_the_foreground_program_alone(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_shell("n1", pty=SIZE, env={"SHELL": "/bin/bash"}))
        screen = Screen(session)
        await session.write(b"PS1='<''>'\n")
        await screen.shows(b"<>")
        # The program itself says that it is there: what the shell says before it has made the program's process group
        # comes too early for a ctrl+c, which the shell would then take for its own.
        await session.write(b"sh -c 'echo re\"\"ady; exec sleep 60'; echo af''ter $?\n")
        await screen.shows(b"ready")
        await session.write(b"\x03")
        await screen.shows(b"<>")
        await session.write(b"echo still=$((6*7))\n")
        await screen.shows(b"still=42")
        session.close()


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash", "/bin/sh"])
async def test_without_the_extension_a_shell_has_no_prompt_and_no_echo(
    certificates: Certificates, tmp_path: Path, shell: str
) -> None:
    if not Path(shell).exists():
        pytest.skip(f"{shell} is not installed")
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(
            client.open_session("n1", mode=SessionMode.SHELL, pty=SIZE, env={"SHELL": shell, "PS1": "PROMPT"})
        )
        await session.write(b"cd /\nX=7\necho one $X\npwd\nexit 3\n")
        assert await Screen(session).rest() == b"one 7\r\n/\r\n"
        assert await within(session.wait()) == ExitStatus(3)


async def test_the_end_of_input_is_the_terminals_character(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_session("n1", command="cat; echo done", pty=SIZE))
        await session.write(b"line\n")
        session.eof()
        assert await Screen(session).rest() == b"line\r\nline\r\ndone\r\n"


async def test_a_program_that_lives_on_without_its_terminal_touches_no_other(
    certificates: Certificates, tmp_path: Path
) -> None:
    alone = "exec 0<&- 1>&- 2>&-; touch left; exec sleep 60"
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        session = await within(client.open_session("n1", command=alone, pty=SIZE, cwd=str(tmp_path)))
        await until((tmp_path / "left").exists)
        other = await within(client.open_session("n1", command="stty size; cat; stty size", pty=SIZE))
        screen = Screen(other)
        await screen.shows(b"37 91")
        session.resize(50, 20)
        session.eof()
        await session.write(b"x")
        session.signal("SIGTERM")
        assert await within(session.wait()) == ExitStatus(-15, "SIGTERM")
        other.eof()
        assert await screen.rest() == b"\r\n37 91\r\n"


async def test_signals_go_to_the_foreground_process_group(certificates: Certificates, tmp_path: Path) -> None:
    command = "trap 'echo win' WINCH; trap 'echo usr; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(client.open_session("n1", command=command, pty=SIZE))
        screen = Screen(session)
        await screen.shows(b"ready")
        session.resize(50, 20)
        await screen.shows(b"win")
        session.signal("NOSUCH")
        session.signal("SIGUSR1")
        await screen.shows(b"usr")
        assert await within(session.wait()) == ExitStatus(9)


async def test_a_shell_goes_on_in_the_node_while_the_hub_restarts(certificates: Certificates, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    hub = OmnyShellHub(hub_config(certificates))
    await hub.start()
    port = hub.port
    async with running_node(certificates, port, tmp_path / "state") as node:
        async with connected_client(certificates, port) as client:
            session = await within(client.open_shell("n1", pty=SIZE))
            await session.write(f"while :; do echo x >> {beat}; sleep 0.02; done\n".encode())
            await until(beat.exists)
            await hub.stop()
        await until(lambda: not node.registered.is_set())
        async with OmnyShellHub(hub_config(certificates, port=port)):
            await until(node.registered.is_set)
            size = beat.stat().st_size
            await until(lambda: beat.stat().st_size > size)
    size = beat.stat().st_size
    assert size > 0


async def test_a_flood_in_one_session_does_not_hold_up_another(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, _, client),
        connected_client(certificates, hub.port) as stalled,
    ):
        # Nobody reads this one: it fills its credit and stops.
        await within(stalled.open_session("n1", command="yes"))
        session = await within(client.open_session("n1", command="cat", pty=SIZE))
        screen = Screen(session)
        for number in range(20):
            await session.write(b"%d\n" % number)
            await screen.shows(b"%d\r\n" % number)
