"""A hub and a node as processes of their own, and what a command needs to reach them."""

import os
import subprocess
from pathlib import Path

from support.commands import run_text, start_command
from support.deadline import DEADLINE
from support.hub_process import HubProcess
from support.registered import until_registered
from support.stack import Certificates


class Machines:
    """Node `n1` at a hub that can be killed and started again; `words` are further words for the node. `close` it."""

    def __init__(self, certificates: Certificates, directory: Path, *words: str) -> None:
        self.hub = HubProcess(certificates, directory / "hub")
        self.hub.start_and_wait()
        self._certificates = certificates
        state = ["--state-dir", str(directory / "node"), "--log-level", "error"]
        self._node = start_command(
            "node", "start", "--run-as-node-user", "--no-keeper", "--id", "n1", *words, *state,
            env=os.environ | self.variables("box"),
        )  # fmt: skip

    def variables(self, principal: str) -> dict[str, str]:
        """The environment of a principal's commands."""
        return {
            "OMNYSHELL_HUB": f"wss://127.0.0.1:{self.hub.port}",
            "OMNYSHELL_PRINCIPAL": principal,
            "OMNYSHELL_TOKEN": f"{principal}-token",
            "OMNYSHELL_CA": str(self._certificates.ca),
            "OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"],
            # What the tester's own shells do at their start is theirs, and may take a minute.
            "HOME": os.environ["OMNYSHELL_HOME"],
            "SHELL": "/bin/bash",
        }

    def omnyshell(self, *words: str) -> str:
        """Run a command as the administrator; returns what it prints."""
        env = os.environ | self.variables("admin")
        done = run_text(*words, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command as the administrator, with its output in pipes."""
        return start_command(
            *words, env=os.environ | self.variables("admin"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for_node(self) -> None:
        """Return once the node is on the hub's list."""
        until_registered(self._certificates, self.hub.port, "n1")

    def close(self) -> None:
        """End both."""
        self._node.terminate()
        self._node.wait(DEADLINE)
        self.hub.kill()
