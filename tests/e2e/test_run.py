"""`omnyshell run` on three nodes, as the installed program."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.commands import run_command, start_command
from support.deadline import DEADLINE
from support.hub_process import HubProcess
from support.registered import until_registered
from support.stack import Certificates

NODES = ("n1", "n2", "n3")
Fleet = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module", name="env")
def _env(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("fleet")
    env = {**os.environ, "OMNYSHELL_HOME": str(folder), "OMNYSHELL_CA": str(certificates.ca), "SHELL": "/bin/sh"}
    with ExitStack() as stack:
        hub = HubProcess(certificates, folder / "hub")
        hub.start_and_wait()
        stack.callback(hub.kill)
        env["OMNYSHELL_HUB"] = f"wss://127.0.0.1:{hub.port}"
        box = env | {"OMNYSHELL_PRINCIPAL": "box", "OMNYSHELL_TOKEN": "box-token"}
        for name in NODES:
            words = [
                "--run-as-node-user",
                "--no-keeper",
                "--label",
                f"env={'prod' if name == 'n1' else 'test'}",
                "--state-dir",
                str(folder / name),
            ]
            node = start_command(
                "node", "start", "--id", name, "--log-level", "error", *words, env=box | {"WHICH_NODE": name}
            )
            stack.callback(node.wait, DEADLINE)
            stack.callback(node.terminate)
        env |= {"OMNYSHELL_PRINCIPAL": "admin", "OMNYSHELL_TOKEN": "admin-token"}
        until_registered(certificates, hub.port, *NODES)
        yield env


def run(env: dict[str, str], *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return run_command(*words, stdin=stdin, env=env)


@pytest.fixture(name="fleet")
def _fleet(env: dict[str, str]) -> Fleet:
    return lambda *words, stdin=b"": run(env, "run", *words, stdin=stdin)


def test_lines_have_their_node_before_them_and_0_is_0_everywhere(fleet: Fleet) -> None:
    done = fleet("echo out; echo err >&2; printf last")
    assert sorted(done.stdout.splitlines()) == [
        f"{node} | {text}".encode() for node in NODES for text in ("last", "out")
    ]
    assert sorted(done.stderr.splitlines()) == [f"{node} | err".encode() for node in NODES]
    assert done.returncode == 0


def test_words_are_joined_for_the_shell_and_filters_choose_nodes(fleet: Fleet) -> None:
    assert fleet("--filter", "env=prod", "echo", "$((1+1))", "-n").stdout == b"n1 | 2 -n\n"
    assert sorted(fleet("--nodes", "n3,n2", "--parallel", "1", "echo x").stdout.splitlines()) == [b"n2 | x", b"n3 | x"]
    done = fleet("--filter", "env=none", "true")
    assert (done.stdout, done.returncode) == (b"", 255)
    assert b"no connected node is meant" in done.stderr


def test_a_failure_anywhere_is_one_and_keeps_nobody_from_running(fleet: Fleet) -> None:
    done = fleet('test "$WHICH_NODE" = n2 && exit 3; echo fine')
    assert sorted(done.stdout.splitlines()) == [b"n1 | fine", b"n3 | fine"]
    assert done.stderr.decode().splitlines() == ["n2 | omnyshell: exit code 3", "omnyshell: failed on 1 of 3 nodes: n2"]
    assert done.returncode == 3
    done = fleet("--nodes", "n1,gone", "echo fine")
    assert (done.stdout, done.returncode) == (b"n1   | fine\n", 255)
    assert b"gone | omnyshell: No node 'gone' is connected [unknown_node]" in done.stderr
    done = fleet("--timeout", "1s", "--nodes", "n1", "sleep 60")
    assert (done.returncode, b"took longer than 1s" in done.stderr) == (255, True)
    assert fleet("--nodes", "n1", "kill -9 $$").returncode == 137


def test_equal_outcomes_are_grouped(fleet: Fleet) -> None:
    done = fleet("--group", 'test "$WHICH_NODE" = n2 && exit 3; echo fine')
    assert done.stdout.decode() == "== n1, n3 (2 nodes): exit code 0\n  fine\n== n2 (1 node): exit code 3\n"
    assert done.returncode == 3


def test_each_is_a_line_of_json(fleet: Fleet) -> None:
    done = fleet("--json", "--nodes", "n1,gone", r"printf '\377'; echo err >&2")
    records = {record["nodeId"]: record for record in map(json.loads, done.stdout.splitlines())}
    assert records["n1"] == {"nodeId": "n1", "exitCode": 0, "stdoutBase64": "/w==", "stderr": "err\n"}
    assert records["gone"]["exitCode"] is None
    assert "unknown_node" in records["gone"]["error"]
    assert done.returncode == 255


def test_standard_input_goes_to_each(fleet: Fleet) -> None:
    data = os.urandom(300_000)
    done = fleet("--stdin", "--group", "sha256sum", stdin=data)
    assert done.stdout.startswith(b"== n1, n2, n3 (3 nodes): exit code 0\n")
    assert fleet("--nodes", "n1", "cat", stdin=b"not sent").stdout == b""


def test_an_interrupt_ends_all(env: dict[str, str]) -> None:
    mark = f"sleep 60.{os.getpid()}"
    program = start_command("run", f"echo ready; exec {mark}", stdout=subprocess.PIPE, env=env)
    assert program.stdout is not None
    assert {program.stdout.readline() for _ in NODES} == {f"{node} | ready\n".encode() for node in NODES}
    program.send_signal(signal.SIGINT)
    assert program.wait(DEADLINE) == 130
    program.stdout.close()
    deadline = time.monotonic() + DEADLINE
    while running(mark):
        assert time.monotonic() < deadline


def running(command: str) -> list[Path]:
    """The processes that have this command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if words.replace(b"\0", b" ").strip() == command.encode():
            found.append(path)
    return found
