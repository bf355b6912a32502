"""The standard streams as other programs leave them: sockets and pipes that wait or do not, files, closed ones."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.stack import within

from omnyshell.cli.terminal import streams
from omnyshell.cli.terminal.streams import InputStream, OutputStream

SIZE = 3_000_000


def sockets() -> tuple[int, int]:
    reading, writing = socket.socketpair()
    return reading.detach(), writing.detach()


def terminals() -> tuple[int, int]:
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave


PAIRS: list[Callable[[], tuple[int, int]]] = [os.pipe, sockets, terminals]


async def read_slowly(fd: int, size: int) -> bytes:
    """Read so many bytes as a program does that has other things to do."""
    os.set_blocking(fd, False)
    parts: list[bytes] = []
    while size:
        with suppress(BlockingIOError):
            parts.append(os.read(fd, min(size, 4096)))
            size -= len(parts[-1])
        await asyncio.sleep(0)
    return b"".join(parts)


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("reopens", [True, False])
async def test_all_is_written_whether_the_other_programs_wait_or_not(
    pair: Callable[[], tuple[int, int]], blocks: bool, reopens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reopens:
        monkeypatch.setattr(streams, "_reopen", lambda _fd: None)
    reading, writing = pair()
    os.set_blocking(writing, blocks)
    data = os.urandom(SIZE // 10 if pair is terminals else SIZE)
    stream = OutputStream(writing)
    at_once = stream.write_at_once(memoryview(data))
    found, _ = await within(asyncio.gather(read_slowly(reading, len(data)), stream.write(data[at_once:])))
    assert found == data
    stream.close()
    assert os.get_blocking(writing) is blocks
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("pair", PAIRS[:2])
async def test_a_reader_that_has_gone_is_told(pair: Callable[[], tuple[int, int]]) -> None:
    reading, writing = pair()
    os.close(reading)
    stream = OutputStream(writing)
    with pytest.raises(BrokenPipeError):
        await within(stream.write(b"x"))
    stream.close()
    os.close(writing)


@pytest.mark.parametrize("pair", PAIRS[:2])
async def test_input_that_another_program_took_is_no_end(
    pair: Callable[[], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pair()
    os.set_blocking(reading, False)
    found: asyncio.Queue[bytes] = asyncio.Queue()
    stream = InputStream(reading, found.put_nowait)
    with monkeypatch.context() as patched:
        taken = asyncio.Event()

        def read(_fd: int, _size: int) -> bytes:
            taken.set()
            raise BlockingIOError

        patched.setattr(os, "read", read)
        os.write(writing, b"theirs")
        stream.resume()
        await within(taken.wait())
    os.write(writing, b", ours")
    assert await within(found.get()) == b"theirs, ours"
    os.close(writing)
    assert await within(found.get()) == b""
    assert stream.judge(0) == 0
    os.close(reading)


async def test_input_that_cannot_be_read_is_no_success(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found: asyncio.Queue[bytes] = asyncio.Queue()
    directory = os.open(tmp_path, os.O_RDONLY)
    stream = InputStream(directory, found.put_nowait)
    stream.resume()
    assert await within(found.get()) == b""
    assert (stream.judge(0), stream.judge(3)) == (255, 3)
    assert os.strerror(errno.EISDIR) in capfd.readouterr().err
    os.close(directory)


async def test_a_closed_input_is_at_its_end() -> None:
    found: asyncio.Queue[bytes] = asyncio.Queue()
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    stream = InputStream(reading, found.put_nowait)
    stream.resume()
    assert await within(found.get()) == b""
    assert stream.judge(0) == 0
