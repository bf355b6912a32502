"""Files of users of the machine, through a hub and a node whose keeper is root's."""

from pathlib import Path

from support.keepers import KeeperProcess
from support.people import HOMES, PEOPLE, Machine
from support.sftp_peer import LSTAT, NO_ATTRS, OPEN, PERMISSION_DENIED, REALPATH, Transfer, text, u32
from support.stack import Certificates, connected_client, hub_config, running_node, until

from omnyshell import OmnyShellHub
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.files.program import CHILD, library
from omnyshell.services.node.keeper.place import own_directory
from omnyshell.services.node.pythons import is_for_everybody


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
    finally:
        keeper.end()
