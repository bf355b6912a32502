"""The first minute with a second machine, as README walks it: one command here, one pasted line there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import OMNYSHELL, run_text
from support.deadline import DEADLINE

from omnyshell.services.node.keeper.asking import end_keeper

ADDRESS = "127.0.0.2"
"""An address beside the loopback's own name, which other machines would dial."""


def home(path: Path) -> dict[str, str]:
    path.mkdir(mode=0o700)
    return {**os.environ, "OMNYSHELL_HOME": str(path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[dict[str, str]]:
    env = home(tmp_path / "here")
    yield env
    run_text("down", env=env)


def test_one_command_here_and_one_line_there(here: dict[str, str], tmp_path: Path) -> None:
    # Where somebody has left modules that are called as ours and our libraries are: nothing of it is run.
    trap = tmp_path / "trap"
    for name in ("omnyshell", "uvloop", "msgspec", "cryptography"):
        (trap / name).mkdir(parents=True)
        (trap / name / "__init__.py").write_text("raise SystemExit('trapped')")
    up = subprocess.run(
        [OMNYSHELL, "up", "--background", "--port", "0", "--host", ADDRESS], env=here, cwd=trap, text=True,
        capture_output=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert f"outside  wss://{ADDRESS}:" in up.stdout
    line = tmp_path / "line"
    made = run_text("nodes", "invite", "--id", "far", "--out", str(line), env=here)
    assert made.stdout == ""
    assert "only you can read" in made.stderr
    assert line.stat().st_mode & 0o777 == 0o600
    assert f" omnyshell node join wss://{ADDRESS}:" in line.read_text()
    # Where the tests are root's, the machine's sessions have to be somebody's.
    line.write_text(f"{line.read_text().rstrip()} --run-as-node-user\n")
    there = subprocess.Popen(
        ["sh", "-c", f"{line.read_text().strip()} --run-as-node-user"],
        stderr=subprocess.PIPE, text=True, env=home(tmp_path / "there"),
        start_new_session=True,
    )  # fmt: skip
    try:
        assert there.stderr is not None
        assert any("is registered" in said for said in there.stderr)
        assert run_text("exec", "far", "echo $((6*7))", env=here).stdout == "42\n"
        # Scripts are not asked, whatever ends.
        down = run_text("down", env=here)
        assert (down.returncode, down.stdout) == (0, "down\n")
    finally:
        os.killpg(there.pid, signal.SIGTERM)
        there.communicate(timeout=DEADLINE)
        end_keeper(tmp_path / "there/state/nodes/far")


def test_what_cannot_be_listened_on_is_said_before_anything_starts(tmp_path: Path) -> None:
    env = home(tmp_path / "here")
    done = run_text("up", "--background", "--host", "192.0.2.77", env=env)
    assert done.returncode == 255
    assert "192.0.2.77 is no address of this machine; it has" in done.stderr
    assert run_text("down", env=env).stdout == "nothing is up\n"
