"""`omnyshell keeper`: what it says, and what it ends."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.commands import OMNYSHELL, run_text, start_command
from support.deadline import DEADLINE
from support.keepers import KeeperProcess, RawNode, read_until

from omnyshell.cli import keeper
from omnyshell.cli.main import run
from omnyshell.keeper import wire
from omnyshell.services.local.setup import LocalSetup, machine_node_id
from omnyshell.services.node.keeper.place import connect, own_directory


@pytest.fixture
def state(tmp_path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def started(state: Path):
    # The installed program, as it becomes another one.
    process = subprocess.Popen([OMNYSHELL, "keeper", "start", "--state-dir", state], stderr=subprocess.PIPE)
    while not (own_directory(state) / "socket").exists():
        assert process.poll() is None
        os.sched_yield()
    yield process
    process.terminate()
    process.wait(DEADLINE)
    process.stderr.close()


def test_a_keeper_is_started_asked_and_stopped(started: "subprocess.Popen[bytes]", state: Path, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'hub = "wss://hub.example:1"\nid = "web"\nstate-dir = "{state}"\n')
    config.chmod(0o600)
    assert run_text("keeper", "status", "--config", str(config)).stdout == (
        f"process {started.pid} keeps 0 sessions for {state}\n"
    )
    node = RawNode(connect(state))
    assert node.ask(wire.HELLO, b"1", b"web")[0] == wire.OK
    found = node.script(b"s", b"echo ready; exec cat")
    read_until(found["stdout"], b"ready")
    told = run_text("keeper", "status", "--config", str(config))
    assert told.stdout.splitlines() == [
        f"process {started.pid} keeps 1 session for {state}",
        f"  web: 1 session; held by process {os.getpid()}",
    ]
    second = run_text("keeper", "start", "--config", str(config))
    assert (second.returncode, second.stderr) == (3, "keeper: another keeper serves this directory\n")
    stopped = run_text("keeper", "stop", "--config", str(config))
    assert (stopped.returncode, stopped.stdout) == (0, "the keeper has ended, and 1 session with it\n")
    assert started.wait(DEADLINE) == 0
    assert run_text("keeper", "status", "--state-dir", str(state)).returncode == 1
    again = run_text("keeper", "stop", "--state-dir", str(state))
    assert (again.returncode, again.stderr) == (255, f"omnyshell: no keeper serves {state}\n")
    for fd in found.values():
        os.close(fd)
    node.close()


def test_that_of_a_service_of_the_machine_is_found_by_its_nodes_file(
    started: "subprocess.Popen[bytes]", state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The file that `node join` writes does not say where the service has its state."""
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path / "home"))
    services = tmp_path / "services"
    services.mkdir()
    (services / "web").symlink_to(state)
    monkeypatch.setattr(keeper, "nodes_of_machine", lambda: services)
    config = tmp_path / "node.toml"
    config.write_text('hub = "wss://hub.example:1"\nid = "web"\n')
    config.chmod(0o600)
    for words in (["--config", str(config)], ["--id", "web"], []):
        assert run(["keeper", "status", *words]) == 0, words
        assert capsys.readouterr().out == f"process {started.pid} keeps 0 sessions for {services}/web\n"
    (services / "db").mkdir()
    # Which of two is not guessed, and a place that is named is the one that is meant.
    for words in ([], ["--id", "db"], ["--id", "web", "--state-dir", str(tmp_path / "elsewhere")]):
        assert run(["keeper", "status", *words]) == 1, words
    # One that takes over sessions is told where, and has no need of the file for that.
    broken = tmp_path / "broken.toml"
    broken.write_text("id = [")
    assert run(["keeper", "status", "--config", str(broken), "--state-dir", str(state)]) == 0
    assert run(["keeper", "stop", "--config", str(config), "--yes"]) == 0
    assert started.wait(DEADLINE) == 0


def test_a_signal_ends_it(started: "subprocess.Popen[bytes]") -> None:
    started.send_signal(signal.SIGTERM)
    assert started.wait(DEADLINE) == 0


def test_the_directory_of_a_keeper_may_have_a_long_name(tmp_path) -> None:
    state = tmp_path / ("long" * 30) / ("longer" * 30)
    process = subprocess.Popen([OMNYSHELL, "keeper", "start", "--state-dir", state])
    while not (own_directory(state) / "socket").exists():
        assert process.poll() is None
        os.sched_yield()
    assert run_text("keeper", "stop", "--state-dir", str(state)).returncode == 0
    assert process.wait(DEADLINE) == 0


def test_a_user_that_is_not_there_is_named(state: Path) -> None:
    refused = run_text("keeper", "start", "--state-dir", str(state), "--node-user", "nobody-of-that-name")
    assert refused.returncode == 255
    assert "--node-user: there is no user 'nobody-of-that-name'" in refused.stderr


@pytest.fixture
def up():
    """Hub, node and keeper of this machine."""
    assert run_text("down").stdout == "nothing is up\n"
    started = run_text("up", "--background", "--port", "0")
    assert started.returncode == 0, started.stderr
    yield
    run_text("down", "--yes")


@pytest.mark.usefixtures("up")
def test_down_ends_the_keeper_too_and_says_how_many_sessions_that_costs() -> None:
    node = machine_node_id()
    asked = run_text("exec", node, "echo $PPID")
    keeper = int(asked.stdout)
    assert b"omnyshell/keeper" in Path(f"/proc/{keeper}/cmdline").read_bytes()
    assert run_text("keeper", "status").stdout.startswith(f"process {keeper} keeps 0 sessions for ")
    lasting = start_command("exec", node, "echo ready; exec sleep 100", stdout=subprocess.PIPE)
    assert lasting.stdout is not None
    assert lasting.stdout.readline() == b"ready\n"
    down = run_text("down", "--yes")
    assert (down.returncode, down.stdout) == (0, "down, and 1 session with it\n")
    assert lasting.wait(DEADLINE) != 0
    lasting.stdout.close()
    assert run_text("keeper", "status").returncode == 1
    assert run_text("down").stdout == "nothing is up\n"


def test_down_ends_what_a_node_that_was_killed_has_left() -> None:
    setup = LocalSetup.default()
    setup.node_state.mkdir(parents=True, mode=0o700)
    keeper = KeeperProcess(own_directory(setup.node_state))
    node = keeper.node()
    for fd in node.script(b"s", b"exec sleep 100").values():
        os.close(fd)
    node.close()
    down = run_text("down")
    assert (down.returncode, down.stdout) == (0, "down, and 1 session with it\n")
    assert keeper.process.wait(DEADLINE) == 0
    keeper.end()
