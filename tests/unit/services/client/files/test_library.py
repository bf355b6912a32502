"""What is taken from asyncssh: a new release is looked at here."""

import inspect
import subprocess
import sys
from importlib.metadata import version

from omnyshell.services.client.files.library import (
    SFTPAttrs,
    SFTPClientHandler,
    SFTPError,
    SFTPRanges,
    SSHPacket,
    constants,
)


def test_the_release_is_the_one_that_was_tried() -> None:
    assert version("asyncssh") == "2.24.1"


def test_what_is_used_beyond_its_documents_is_there() -> None:
    private = ("_log_extensions", "_send_request", "_process_name", "_process_attrs")
    for name in (*private, "send_packet", "recv_packet", "start", "version"):
        assert hasattr(SFTPClientHandler, name), name
    for name in ("get_byte", "get_uint32", "get_uint64", "get_string"):
        assert hasattr(SSHPacket, name), name
    assert SFTPError.construct(SSHPacket(bytes(4)), "replace") is None
    assert SFTPAttrs(size=1).encode(3) == bytes([0, 0, 0, 1]) + bytes([0] * 7 + [1])
    assert constants.FXP_EXTENDED_REPLY == 201
    assert "_supports_ranges" in inspect.getsource(SFTPClientHandler.start)
    said = SFTPRanges.decode(SSHPacket(bytes([0, 0, 0, 1]) + bytes(7) + b"\x05" + bytes(7) + b"\x09" + b"\x01"))
    assert (said.ranges, said.at_end) == ([(5, 9)], True)


PROGRAM = """
import sys
from omnyshell.services.client.files import remote, transfer
assert "asyncssh" not in sys.modules
import asyncssh
assert asyncssh.sftp.SFTPClientHandler is not remote.Sftp.__mro__[1]
assert asyncssh.connect
"""


def test_nothing_else_of_it_is_loaded_and_who_wants_all_of_it_gets_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
