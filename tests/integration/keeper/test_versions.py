"""Keepers and nodes of different versions, both ways, with sessions of every kind; files replaced under both."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support.descriptor_store import managed
from support.keeper_versions import NEWER, OLDER, Edit, install
from support.keepers import KeeperProcess, RawNode, connected, read_all, read_until
from support.killed_nodes import Followed
from support.stack import Certificates, connected_client, hub_config, running_node, until, within

import omnyshell
from omnyshell import ExitStatus, OmnyShellHub, PtySpec, SessionMode
from omnyshell.keeper import wire
from omnyshell.services.node.keeper.asking import keeper_facts, stop_keeper
from omnyshell.services.node.keeper.place import NoKeeperException, own_directory

SAME: Sequence[Edit] = ()
KINDS = {b"pty": wire.PTY, b"quiet": wire.QUIET_PTY, b"pipes": wire.PIPES}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    place = tmp_path / "installed"
    install(place, SAME)
    return place


def close(found: dict[str, int]) -> None:
    for fd in found.values():
        with suppress(OSError):
            os.close(fd)


def upgraded(keeper: KeeperProcess, node: RawNode) -> RawNode:
    """Have a keeper be what is installed; return the node's next connection."""
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    assert node.is_closed(), keeper.log()
    node.close()
    return keeper.node()


def taken(node: RawNode, name: bytes) -> tuple[int, int, dict[str, int]]:
    """Where a session is written to and read from, and all of its descriptors."""
    found = node.named(node.ask(wire.TAKE, name))
    return found.get("stdin", found.get("terminal", -1)), found.get("stdout", found.get("terminal", -1)), found


@pytest.mark.parametrize(
    "versions", [(OLDER, SAME, NEWER), (NEWER, SAME, OLDER), (OLDER, NEWER, OLDER)], ids=["up", "down", "to and fro"]
)
def test_sessions_of_every_kind_go_through_versions_both_ways(
    tmp_path: Path, installed: Path, versions: Sequence[Sequence[Edit]]
) -> None:
    install(installed, versions[0])
    keeper = KeeperProcess(tmp_path / "keeper", installed)
    node = keeper.node()
    line = b"echo begin; for i in 1 2 3; do read line; echo $i $line; done; exit "
    for code, (name, kind) in enumerate(KINDS.items(), 4):
        close(node.script(name, line + b"%d" % code, kind=kind))
    over = node.script(b"over", b"echo last words; exit 9")
    assert node.exit_of(b"over") == b"9"
    close(over)
    listed = node.ask(wire.LIST)
    for step, version in enumerate(versions):
        if step:
            install(installed, version, mark=f"{step}")
            node = upgraded(keeper, node)
            assert node.ask(wire.LIST) == listed
        for name in KINDS:
            writing, reading, found = taken(node, name)
            os.write(writing, b"said\n")
            read_until(reading, b"%d said" % (step + 1))
            close(found)
    assert [node.exit_of(name) for name in KINDS] == [b"4", b"5", b"6"]
    _, reading, found = taken(node, b"over")
    assert read_all(reading) == b"last words\n"
    close(found)
    answer = node.ask(b"greet", b"over")
    assert answer[:2] == ([wire.OK, b"hello"] if versions[-1] is NEWER else [wire.NO, wire.UNKNOWN_VERB])
    node.close()
    keeper.end()


@pytest.mark.parametrize("versions", [(SAME, NEWER), (NEWER, SAME)], ids=["up", "down"])
def test_what_one_version_has_kept_another_takes_back(
    tmp_path: Path, installed: Path, versions: Sequence[Sequence[Edit]]
) -> None:
    """The keeper is killed, and what is installed meanwhile is another version."""
    install(installed, versions[0])
    with managed(tmp_path) as manager:
        keeper = manager.start(tmp_path / "keeper", installed)
        node = keeper.node()
        close(node.script(b"s", b"read line; echo $line", kind=wire.PTY))
        manager.wait_until_kept(5 + 2)
        keeper.process.kill()
        keeper.end()
        node.close()
        install(installed, versions[1])
        keeper = manager.start(tmp_path / "keeper", installed)
        node = keeper.node()
        writing, reading, found = taken(node, b"s")
        os.write(writing, b"there\n")
        read_until(reading, b"there\r\nthere")
        close(found)
        node.close()
        keeper.end()


