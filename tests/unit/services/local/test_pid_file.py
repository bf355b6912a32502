"""The file of a process that lives: whoever reads it finds one whole record, whatever is being written."""

import itertools
import json
import os
import threading
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.local.pid_file import PidFile, _whole


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


def test_what_is_found_of_two_records_at_once_is_none(tmp_path: Path) -> None:
    """Systems let a reader find the beginning of one record and the end of the other, in either order."""
    file = PidFile(tmp_path / "pid")
    descriptor = file.claim()
    one, two = {"pid": 17, "port": 4400, "host": "a}b"}, {"pid": 18, "port": 4500, "host": "a}b", "is_alone": True}
    written = []
    for record in (one, two, one):
        PidFile.write(descriptor, record)
        written.append(file.path.read_bytes())
        # Earlier versions read it too.
        assert json.loads(written[-1]) == record
    for before, after in itertools.permutations(written, 2):
        for at in range(1, max(len(before), len(after))):
            assert _whole(before[:at] + after[at:]) in (None, one, two)
            assert _whole(before[:at]) in (None, json.loads(before))
    # Earlier versions wrote it without a checksum.
    os.pwrite(descriptor, json.dumps(one).encode().ljust(len(written[-1])), 0)
    assert file.read() == one
    os.close(descriptor)


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
