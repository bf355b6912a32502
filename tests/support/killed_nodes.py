"""A node in a process of its own, which may be killed, and sessions that are followed over that."""

import asyncio
import os
import re
import subprocess
from pathlib import Path

from support.commands import start_command
from support.deadline import DEADLINE
from support.stack import Certificates

from omnyshell import ExitStatus
from omnyshell.services.client.session import LinkState, RemoteSession

NUMBERS = (
    "i=0; while [ ! -e stop ]; do echo line $((i+=1)); echo line $((i+=1)); [ $((i % 100)) != 0 ] || sleep 0.03; done; "
    "echo end $i"
)
"""Prints all the time, and leaves a processor to others."""
LINE = re.compile(rb"line (\d+)\r?\n")


class KilledNode:
    """Node `n1` with a keeper, in a process that can be killed."""

    def __init__(self, certificates: Certificates, port: int, state: Path) -> None:
        self._words = ("--id", "n1", "--state-dir", str(state), "--log-level", "error")
        self._variables = {
            "OMNYSHELL_HUB": f"wss://127.0.0.1:{port}",
            "OMNYSHELL_PRINCIPAL": "box",
            "OMNYSHELL_TOKEN": "box-token",
            "OMNYSHELL_CA": str(certificates.ca),
        }
        self.start()

    def start(self) -> None:
        env = os.environ | self._variables
        self.process = start_command(
            "node", "start", "--run-as-node-user", *self._words, env=env, stdin=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as a service manager does."""
        self.process.terminate()
        assert self.process.wait(DEADLINE) == 0


class Followed:
    """A session's output, and how often it was taken up."""

    def __init__(self, session: RemoteSession) -> None:
        self.resumed: list[LinkState] = []
        self.out, self.err = bytearray(), bytearray()
        self._session = session
        session.on_state = self._changed
        self.ending = asyncio.create_task(self._follow())
        # One that a test detaches ends with an error that nobody asks for.
        self.ending.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _changed(self, state: LinkState) -> None:
        if state in (LinkState.RESUMED, LinkState.RESET):
            self.resumed.append(state)

    async def _follow(self) -> ExitStatus:
        async for chunk in self._session:
            (self.err if chunk.stream.name == "STDERR" else self.out).extend(chunk.data)
        return await self._session.wait()

    def check(self) -> None:
        """Every line came once, or it is told that one may be missing."""
        said = bytes(self.out + self.err)
        numbers = list(map(int, LINE.findall(bytes(self.out))))
        is_whole = numbers == list(range(1, len(numbers) + 1)) and b"end %d" % len(numbers) in self.out
        assert is_whole or b"omnyshell: a part of the output may be missing" in said, numbers[-3:]