def test_files_that_are_replaced_while_a_keeper_takes_over_are_waited_for(tmp_path: Path, installed: Path) -> None:
    """What is tried is whole; then somebody goes on installing, and leaves half a file for a while."""
    keeper = KeeperProcess(tmp_path / "keeper", installed)
    node = keeper.node()
    found = node.script(b"s", b"read line; exit 8")
    main = installed / "main.py"
    whole = main.read_text()
    flag, told = tmp_path / "flag", tmp_path / "told"
    # The one that takes over finds half a file, which the one that was tried did not.
    os.mkfifo(told)
    main.write_text(
        "import sys\n"
        f"if sys.argv[1] == '--restore' and not __import__('os').path.exists({str(flag)!r}):\n"
        f"    open({str(told)!r}, 'w').close()\n    raise ImportError('half a file')\n" + whole
    )
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    assert node.is_closed()
    node.close()
    with told.open():
        flag.touch()
    node = keeper.node()
    os.write(found["stdin"], b"\n")
    assert node.exit_of(b"s") == b"8"
    close(found)
    node.close()
    keeper.end()


def test_what_is_whole_only_after_it_was_tried_is_tried_again(tmp_path: Path, installed: Path) -> None:
    """Who installs it asks once all is there, while half of it is being tried since somebody else has asked."""
    keeper = KeeperProcess(tmp_path / "keeper", installed)
    node = keeper.node()
    main, told, flag = installed / "main.py", tmp_path / "told", tmp_path / "flag"
    os.mkfifo(told)
    os.mkfifo(flag)
    main.write_text(f"open({str(told)!r}, 'w').close()\nopen({str(flag)!r}).close()\nraise ImportError('half of it')\n")
    node.channel.sendall(wire.pack(wire.UPGRADE, b"99"))
    told.open().close()
    install(installed, NEWER, mark="whole")
    keeper.upgrade()
    flag.open("w").close()
    assert node.is_closed(), keeper.log()
    node.close()
    node = keeper.node()
    # The other version knows the request, and asks which session.
    assert node.ask(b"greet", b"none")[:2] == [wire.NO, wire.NO_SUCH]
    node.close()
    keeper.end()


@pytest.mark.parametrize("version", [OLDER, NEWER], ids=["older", "newer"])
async def test_a_node_does_its_work_with_a_keeper_of_another_version(
    certificates: Certificates, tmp_path: Path, installed: Path, version: Sequence[Edit]
) -> None:
    install(installed, version)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    keeper = KeeperProcess(own_directory(state), installed)
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
        async with running_node(certificates, hub.port, state, keeper=True):
            assert (await within(client.execute("n1", "cat; exit 3", stdin=b"in"))).stdout == b"in"
            shell = Followed(
                await within(
                    client.open_session("n1", command="echo first; cat", mode=SessionMode.SHELL, pty=PtySpec())
                )
            )
            waiting = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo last; exit 7"
            command = Followed(await within(client.open_session("n1", command=waiting)))
            await until(lambda: b"first" in shell.out)
        # One ends while no node is there.
        (tmp_path / "go").touch()
        await until(lambda: keeper_facts(state).nodes[0].ended == 1)
        # The keeper is upgraded when a node of this version starts, as it looks what is installed where it is from.
        install(installed, SAME)
        async with running_node(certificates, hub.port, state, keeper=True):
            await until(lambda: bool(shell.resumed))
            await shell._session.write(b"second\n")
            await until(lambda: shell.out.count(b"second") == 2)
            await shell._session.write(b"\x04")
            assert await within(shell.ending) == ExitStatus(0)
            assert await within(command.ending) == ExitStatus(7)
            assert command.out == b"last\n"
    assert "an upgrade takes over" in keeper.log()
    keeper.end()


