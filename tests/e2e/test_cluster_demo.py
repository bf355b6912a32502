"""Three hubs on this machine by one command."""

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from support.commands import run_text, start_command
from support.deadline import DEADLINE


def test_a_demo_shows_hubs_that_share_the_truth_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Several seconds: twelve processes start, one after another where one needs the other."""
    directory = tmp_path / "hubs"
    demo = start_command("cluster", "demo", "--dir", str(directory), stdout=subprocess.PIPE, text=True)
    try:
        told = _told(demo, directory / "cluster.json")
        assert told.keys() == {"ca", "principal", "token_file", "hubs", "nodes", "nats"}
        kinds = {"hubs": {"id", "url", "pid"}, "nodes": {"id", "hub", "pid"}, "nats": {"url", "pid"}}
        for kind, words in kinds.items():
            assert all(each.keys() == words for each in told[kind])
        assert [hub["id"] for hub in told["hubs"]] == ["a", "b", "c"]
        assert {node["hub"] for node in told["nodes"]} == {"a", "b", "c"}
        pids = [each["pid"] for kind in ("hubs", "nodes", "nats") for each in told[kind]]
        assert len(set(pids)) == 11
        for pid in pids:
            os.kill(pid, 0)
        access = ["--principal", told["principal"], "--token-file", told["token_file"], "--ca", told["ca"]]
        first, _, last = (["--hub", hub["url"], *access] for hub in told["hubs"])
        assert run_text("users", "add", "ann", "--role", "developer", *first).returncode == 0
        end = time.monotonic() + DEADLINE
        while "ann" not in (shown := run_text("users", "list", *last)).stdout:
            assert time.monotonic() < end, shown.stderr
        for node in told["nodes"]:
            assert run_text("exec", *first, node["id"], "echo", "there").stdout == "there\n"
    finally:
        demo.terminate()
        with demo:
            assert demo.wait(DEADLINE) == 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            raise AssertionError(f"process {pid} was left behind")


def _told(demo: "subprocess.Popen[str]", path: Path) -> dict:
    end = time.monotonic() + DEADLINE
    while not path.exists():
        assert demo.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    return json.loads(path.read_text())


def test_a_demo_empties_no_directory_of_others(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    refused = run_text("cluster", "demo", "--dir", str(tmp_path))
    assert "holds something else" in refused.stderr
    assert (tmp_path / "mine").read_text() == "mine"
