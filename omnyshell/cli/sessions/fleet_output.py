"""What `omnyshell run` prints: lines as they come, groups of equal outcomes, or JSON."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import Sequence

from omnyshell.cli.ground.output import FAILURE, describe
from omnyshell.cli.terminal.streams import OutputStream
from omnyshell.printable import printable
from omnyshell.services.client.fan_out import FleetListener, Outcome
from omnyshell.services.client.output import OutputChunk

LONGEST_LINE = 64 * 1024
"""Bytes. What has no end until then is printed as a line."""

KEPT = 8 * 1024 * 1024
"""Bytes of output that are kept of a node where all of it is shown at its end."""

KEPT_OF_ALL = 256 * 1024 * 1024
"""Bytes that are kept of all nodes together; equal outputs count once."""

WIDEST_NAME = 24
"""Columns of the longest name for which the others are padded."""


class Printer(FleetListener):
    """Hears of the command on each node, and prints it. `is_terminal` is for stdout and stderr."""

    def __init__(self, outputs: tuple[OutputStream, OutputStream], is_terminal: tuple[bool, bool]) -> None:
        self.outcomes: list[Outcome] = []
        self._outputs = outputs
        self._is_terminal = is_terminal
        self._writing = asyncio.Lock()

    def started(self, node_id: str) -> None:
        """Print nothing for that."""

    async def ended(self, outcome: Outcome) -> None:
        """Note how it ended on a node."""
        self.outcomes.append(outcome)

    async def finish(self) -> None:
        """Print what is still to be printed."""

    @property
    def code(self) -> int:
        """0 if all are 0; 255 where the command failed to run somewhere, else the highest exit code."""
        return max((_code(outcome) for outcome in self.outcomes), default=0)

    @property
    def failed(self) -> list[str]:
        """The nodes on which it did not end with 0."""
        return sorted(outcome.node_id for outcome in self.outcomes if _code(outcome) != 0)

    async def _write(self, data: bytes, *, is_stderr: bool = False) -> None:
        """Write whole lines. A terminal does not get what would move its cursor among the lines of others."""
        if self._is_terminal[is_stderr]:
            lines = data.decode(errors="replace").split("\n")
            data = "\n".join(printable(line.expandtabs().rstrip("\r"), LONGEST_LINE) for line in lines).encode()
        async with self._writing:
            await self._outputs[is_stderr].write(data)


class Lines(Printer):
    """Prints each line as it comes, with its node before it."""

    def __init__(
        self, outputs: tuple[OutputStream, OutputStream], is_terminal: tuple[bool, bool], nodes: Sequence[str]
    ) -> None:
        super().__init__(outputs, is_terminal)
        self._width = min(WIDEST_NAME, max(map(len, nodes), default=0))
        self._begun: defaultdict[tuple[str, bool], bytes] = defaultdict(bytes)

    async def output(self, node_id: str, chunk: OutputChunk) -> None:
        """Print the lines that are whole."""
        key = node_id, chunk.is_stderr
        whole, newline, rest = (self._begun.pop(key, b"") + chunk.data).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, rest = whole + newline + rest, b""
        if rest:
            self._begun[key] = rest
        if whole or newline:
            await self._print(node_id, whole, is_stderr=chunk.is_stderr)

    async def ended(self, outcome: Outcome) -> None:
        """Print what was begun, and how it ended where that is no 0."""
        await super().ended(outcome)
        for is_stderr in (False, True):
            if rest := self._begun.pop((outcome.node_id, is_stderr), b""):
                await self._print(outcome.node_id, rest, is_stderr=is_stderr)
        if _code(outcome):
            await self._print(outcome.node_id, f"omnyshell: {_words(outcome)}".encode(), is_stderr=True)

    async def _print(self, node_id: str, lines: bytes, *, is_stderr: bool) -> None:
        prefix = f"{node_id:<{self._width}} | ".encode()
        text = b"".join(prefix + line + b"\n" for line in lines.split(b"\n"))
        await self._write(text, is_stderr=is_stderr)


class _Kept:
    """What is kept of a node's output."""

    def __init__(self) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.is_cut = False

    @property
    def size(self) -> int:
        return len(self.stdout) + len(self.stderr)

    def add(self, chunk: OutputChunk, room: int) -> int:
        """Keep as much as has room; return how many bytes that is."""
        data = chunk.data[: max(0, min(KEPT - self.size, room))]
        self.is_cut = self.is_cut or len(data) < len(chunk.data)
        stream = self.stderr if chunk.is_stderr else self.stdout
        stream += data
        return len(data)