class Installed:
    """A whole package in a directory of its own, as `pip install` leaves it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._source = Path(omnyshell.__file__).parent
        self._copy()

    def _copy(self) -> None:
        shutil.copytree(
            self._source, self.place / "omnyshell", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )

    def replace_by_what_cannot_be_loaded(self) -> None:
        """Remove every file, and then write another version of each: what is loaded late has nothing to do with it."""
        files = sorted((self.place / "omnyshell").rglob("*.py"))
        for path in files:
            path.unlink()
        for path in files:
            path.write_text("raise ImportError('another version')\n")
        for path in (self.place / "omnyshell").rglob("__pycache__"):
            shutil.rmtree(path)

    def replace_by_the_next_version(self) -> None:
        self._copy()
        install(self.place / "omnyshell/keeper", NEWER)

    def start_node(self, certificates: Certificates, port: int, state: Path) -> "subprocess.Popen[bytes]":
        env = os.environ | {
            "PYTHONPATH": str(self.place),
            "OMNYSHELL_HUB": f"wss://127.0.0.1:{port}",
            "OMNYSHELL_PRINCIPAL": "box",
            "OMNYSHELL_TOKEN": "box-token",
            "OMNYSHELL_CA": str(certificates.ca),
        }
        program = "import sys; from omnyshell.cli.main import run; sys.exit(run(sys.argv[1:]))"
        words = ["node", "start", "--id", "n1", "--state-dir", str(state), "--keeper", "true", "--run-as-node-user"]
        words = [sys.executable, "-c", program, *words, "--log-level", "error"]
        return subprocess.Popen(words, env=env, cwd=self.place, stdin=subprocess.DEVNULL)


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Installed]:
    found = Installed(tmp_path / "site")
    yield found
    with suppress(NoKeeperException):
        stop_keeper(tmp_path / "state")


async def test_a_node_and_its_keeper_work_while_their_files_are_replaced_and_the_next_ones_go_on(
    certificates: Certificates, tmp_path: Path, package: Installed
) -> None:
    """Starts the program twice as it is installed, from another place, which takes a second each."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:

        async def opened(command: str, pty: PtySpec | None) -> Followed:
            mode = SessionMode.SHELL if pty is not None else SessionMode.EXEC
            return Followed(await within(client.open_session("n1", command=command, mode=mode, pty=pty)))

        node = package.start_node(certificates, hub.port, state)
        try:
            await until(lambda: bool(hub.nodes))
            shell, command = await opened("seq 100; cat", PtySpec()), await opened("cat; exit 5", None)
            await until(lambda: b"100\r\n" in shell.out)
            keeper = keeper_facts(state).pid
            assert str(package.place) in Path(f"/proc/{keeper}/cmdline").read_text()
            package.replace_by_what_cannot_be_loaded()

            assert (await within(client.execute("n1", "cat; exit 3", stdin=b"in"))).status == ExitStatus(3)
            other = await opened("echo new; stty size; read line", PtySpec(cols=90))
            await until(lambda: b"24 90" in other.out)
            other._session.resize(70, 20)
            await other._session.detach()
            screen = await within(client.peek("n1", shell._session.id, with_history=True))
            above = [part async for part in client.history("n1", shell._session.id, screen.history_end or 0, 1000)]
            assert b"50" in b"".join(above).splitlines()
            again = Followed(await within(client.resume("n1", other._session.id, pty=PtySpec())))
            await again._session.write(b"\n")
            assert await within(again.ending) == ExitStatus(0)
            assert keeper_facts(state).pid == keeper

            package.replace_by_the_next_version()
            node.send_signal(signal.SIGTERM)
            await within(until(lambda: node.poll() is not None))
            node = package.start_node(certificates, hub.port, state)
            await until(lambda: bool(shell.resumed and command.resumed))
            for each in (shell, command):
                await each._session.write(b"over\n")
            await until(lambda: b"over" in shell.out and b"over" in command.out)
            assert keeper_facts(state).pid == keeper
            command._session.eof()
            assert await within(command.ending) == ExitStatus(5)
            await shell._session.write(b"\x04")
            assert await within(shell.ending) == ExitStatus(0)
            asking = RawNode(connected(own_directory(state)))
            assert asking.ask(wire.HELLO, b"1", b"")[-1] == b"more"
            asking.close()
        finally:
            node.kill()
            node.wait()


def test_what_is_installed_while_a_keeper_takes_over_is_taken_when_it_is_asked_next(
    tmp_path: Path, installed: Path
) -> None:
    """What takes over has loaded the files that were tried, and finds others when it looks what there is."""
    keeper = KeeperProcess(tmp_path / "keeper", installed)
    node = keeper.node()
    main, other = installed / "main.py", installed / "ending.py"
    main.write_text(
        f"import sys\nif sys.argv[1] == '--restore':\n    open({str(other)!r}, 'a').write('# newer\\n')\n"
        + main.read_text()
    )
    node = upgraded(keeper, node)
    # Which would do so each time, and never be done.
    main.write_text("".join(main.read_text().splitlines(keepends=True)[3:]))
    node = upgraded(keeper, node)
    assert node.ask(wire.UPGRADE) == [wire.OK]
    node.close()
    keeper.end()
