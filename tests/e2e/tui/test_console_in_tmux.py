"""The installed console on a real terminal: first start, leaving, signals, and what goes on afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import run_text
from support.deadline import DEADLINE
from support.tmux import OMNYSHELL, Terminal

from omnyshell.paths import state_dir
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import LocalSetup

CONSOLE = str(Path(OMNYSHELL).with_name("omnyshell-console"))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell at its prompt; whatever node is left is ended."""
    terminal = Terminal(tmp_path, {"OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"]})
    try:
        terminal.shows("local>")
        yield terminal
    finally:
        # Whatever runs in it leaves with it.
        terminal.close()
        wait(lambda: LocalSetup.default().running() is None)
        assert LocalNode(LocalSetup.default()).end(DEADLINE)


def wait(condition: Callable[[], object]) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def omnyshell(*words: str) -> str:
    """Run a command against the local hub."""
    done = subprocess.run([OMNYSHELL, *words], capture_output=True, text=True, check=True, timeout=DEADLINE)
    return done.stdout


def test_a_killed_console_leaves_a_node_with_its_session_to_the_next_and_a_hangup_the_terminal_as_it_was(
    terminal: Terminal,
) -> None:
    """Leaving by a key and by SIGTERM, which leave as much, are among `test_working_in_tmux.py`."""
    setup = LocalSetup.default()
    terminal.type("omnyshell-console", "Enter")
    terminal.shows("● online")
    running, pid = setup.running(), LocalNode(setup).pid()
    assert running is not None
    assert "already up" in omnyshell("up")
    # A shell whose client was killed goes on in the node, which goes on without console and hub.
    shell = subprocess.Popen([OMNYSHELL, "connect", running.node_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    terminal.type("2")
    terminal.shows("● attached")
    shell.kill()
    shell.communicate(timeout=DEADLINE)
    terminal.shows("◐ detached")
    os.kill(running.pid, signal.SIGKILL)
    wait(lambda: setup.running() is None)
    # Its guardian has put the terminal back.
    terminal.is_put_back()
    terminal.type("Enter", "echo back=$((6*7)); stty -a | grep -o ' icanon'", "Enter")
    assert "╭" not in terminal.shows("back=42\n icanon")
    terminal.type(
        "clear; stty -a > before; omnyshell-console; stty -a > after; cmp before after && echo same $?", "Enter"
    )
    terminal.shows("● online")
    terminal.type("2")
    terminal.shows("◐ detached")
    assert LocalNode(setup).pid() == pid
    running = setup.running()
    assert running is not None
    os.kill(running.pid, signal.SIGHUP)
    left = terminal.shows("same 0")
    assert "This machine's node goes on with its sessions" in left
    assert f"(process {pid})" in left
    assert "╭" not in left
    assert terminal.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split() == [
        "0", "0", "1",
    ]  # fmt: skip
    assert setup.running() is None
    assert LocalNode(setup).pid() == pid


@pytest.mark.parametrize("start", ["omnyshell-console", "exec sh -c 'trap \"\" HUP; omnyshell-console; true'"])
def test_a_terminal_that_is_closed_ends_console_hub_and_idle_node(tmp_path: Path, start: str) -> None:
    """Whether the console is told, or a leader of its session that keeps the signal to itself."""
    terminal = Terminal(tmp_path, {"OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"]})
    setup = LocalSetup.default()
    try:
        terminal.type(start, "Enter")
        terminal.shows("● online")
        console = setup.running()
    finally:
        terminal.close()
    assert console is not None
    wait(lambda: not Path(f"/proc/{console.pid}").exists())
    assert setup.running() is None
    assert LocalNode(setup).pid() is None


def test_the_hub_of_up_is_used_and_left_alone(local_console: dict[str, str], tmp_path: Path) -> None:
    home = local_console["OMNYSHELL_HOME"]
    setup = LocalSetup(Path(home) / "state" / "local")
    terminal = Terminal(tmp_path, {"OMNYSHELL_HOME": home})
    try:
        terminal.type("omnyshell-console", "Enter")
        terminal.shows("● online")
        assert LocalNode(setup).pid() is None
        terminal.type("C-q")
        terminal.hides("● online")
        assert setup.running() is not None
    finally:
        terminal.close()


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("config", [False, True])
def test_headless_serves_the_hub_and_never_loads_the_user_interface(tmp_path: Path, config: bool) -> None:
    words = [CONSOLE, "--headless"]
    if config:
        assert run_text("cert", "gen", "--out", str(tmp_path), "--host", "localhost").returncode == 0
        file = tmp_path / "hub.toml"
        file.write_text(
            f'cert = "{tmp_path}/hub.pem"\nkey = "{tmp_path}/hub.key"\nhost = "localhost"\nport = 0\n'
            f'state-dir = "{tmp_path}/state"\ngrant-token = ["ann:secret:admin"]\n'
        )
        words += ["--config", str(file)]
    variables = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    # A pipe that nobody reads yet would be full before the hub listens.
    with (tmp_path / "imports").open("w") as told:
        hub = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=told, text=True, env=variables)
    assert "hub listens on wss://" in hub.stdout.readline()
    hub.send_signal(signal.SIGTERM)
    hub.communicate(timeout=DEADLINE)
    assert hub.returncode == 0
    imports = (tmp_path / "imports").read_text()
    assert "omnyshell.services.hub.hub" in imports
    assert "textual" not in imports
    assert "rich" not in {line.rpartition("|")[2].strip() for line in imports.splitlines()}


@pytest.mark.usefixtures("unmeasured")
def test_the_entry_point_loads_no_user_interface() -> None:
    code = (
        "import sys, omnyshell.tui.main as main\n"
        "try: main.run(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'textual', 'rich'} & set(sys.modules), 'loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr


def test_without_a_terminal_it_says_what_to_do() -> None:
    done = subprocess.run([CONSOLE], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert "--headless" in done.stderr
    assert not (state_dir() / "local").exists()
