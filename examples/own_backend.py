"""A node without processes: what runs on it are functions of this program. Here it is a kettle.

    python examples/own_backend.py kettle

Then, from anywhere: `omnyshell exec kettle "heat 80"`, or `omnyshell exec kettle -` for commands that are lines of its
input. The login is the command line's (`OMNYSHELL_...`, or what `omnyshell login` saved); it needs the role `node`.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from omnyshell import (
    DataOpcode,
    Foreground,
    NodeConfig,
    NoTargets,
    OmnyShellNode,
    OutputSink,
    SessionMode,
    SessionRejectedException,
    ShellRequest,
    access_from_environment,
)

WAITING = 0
NOT_FOUND = 127
LONGEST_LINE = 1024


class Kettle:
    """What the commands act on."""

    def __init__(self) -> None:
        self.celsius = 20

    def run(self, line: str) -> str | None:
        """Do what a line says, and return what to print; None where it is no command."""
        match line.split():
            case ["heat", degrees] if degrees.isdecimal():
                self.celsius = min(int(degrees), 100)
            case ["status"]:
                pass
            case _:
                return None
        return f"{self.celsius} °C\n"


class KettleSession:
    """One command, or the lines of one client's input: an `omnyshell.ShellSession`."""

    pid = None

    def __init__(self, kettle: Kettle, command: str | None, sink: OutputSink) -> None:
        self._kettle = kettle
        self._sink = sink
        self._input = bytearray() if command is None else bytearray(command.encode() + b"\n")
        self._uncounted = len(self._input)
        """Bytes of input that no client sent, and whose taking nobody waits for."""

        self._has_all = command is not None
        self._output = bytearray()
        self._code = WAITING
        self._has_ended = False

    def write(self, data: bytes) -> None:
        """Take input; its credit goes back when it is dealt with, so that no client can fill our memory."""
        if self._has_ended or self._has_all:
            self._sink.input_taken(len(data))
            return
        self._input += data
        self._work()

    def eof(self) -> None:
        """End behind the last line."""
        self._has_all = True
        self._work()

    def resume_output(self) -> None:
        """Go on: there is a budget."""
        self._work()

    def type_reply(self, data: bytes) -> None:
        """Nothing: there is no terminal, and so nothing is asked of one."""

    def resize(self, cols: int, rows: int) -> None:
        """Nothing: there is no terminal."""

    def foreground(self) -> Foreground:
        """Return what a list of sessions shows."""
        return Foreground("kettle")

    def signal(self, name: str) -> None:
        """End at the signals that end a program."""
        if name.upper().removeprefix("SIG") in {"INT", "TERM", "HUP"}:
            self.kill()

    def kill(self) -> None:
        """End now; what is not printed yet stays so."""
        self._end(-15, "SIGTERM")

    kill_now = kill

    def _work(self) -> None:
        """Print what may be printed, and do the next line once that is out."""
        while not self._has_ended and self._print():
            if (line := self._next_line()) is not None:
                self._run(line)
            elif self._has_all:
                self._end(self._code, None)
            else:
                return

    def _print(self) -> bool:
        """Return whether all is printed."""
        while self._output and (budget := self._sink.budget()) > 0:
            chunk = bytes(self._output[:budget])
            del self._output[:budget]
            self._sink.output(DataOpcode.STDOUT, chunk)
        return not self._output

    def _next_line(self) -> str | None:
        end = self._input.find(b"\n") + 1
        if not end and len(self._input) > LONGEST_LINE:
            self.kill()
            return None
        if not end and self._has_all:
            end = len(self._input)
        if not end:
            return None
        line = bytes(self._input[:end])
        del self._input[:end]
        sent = max(0, end - self._uncounted)
        self._uncounted -= end - sent
        self._sink.input_taken(sent)
        return line.decode(errors="replace")

    def _run(self, line: str) -> None:
        printed = self._kettle.run(line)
        self._code = WAITING if printed is not None else NOT_FOUND
        self._output += (printed or "no such command\n").encode()

    def _end(self, code: int, signal_name: str | None) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._sink.exited(code, signal_name)


class KettleBackend:
    """Starts sessions: an `omnyshell.ShellBackend`."""

    def __init__(self) -> None:
        self._kettle = Kettle()

    async def begin(self) -> Sequence[str]:
        """Connect to the hardware here; there are no shells."""
        return ()

    def start(self, request: ShellRequest, sink: OutputSink) -> KettleSession:
        """Start a command, or a reader of lines. Whoever may use the node is let in by the hub."""
        if request.mode is not SessionMode.EXEC or request.wants_pty:
            raise SessionRejectedException("A kettle has no shell: use `omnyshell exec`", code="bad_request")
        command = " ".join(filter(None, (request.command, *request.args)))
        return KettleSession(self._kettle, command if command not in {"", "-"} else None, sink)

    async def aclose(self) -> None:
        """Let go of the hardware here: all sessions have ended."""


async def main(node_id: str, state_dir: Path) -> None:
    """Be a node until interrupted. Its tunnels lead nowhere, unless `targets` says where they may."""
    config = NodeConfig(node_id=node_id, access=access_from_environment(), state_dir=state_dir, targets=NoTargets())
    await OmnyShellNode(config, backend=KettleBackend()).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path.home() / ".kettle"))
