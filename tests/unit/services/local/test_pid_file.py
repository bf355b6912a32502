"""The file of a process that lives: whoever reads it finds one whole record, whatever is being written."""

import os
import threading
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.local.pid_file import PidFile


def test_a_reader_never_finds_half_of_what_is_written(tmp_path: Path) -> None:
    file = PidFile(tmp_path / "pid")
    descriptor = file.claim()
    assert file.read() is None
    records = [{"pid": 1, "host": "localhost"}, {"pid": 1, "host": "a-host.with.a-long-name.example", "trouble": "x"}]
    PidFile.write(descriptor, records[0])
    done = threading.Event()

    def write() -> None:
        for number in range(2_000):
            PidFile.write(descriptor, records[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            assert file.read() in records
    finally:
        writer.join()
        os.close(descriptor)
    assert file.read() is None


def test_a_file_that_is_taken_or_cannot_be_made_is_told(tmp_path: Path) -> None:
    descriptor = PidFile(tmp_path / "pid").claim()
    with pytest.raises(ConfigException, match="it is up already"):
        PidFile(tmp_path / "pid").claim()
    os.close(descriptor)
    with pytest.raises(ConfigException, match=r"cannot write .*: No such file or directory"):
        PidFile(tmp_path / "none" / "pid").claim()
    reading = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(ConfigException, match="cannot write that this process serves: Bad file descriptor"):
        PidFile.write(reading, {})
    os.close(reading)
