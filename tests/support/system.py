"""A hub and a node as processes of their own, toward which commands are run, and which can be killed and replaced."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.commands import run_command, start_command
from support.deadline import DEADLINE
from support.registered import until_registered
from support.stack import Certificates


@dataclass
class System:
    """A hub and a node as processes of their own, and the environment that reaches them."""

    hub: "subprocess.Popen[str]"
    node: "subprocess.Popen[str]"
    url: str
    env: dict[str, str]
    start_node: Callable[..., "subprocess.Popen[str]"]
    certificates: Certificates

    def run(self, *words: str, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
        return run_command(*words, stdin=stdin, env=self.env | env)

    def run_shell(self, line: str) -> "subprocess.CompletedProcess[bytes]":
        """As a shell does, with its redirections."""
        return subprocess.run(["sh", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=self.env)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return start_command(*words, stdin=pipe, stdout=pipe, stderr=pipe, env=self.env)

    def wait_for_node(self) -> None:
        until_registered(self.certificates, int(self.url.rpartition(":")[2]), "n1")


def spawn(*words: str, env: dict[str, str]) -> "subprocess.Popen[str]":
    return start_command(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@contextmanager
def serving(certificates: Certificates, folder: Path) -> Iterator[System]:
    # What the tester's own shells do at their start is theirs, and may take a minute.
    env = {**os.environ, "OMNYSHELL_HOME": str(folder), "HOME": str(folder)}
    grants = folder / "grants"
    grants.write_text("# who\nadmin:admin-token:admin\nbox:box-token:node\ndev:dev-token:developer\n")
    (folder / "box.token").write_text("box-token\n")
    hub = spawn(
        "hub", "start", "--host", "127.0.0.1", "--port", "0", "--cert", str(certificates.cert),
        "--key", str(certificates.key), "--grant-token-file", str(grants), env=env,
    )  # fmt: skip
    assert hub.stdout is not None
    url = hub.stdout.readline().split()[-1]

    def start_node(*options: str) -> "subprocess.Popen[str]":
        return spawn(
            "node", "start", "--hub", url, "--id", "n1", "--principal", "box", "--label", "env=test",
            "--exec-resume-timeout", "3s", "--run-as-node-user", "--no-keeper", *options,
            "--token-file", str(folder / "box.token"), "--ca", str(certificates.ca), env=env,
        )  # fmt: skip

    node = start_node()
    access = {"HUB": url, "PRINCIPAL": "admin", "TOKEN": "admin-token", "CA": str(certificates.ca)}
    made = System(
        hub, node, url, env | {f"OMNYSHELL_{name}": value for name, value in access.items()}, start_node, certificates
    )
    try:
        made.wait_for_node()
        yield made
    finally:
        for process in (made.node, made.hub):
            process.terminate()
        for process in (made.node, made.hub):
            process.communicate(timeout=DEADLINE)


def running(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            return True
    return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sleeping(system: System, marker: str) -> "subprocess.Popen[bytes]":
    """A command that sleeps, and whose client has heard that it runs."""
    client = system.start("exec", "n1", f"echo ready; exec sleep {marker}")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    until(lambda: running(marker))
    return client


def heard(client: "subprocess.Popen[bytes]") -> bytes:
    """The next line that a command says on stderr."""
    assert client.stderr is not None
    return client.stderr.readline()
