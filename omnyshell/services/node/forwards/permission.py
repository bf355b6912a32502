"""The permission to reach targets from a node: a session for as long as it is held, in which nothing runs."""

import asyncio

from omnyshell.services.node.backend import Foreground, OutputSink


class Permission:
    """A `ShellSession` without input and output."""

    pid = None

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink
        self._has_ended = False

    def write(self, data: bytes) -> None:
        """Drop it."""
        self._sink.input_taken(len(data))

    def type_reply(self, data: bytes) -> None:
        """Do nothing: there is no terminal."""

    def eof(self) -> None:
        """End: the client needs it no longer."""
        self.kill_now()

    def resize(self, cols: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def foreground(self) -> Foreground:
        """Nothing runs."""
        return Foreground()

    def signal(self, name: str) -> None:
        """Do nothing: nothing runs."""

    def resume_output(self) -> None:
        """Do nothing: there is none."""

    def kill(self) -> None:
        """End. Idempotent."""
        self.kill_now()

    def kill_now(self) -> None:
        """End. Idempotent."""
        if not self._has_ended:
            self._has_ended = True
            asyncio.get_running_loop().call_soon(self._sink.exited, 0, None)
