"""A disk that is full at the start: whatever is started names it, at once."""

import os
from pathlib import Path

import pytest
from support.commands import run_text
from support.small_disks import fill, small_disk

FULL = "No space left on device"


@pytest.mark.parametrize("words", [("up", "--background", "--port", "0"), ("up", "--port", "0"), ("keygen",)])
def test_a_full_disk_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    with small_disk(tmp_path / "disk", 128) as disk:
        fill(disk)
        done = run_text(*words, env={**os.environ, "OMNYSHELL_HOME": str(disk)})
        assert done.returncode == 255
        assert FULL in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_hub_that_does_not_start_in_the_background_says_why_though_its_log_cannot(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 128) as disk:
        log = disk / "state" / "local" / "server.log"
        log.parent.mkdir(parents=True, mode=0o700)
        fill(disk)
        done = run_text("up", "--background", "--port", "0", env={**os.environ, "OMNYSHELL_HOME": str(disk)})
        assert done.stderr.startswith(f"omnyshell: the hub did not start: cannot write {log.parent}/certs/")
        assert done.stderr.endswith(f"{FULL} (see {log})\n")
        assert log.read_text() == ""