class Collecting(Printer):
    """Keeps the output of each node until it ended there. What is too long for that is no success."""

    def __init__(self, outputs: tuple[OutputStream, OutputStream], is_terminal: tuple[bool, bool]) -> None:
        super().__init__(outputs, is_terminal)
        self._kept: defaultdict[str, _Kept] = defaultdict(_Kept)
        self._room = KEPT_OF_ALL
        self._is_cut = False

    async def output(self, node_id: str, chunk: OutputChunk) -> None:
        """Keep it."""
        self._room -= self._kept[node_id].add(chunk, self._room)

    @property
    def code(self) -> int:
        """As ever, and 255 where output is cut."""
        return FAILURE if self._is_cut else super().code

    def _take(self, node_id: str) -> _Kept:
        """What was kept of a node, which has ended."""
        kept = self._kept.pop(node_id, None) or _Kept()
        self._is_cut = self._is_cut or kept.is_cut
        return kept


class Groups(Collecting):
    """Prints each outcome and output once, below the names of the nodes that have it.

    Output is set in, so that none of it looks like the line of another node.
    """

    def __init__(self, outputs: tuple[OutputStream, OutputStream], is_terminal: tuple[bool, bool]) -> None:
        super().__init__(outputs, is_terminal)
        self._groups: dict[tuple[str, bytes, bytes], list[str]] = {}

    async def ended(self, outcome: Outcome) -> None:
        """Put it to its group, which keeps one output."""
        await super().ended(outcome)
        kept = self._take(outcome.node_id)
        words = f"{_words(outcome)}{', output cut' if kept.is_cut else ''}"
        key = words, bytes(kept.stdout), bytes(kept.stderr)
        if key in self._groups:
            self._room += kept.size
        self._groups.setdefault(key, []).append(outcome.node_id)

    async def finish(self) -> None:
        """Print the groups, the largest first."""
        for (words, stdout, stderr), nodes in sorted(self._groups.items(), key=lambda item: (-len(item[1]), item[1])):
            count = f"{len(nodes)} nodes" if len(nodes) > 1 else "1 node"
            await self._write(f"== {', '.join(sorted(nodes))} ({count}): {words}\n".encode())
            await self._write(_set_in(stdout))
            await self._write(_set_in(stderr), is_stderr=True)


class Records(Collecting):
    """Prints a line of JSON for each node, when it has ended there."""

    async def ended(self, outcome: Outcome) -> None:
        """Print its record."""
        await super().ended(outcome)
        kept, status = self._take(outcome.node_id), outcome.status
        record = {
            "nodeId": outcome.node_id,
            "exitCode": status.shell_code if status is not None else None,
            **({"signal": status.signal} if status is not None and status.signal is not None else {}),
            **({"error": describe(outcome.error)} if outcome.error is not None else {}),
            **_as_json("stdout", kept.stdout),
            **_as_json("stderr", kept.stderr),
            **({"outputCut": True} if kept.is_cut else {}),
        }
        self._room += kept.size
        async with self._writing:
            await self._outputs[0].write(json.dumps(record).encode() + b"\n")


def _code(outcome: Outcome) -> int:
    return outcome.status.shell_code if outcome.status is not None else FAILURE


def _words(outcome: Outcome) -> str:
    """How it ended, in words."""
    if outcome.error is not None:
        return printable(describe(outcome.error, ("run",), outcome.node_id))
    status = outcome.status
    if status is not None and status.signal is not None:
        return f"ended by {printable(status.signal)}"
    return f"exit code {_code(outcome)}"


def _set_in(data: bytes) -> bytes:
    """Whole lines, each behind two blanks."""
    return b"".join(b"  " + line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")) if data else b""


def _as_json(name: str, data: bytes | bytearray) -> dict[str, str]:
    """Text, or base64 where it is none."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(data).decode()}
