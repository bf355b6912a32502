"""The two kinds of frames, and the binary layout of the one that carries data (docs/protocol.md#data-frames)."""

import struct
from enum import IntEnum

import msgspec

from omnyshell.errors import ErrorCodes, ProtocolException
from omnyshell.ids import MAX_CHANNEL_ID
from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.protocol.messages import ControlMessage

DATA_VERSION = 1

_HEADER = struct.Struct(">BBII")
HEADER_SIZE = _HEADER.size
_KIND_SIZE = 2
MAX_DATA_FRAME = HEADER_SIZE + MAX_PAYLOAD


class DataOpcode(IntEnum):
    """Which stream a data frame belongs to."""

    STDIN = 0x01
    STDOUT = 0x02
    STDERR = 0x03


_OPCODES = {int(opcode): opcode for opcode in DataOpcode}


class ControlFrame(msgspec.Struct, frozen=True):
    """A control message, and the channel it is about."""

    message: ControlMessage
    channel: int | None = None


class DataFrame(msgspec.Struct, frozen=True):
    """One chunk of a channel's stream, at most `MAX_PAYLOAD` bytes."""

    opcode: DataOpcode
    channel: int
    payload: bytes


OmnyShellFrame = ControlFrame | DataFrame


def pack_data(opcode: int, channel: int, payload: bytes) -> bytes:
    """Return the binary form of a data frame. Raises `ProtocolException` as `pack_header` does."""
    return pack_header(opcode, channel, len(payload)) + payload


def pack_header(opcode: int, channel: int, size: int) -> bytes:
    """Return what precedes a payload of `size` bytes in a data frame.

    Raises `ProtocolException` for a payload over the cap or a channel id that is no uint32.
    """
    if size > MAX_PAYLOAD:
        raise ProtocolException("is over 65536 bytes", code=ErrorCodes.MALFORMED_FRAME, field="payload")
    if not 0 <= channel <= MAX_CHANNEL_ID:
        raise ProtocolException("must fit 32 bits", code=ErrorCodes.MALFORMED_FRAME, field="channel")
    return _HEADER.pack(DATA_VERSION, opcode, channel, size)


def unpack_header(raw: bytes | memoryview) -> tuple[DataOpcode, int]:
    """Return opcode and channel of a binary frame whose length and opcode are right.

    Raises `ProtocolException`, `protocol_error` for an unknown opcode and `malformed_frame` otherwise.
    """
    if len(raw) >= HEADER_SIZE:
        _, code, channel, length = _HEADER.unpack_from(raw)
        opcode = _OPCODES.get(code)
        if opcode is not None and length == len(raw) - HEADER_SIZE and length <= MAX_PAYLOAD:
            return opcode, channel
    raise _header_error(raw)


def _header_error(raw: bytes | memoryview) -> ProtocolException:
    """Return what is wrong with a frame."""
    if len(raw) >= _KIND_SIZE and raw[1] not in _OPCODES:
        return ProtocolException(f"0x{raw[1]:02x} is unknown", field="opcode")
    if len(raw) < HEADER_SIZE:
        return ProtocolException("is shorter than 10 bytes", code=ErrorCodes.MALFORMED_FRAME, field="header")
    if _HEADER.unpack_from(raw)[-1] > MAX_PAYLOAD:
        return ProtocolException("is over 65536 bytes", code=ErrorCodes.MALFORMED_FRAME, field="payload")
    return ProtocolException("differs from the actual one", code=ErrorCodes.MALFORMED_FRAME, field="length")


def unpack_data(raw: bytes | memoryview) -> DataFrame:
    """Read a data frame from its binary form. Raises `ProtocolException` as `unpack_header` does."""
    opcode, channel = unpack_header(raw)
    return DataFrame(opcode, channel, bytes(memoryview(raw)[HEADER_SIZE:]))


def readdressed_header(raw: bytes | memoryview, channel: int) -> bytes:
    """Return the header of a binary frame of the right length with another channel id: what a relay does."""
    return _HEADER.pack(raw[0], raw[1], channel, len(raw) - HEADER_SIZE)
