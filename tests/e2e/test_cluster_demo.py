"""Three hubs on this machine by one command."""

import json
import os
import signal
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
        for hub in "abc":
            shown = run_text("cluster", "status", "--json", "--hub-config", str(directory / f"hub-{hub}.toml"))
            assert json.loads(shown.stdout)["hub"] == hub, shown.stderr
        _kill_a_hub_under_a_command(told["hubs"][0]["pid"], first)
        invited = run_text("nodes", "invite", *first)
        assert any(hub["url"] in invited.stdout for hub in told["hubs"][1:]), invited.stderr
    finally:
        demo.terminate()
        with demo:
            assert demo.wait(DEADLINE) == 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            raise AssertionError(f"process {pid} was left behind")


COUNTING = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo $i; done; read line; echo $line; exit 7"


def _kill_a_hub_under_a_command(pid: int, access: list[str]) -> None:
    """The node and the client of it go on at other hubs, and so does who comes anew and names the one that is dead."""
    pipe = subprocess.PIPE
    with start_command("exec", *access, "n1", COUNTING, stdin=pipe, stdout=pipe, stderr=pipe) as command:
        said = command.stdout.readline()
        os.kill(pid, signal.SIGKILL)
        command.stdin.write(b"typed\n")
        command.stdin.close()
        said, complained = said + command.stdout.read(), command.stderr.read()
        command.wait(DEADLINE)
    expected = b"".join(b"%d\n" % number for number in range(1, 5001)) + b"typed\n"
    assert (said == expected, command.returncode) == (True, 7), complained
    assert b"the command goes on" in complained
    cold = run_text("exec", *access, "n1", "echo", "cold")
    assert cold.stdout == "cold\n", cold.stderr


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
