"""Shells of users in the console: asked for as one, split, and there again at the next start."""

from pathlib import Path

from support.keepers import KeeperProcess
from support.people import HOMES, Machine
from support.stack import Certificates, hub_config, running_node, until
from support.terminals import LEADER, console_at, shows

from omnyshell import OmnyShellHub
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.keeping.file import layout_file
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.pane import TerminalPane


async def live(app: ConsoleApp, count: int) -> list[TerminalPane]:
    panes = app.terminals._terminals
    await until(lambda: len(panes()) == count and all(one.attachment.phase is Phase.LIVE for one in panes()))
    return panes()


async def said(pane: TerminalPane, line: str, answer: str) -> None:
    """Type a line into a login shell, to which a paste would be something else."""
    await shows(pane, "$")
    pane.attachment.type(f"{line}\r".encode())
    await shows(pane, answer)


async def test_a_pane_keeps_user_and_directory_when_it_is_split_and_over_the_end_of_the_console(
    certificates: Certificates, machine: Machine, tmp_path: Path
) -> None:
    """Three shells and two consoles take some seconds."""
    file, state = tmp_path / "node.toml", tmp_path / "state"
    file.write_text("[users]\nadmin = ['ann', 'dbms']\n")
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    try:
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(certificates, hub.port, state, keeper=True, users_file=file),
        ):
            async with console_at(certificates, hub.port, size=(100, 30)) as (app, pilot):
                await until(lambda: app.terminals._memory is not None)
                await pilot.press("colon", *"shell dbms@n1", "enter")
                (first,) = await live(app, 1)
                await said(first, f"mkdir {HOMES}/dbms/work; cd work; echo I-am-$(id -un)", "I-am-dbms")
                await pilot.press(LEADER, "s")
                _, second = await live(app, 2)
                await said(second, "echo $(id -un) in $PWD", f"dbms in {HOMES}/dbms/work")
                await until(lambda: layout_file("test", "admin").exists())
                await until(lambda: b'"user":"dbms"' in layout_file("test", "admin").read_bytes())
            async with console_at(certificates, hub.port, size=(100, 30)) as (app, pilot):
                await until(lambda: app.terminals._memory is not None)
                app.switch_mode("terminals")
                panes = await live(app, 2)
                assert [pane.spec.user for pane in panes] == ["dbms", "dbms"]
                await pilot.press(LEADER, "t")
                *_, third = await live(app, 3)
                await said(third, "echo $(id -un) in $PWD", f"dbms in {HOMES}/dbms")
    finally:
        keeper.end()
