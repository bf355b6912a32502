"""Between frames and what WebSocket carries: text for control messages, binary for data.

Decoding goes in two steps: JSON to plain objects, then the message's declaration applied by our own strict reader.
Malformed input raises `ProtocolException`, never another exception.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache

import msgspec

from omnyshell.errors import ImproperValueException, ProtocolException
from omnyshell.ids import MAX_CHANNEL_ID
from omnyshell.protocol import messages
from omnyshell.protocol.frames import ControlFrame, DataFrame, OmnyShellFrame, pack_data, unpack_data
from omnyshell.protocol.messages import ChannelWindow, ControlMessage

ControlDecoder = Callable[[Mapping[str, object]], ControlMessage]
"""Reads a message from its plain `d`; raises `ProtocolException`."""

_WINDOW_START = b'{"t":"channel.window"'
_LONGEST_WINDOW = 128
_WINDOWS_REMEMBERED = 1024
_ALWAYS_READ = 256 * 1024
"""Bytes. A message of at most this size cannot hold too many values, so they are not counted."""


def standard_messages() -> Iterable[type[ControlMessage]]:
    """Yield the messages that every codec knows."""
    for name in messages.__all__:
        declared = getattr(messages, name)
        if hasattr(declared, "TYPE"):
            yield declared


@cache
def _standard_decoders() -> dict[str, tuple[ControlDecoder, bool]]:
    """Those of a codec that has learnt nothing else: the same for each connection."""
    return {declared.TYPE: (declared.from_wire, declared.SCOPED) for declared in standard_messages()}


class FrameCodec:
    """Encodes and decodes frames. Knows the messages of the wire protocol; more can be registered.

    With `max_values`, a large message that may hold more values than that is not decoded: decoding time grows with the
    number of values, not with the bytes.
    """

    def __init__(self, *, max_values: int | None = None) -> None:
        self._max_values = max_values
        self._decoders = _standard_decoders().copy()
        self._windows: dict[bytes, ControlFrame] = {}

    def learn(self, declared: Iterable[type[ControlMessage]]) -> "FrameCodec":
        """Teach this codec messages by their declarations; returns the codec."""
        for message in declared:
            self.register(message.TYPE, message.from_wire, scoped=message.SCOPED)
        return self

    def register(self, message_type: str, decoder: ControlDecoder, *, scoped: bool = False) -> None:
        """Teach this codec another message type, or replace one it knows.

        With `scoped`, a frame without a channel is undecodable.
        """
        self._decoders[message_type] = (decoder, scoped)
        self._windows.clear()

    @property
    def message_types(self) -> frozenset[str]:
        """The types this codec can decode."""
        return frozenset(self._decoders)

    def encode(self, frame: OmnyShellFrame) -> str | bytes:
        """Return what to send: text for a control frame, bytes for a data frame."""
        if isinstance(frame, DataFrame):
            return pack_data(frame.opcode, frame.channel, frame.payload)
        return encode_control(frame.message, frame.channel).decode()

    def decode(self, raw: str | bytes) -> OmnyShellFrame:
        """Read a frame: text as a control message, bytes as data. Raises `ProtocolException`."""
        if isinstance(raw, str):
            try:
                return self.decode_control(raw.encode())
            except UnicodeEncodeError as exc:
                raise ProtocolException("is not valid Unicode", field="frame") from exc
        return unpack_data(raw)

    def decode_control(self, raw: bytes) -> ControlFrame:
        """Read a control frame from UTF-8. Raises `ProtocolException`."""
        if raw.startswith(_WINDOW_START):
            return self._decode_window(raw)
        return self._decode(raw)

    def _decode_window(self, raw: bytes) -> ControlFrame:
        """Decode a window through a cache: windows come with every second chunk of data, and most are the same.

        With `resume-offset` they differ each time.
        """
        frame = self._windows.get(raw)
        if frame is None:
            frame = self._decode(raw)
            if len(raw) <= _LONGEST_WINDOW and b"offset" not in raw:
                if len(self._windows) >= _WINDOWS_REMEMBERED:
                    self._windows.clear()
                self._windows[raw] = frame
        return frame

    def _decode(self, raw: bytes) -> ControlFrame:
        if self._max_values is not None and len(raw) > _ALWAYS_READ and raw.count(b",") > self._max_values:
            raise _too_many_values(raw, self._max_values)
        envelope = _read_json(raw)
        message_type = envelope.get("t")
        if not isinstance(message_type, str):
            raise ProtocolException("must be a string", field="t")
        known = self._decoders.get(message_type)
        if known is None:
            raise ProtocolException("is unknown", field="t")
        decoder, scoped = known
        channel = _read_channel(envelope.get("c"))
        if scoped and channel is None:
            raise ProtocolException("is missing", field="c")
        data = envelope.get("d")
        data = data if isinstance(data, dict) else {}
        try:
            return ControlFrame(decoder(data), channel)
        except ImproperValueException as exc:
            request_id = data.get("requestId")
            exc.message_type, exc.channel = message_type, channel
            exc.request_id = request_id if isinstance(request_id, str) else None
            raise
        except RecursionError as exc:
            # Nesting that the JSON decoder just accepts can be too deep for the encoder later.
            raise ProtocolException("is nested too deeply", field="d") from exc


def encode_control(message: ControlMessage, channel: int | None = None) -> bytes:
    """Return a control frame as UTF-8. Raises `ProtocolException` for text that is not valid Unicode."""
    if type(message) is ChannelWindow and message.offset is None:
        return _encode_window(message, channel)
    return _encode(message, channel)


@lru_cache(maxsize=_WINDOWS_REMEMBERED)
def _encode_window(message: ChannelWindow, channel: int | None) -> bytes:
    return _encode(message, channel)


def _encode(message: ControlMessage, channel: int | None) -> bytes:
    envelope: dict[str, object] = {"t": message.TYPE}
    if channel is not None:
        envelope["c"] = channel
    envelope["d"] = message.to_wire()
    try:
        return msgspec.json.encode(envelope)
    except (UnicodeEncodeError, OverflowError) as exc:
        raise ProtocolException(f"holds text that is not valid Unicode: {exc}", field=message.TYPE) from exc


class _Outline(msgspec.Struct):
    """The fields that are read of a message that is not decoded as a whole; skipping the rest is cheap."""

    t: str = ""
    c: int | None = None


def _too_many_values(raw: bytes, most: int) -> ProtocolException:
    error = ImproperValueException(f"holds more than {most} values", field="frame")
    try:
        outline = msgspec.json.decode(raw, type=_Outline)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return error
    error.message_type, error.channel = outline.t, _read_channel(outline.c)
    return error


def _read_json(raw: bytes) -> dict[str, object]:
    try:
        envelope = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolException(f"is not JSON: {exc}", field="frame") from exc
    if not isinstance(envelope, dict):
        raise ProtocolException("must be an object", field="frame")
    return envelope


def _read_channel(value: object) -> int | None:
    """A `c` that is no int counts as absent, and so does one that no channel can have."""
    return value if type(value) is int and 0 <= value <= MAX_CHANNEL_ID else None
