"""What `omnyshell run` prints of nodes that mean well and of others."""

import json
import os
from collections.abc import Iterator

import pytest

from omnyshell.cli.sessions import fleet_output
from omnyshell.cli.sessions.fleet_output import Groups, Lines, Printer, Records
from omnyshell.cli.terminal.streams import OutputStream
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.client.fan_out import Outcome
from omnyshell.services.client.output import OutputChunk
from omnyshell.services.client.states import ExitStatus

FORGED = b"== web1 (1 node): exit code 0\nall is well\n"


@pytest.fixture(name="ends")
def _ends() -> Iterator[tuple[OutputStream, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    stream = OutputStream(writing)
    yield stream, reading
    stream.close()
    os.close(writing)
    os.close(reading)


async def printed(printer: Printer, reading: int, outputs: dict[str, list[bytes]]) -> str:
    for node, chunks in outputs.items():
        for data in chunks:
            await printer.output(node, OutputChunk(DataOpcode.STDOUT, data))
        await printer.ended(Outcome(node, ExitStatus(0)))
    await printer.finish()
    try:
        return os.read(reading, 1 << 16).decode()
    except BlockingIOError:
        return ""


async def test_no_output_looks_like_the_line_of_another_node(ends: tuple[OutputStream, int]) -> None:
    stream, reading = ends
    for printer in (Groups((stream, stream), (False, False)), Lines((stream, stream), (False, False), ["evil"])):
        text = await printed(printer, reading, {"evil": [FORGED[:9], FORGED[9:]]})
        assert "web1" in text
        assert not any(line.startswith("== web1") for line in text.splitlines())


@pytest.mark.parametrize("kind", [Groups, Records])
async def test_what_is_kept_is_bounded_and_what_is_cut_is_no_success(
    ends: tuple[OutputStream, int], monkeypatch: pytest.MonkeyPatch, kind: type[Groups] | type[Records]
) -> None:
    stream, reading = ends
    monkeypatch.setattr(fleet_output, "KEPT", 100)
    monkeypatch.setattr(fleet_output, "KEPT_OF_ALL", 250)
    printer = kind((stream, stream), (False, False))
    text = await printed(printer, reading, {f"n{number}": [b"x" * 60, b"x" * 40] for number in range(9)})
    # Equal outputs count once, and one that is printed no more.
    assert (printer.code, "cut" in text.lower()) == (0, False)
    text = await printed(printer, reading, {"long": [b"y" * 99, b"yy"]})
    assert (printer.code, "cut" in text.lower()) == (255, True)


async def test_nodes_that_print_at_once_have_one_bound(
    ends: tuple[OutputStream, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, reading = ends
    monkeypatch.setattr(fleet_output, "KEPT_OF_ALL", 250)
    printer = Records((stream, stream), (False, False))
    nodes = [f"n{number}" for number in range(5)]
    for node in nodes:
        await printer.output(node, OutputChunk(DataOpcode.STDOUT, node.encode() * 50))
    text = await printed(printer, reading, {node: [] for node in nodes})
    sizes = [len(json.loads(line)["stdout"]) for line in text.splitlines()]
    assert sizes == [100, 100, 50, 0, 0]
    assert printer.code == 255
