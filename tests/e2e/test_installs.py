"""OmnyShell as pip installs it: with each extra alone, in an environment of its own."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKS = {
    "": "omnyshell.cli.sessions.exec, omnyshell.cli.node.start",
    "hub": "omnyshell.cli.hub.start",
    "console": "omnyshell.tui.app",
    "web": "omnyshell.tui.web.server",
    "cluster": "omnyshell.services.hub.cluster.nats.stream, omnyshell.cli.hub.start",
    "fast": "omnyshell.transport.serve_tls, aiofastnet",
    "files": "omnyshell.services.node.files.child.adapter",
    "all": "omnyshell.cli.hub.start, omnyshell.tui.web.server, aiofastnet",
}
pytestmark = [pytest.mark.installs, pytest.mark.timeout(600)]


@pytest.mark.parametrize("extra", WORKS, ids=lambda extra: extra or "bare")
def test_an_installation_with_one_extra_does_what_that_is_for(extra: str, tmp_path: Path) -> None:
    venv.create(tmp_path, with_pip=True, symlinks=True)
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    env = os.environ | {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    python = tmp_path / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True, env=env, timeout=500)
    shown = subprocess.run([tmp_path / "bin" / "omnyshell", "--version"], capture_output=True, text=True, timeout=60)
    assert shown.stdout.startswith("omnyshell ")
    code = f"import sys; sys.path.remove(''); import {WORKS[extra]}; import omnyshell; print(omnyshell.__file__)"
    ran = subprocess.run([python, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.stderr == ""
    assert Path(ran.stdout.strip()).is_relative_to(tmp_path), f"it is not {sys.prefix} that is tried"
