"""Files of users of the machine, through a hub and a node whose keeper is root's."""

import asyncio
import os
from pathlib import Path

from support.commands import run_text
from support.keepers import KeeperProcess
from support.people import HOMES, PEOPLE, Machine
from support.sftp_peer import LSTAT, NO_ATTRS, OPEN, PERMISSION_DENIED, REALPATH, Transfer, text, u32
from support.stack import Certificates, connected_client, hub_config, running_node, until

from omnyshell import OmnyShellHub
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import CHILD, library
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.services.node.pythons import is_for_everybody


async def copied_by_the_command_line(certificates: Certificates, port: int, machine: Machine, tmp_path: Path) -> None:
    said = {"HUB": f"wss://127.0.0.1:{port}", "PRINCIPAL": "admin", "TOKEN": "admin-token", "HOME": str(tmp_path)}
    said |= {"CA": str(certificates.ca)}
    env = dict(os.environ) | {f"OMNYSHELL_{name}": value for name, value in said.items()}
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20))

    async def cp(*words: str) -> str:
        return (await asyncio.to_thread(run_text, "cp", *words, env=env)).stderr

    outside = f"n1:{HOMES}/bea/: this is outside of the directories that the node gives"
    # The first of those whom one may be, whom the option names, and whom the place does, which goes before it.
    said_of = await asyncio.gather(
        cp(str(source), "n1:first"),
        cp("-u", "bea", str(source), "n1:second"),
        cp("-u", "ann", str(source), "bea@n1:third"),
        cp("-u", "service", str(source), "n1:"),
        cp("-u", "ann", str(source), f"n1:{HOMES}/bea/"),
        cp("-u", "ann", f"n1:{HOMES}/bea/", str(tmp_path)),
    )
    assert said_of[:3] == ["", "", ""]
    assert "n1: 'admin' may not become 'service' here, but: ann, bea" in said_of[3]
    assert (outside in said_of[4], outside in said_of[5]) == (True, True)
    assert await cp("ann@n1:first", "bea@n1:fourth") == ""
    for user, name in (("ann", "first"), ("bea", "second"), ("bea", "third"), ("bea", "fourth")):
        copy = machine.homes / user / name
        assert (copy.read_bytes(), copy.stat().st_uid) == (source.read_bytes(), PEOPLE[user]), name


async def test_a_transfer_is_the_users_own(certificates: Certificates, machine: Machine, tmp_path: Path) -> None:
    """It has the user's roots, home and rights; where they cannot read what it takes, they are told so."""
    file, state = tmp_path / "node.toml", tmp_path / "state"
    file.write_text("[users]\nadmin = ['ann', 'bea']\n")
    state.mkdir(mode=0o700)
    (machine.homes / "ann/shared").mkdir()
    (machine.homes / "bea/shared").mkdir()
    keeper = KeeperProcess(own_directory(state), users_file=file, machine=machine)
    can_read = all(is_for_everybody(Path(place)) for place in (CHILD, library()))
    try:
        async with (
            OmnyShellHub(hub_config(certificates)) as hub,
            running_node(
                certificates, hub.port, state, keeper=True, users_file=file, files=FilesPolicy(("~", "/proc"))
            ),
            connected_client(certificates, hub.port) as client,
        ):
            if not can_read:
                session = await Transfer.asked_for(client)
                said = b"".join([chunk.data async for chunk in session])
                assert b"install OmnyShell for all there" in said
                return
            for user in ("ann", "bea"):
                transfer = await Transfer.opened(client, user=user)
                home = f"{HOMES}/{user}".encode()
                assert (await transfer.ask(REALPATH, text(b"."))).names == [home]
                assert (await transfer.ask(LSTAT, text(b"shared"))).owner == 0
                made = await transfer.ask(OPEN, text(b"made"), u32(2 | 8), NO_ATTRS)
                assert made.data
                assert (machine.homes / user / "made").stat().st_uid == PEOPLE[user]
                refused = await transfer.ask(LSTAT, text(f"{HOMES}/service".encode()))
                assert refused.code == PERMISSION_DENIED
                process = await transfer.pid()
                assert process.stat().st_uid == PEOPLE[user]
                transfer.session.close()
                await until(lambda process=process: not process.exists())
            await copied_by_the_command_line(certificates, hub.port, machine, tmp_path)
    finally:
        keeper.end()
