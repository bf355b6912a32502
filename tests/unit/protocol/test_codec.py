"""The codec: what it refuses, and that it never fails in any other way."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ControlFrame, DataFrame, DataOpcode, FrameCodec, Ping, ProtocolException
from omnyshell.errors import ImproperValueException
from omnyshell.protocol.messages import ControlMessage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
TYPES = sorted(FrameCodec().message_types)
FIELDS = ("nodeId", "requestId", "sessionId", "role", "ts", "id", "pty", "nodes", "sessions", "labels", "args", "info")


def decode(raw: str | bytes) -> ProtocolException | None:
    try:
        FrameCodec().decode(raw)
    except ProtocolException as exc:
        return exc
    return None


def refused(raw: str | bytes, code: str = "protocol_error") -> str | None:
    error = decode(raw)
    assert error is not None
    assert error.code == code
    return error.field


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_data_or_a_protocol_exception(raw: bytes) -> None:
    decode(raw)


@given(st.text(max_size=300))
def test_arbitrary_text_is_refused(raw: str) -> None:
    decode(raw)


@given(JSON)
def test_arbitrary_json_is_refused_cleanly(value: Any) -> None:
    decode(json.dumps(value))


@given(st.sampled_from(TYPES), JSON, st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON))
def test_arbitrary_payloads_of_known_messages_are_refused_cleanly(t: str, c: Any, d: dict[str, Any]) -> None:
    decode(json.dumps({"t": t, "c": c, "d": d}))


@pytest.mark.parametrize("key", ["labels", "no-such-key"])
def test_any_depth_is_taken_or_refused(key: str) -> None:
    # A string map turns what is nested into text: a second recursion, which starts deeper than the reader's.
    for depth in (*range(800, 1000), 10_000, 100_000):
        nested = "[" * depth + "]" * depth
        platform = '{"os":"linux","arch":"x64"}'
        decode(f'{{"t":"node.register","d":{{"nodeId":"n","platform":{platform},"{key}":{{"a":{nested}}}}}}}')


@pytest.mark.usefixtures("unmeasured")
def test_hundreds_of_thousands_of_keys_do_not_hold_the_loop_up() -> None:
    keys = ",".join(f'"k{number}":{number}' for number in range(280_000))
    started = time.process_time()
    decode(f'{{"t":"node.list.request","d":{{"filter":{{{keys}}}}}}}')
    assert time.process_time() - started < 5


@given(st.data())
def test_mutated_messages_are_refused_cleanly(data: st.DataObject) -> None:
    valid = {
        "nodeId": "n",
        "mode": "shell",
        "args": ["a"],
        "env": {"k": "v"},
        "pty": {"term": "t", "cols": 1, "rows": 1},
        "resumeSessionId": "s",
    }
    key = data.draw(st.sampled_from(sorted(valid)))
    text = json.dumps({"t": "session.open", "c": 1, "d": valid | {key: data.draw(JSON)}})
    cut = data.draw(st.integers(0, len(text)))
    decode(text)
    decode(text[:cut] + data.draw(st.text(max_size=2)) + text[cut:])


@in_one_test(
    "raw",
    [
        "",
        "nonsense",
        "[]",
        '"x"',
        "{",
        '{"t":"ping","d":{"id":"a","ts":NaN}}',
        '{"t":"ping","d":{"id":"a","ts":Infinity}}',
        '\ufeff{"t":"hello"}',
        "[" * 10_000,
        '{"a":' * 10_000,
        '{"t":"\\ud800"}',
        "\ud800",
    ],
)
def test_what_is_no_json_object_is_refused(raw: str) -> None:
    assert refused(raw) in ("frame", "t")


@in_one_test(
    ("raw", "field"),
    [
        ('{"d":{}}', "t"),
        ('{"t":5}', "t"),
        ('{"t":"no.such"}', "t"),
        ('{"t":"channel.eof"}', "c"),
        ('{"t":"channel.eof","c":"1"}', "c"),
        ('{"t":"channel.eof","c":1.0}', "c"),
        ('{"t":"channel.eof","c":true}', "c"),
        ('{"t":"hello","d":{"protocolVersion":1}}', "role"),
        ('{"t":"hello","d":{"role":null,"protocolVersion":1}}', "role"),
        ('{"t":"hello","d":{"role":"x","protocolVersion":true}}', "protocolVersion"),
        ('{"t":"hello","d":{"role":"x","protocolVersion":1.0}}', "protocolVersion"),
        ('{"t":"hello","d":{"role":"x","protocolVersion":9223372036854775808}}', "protocolVersion"),
        ('{"t":"hello","d":{"role":"x","protocolVersion":1,"nonce":5}}', "nonce"),
        ('{"t":"session.open","c":1,"d":{"nodeId":"n","pty":[]}}', "pty"),
        ('{"t":"session.open","c":1,"d":{"nodeId":"n","pty":{"cols":"80"}}}', "pty.cols"),
        ('{"t":"session.open","c":1,"d":{"nodeId":"n","args":"x"}}', "args"),
        ('{"t":"session.open","c":1,"d":{"nodeId":"n","env":[]}}', "env"),
        ('{"t":"session.open","c":1,"d":{"nodeId":"n","mode":1}}', "mode"),
        ('{"t":"ping","d":{"id":"a","ts":"yesterday"}}', "ts"),
        ('{"t":"node.list.response","d":{"nodes":["x"]}}', "nodes"),
        ('{"t":"node.list.response","d":{"nodes":[{"nodeId":"n"}]}}', "nodes[0].platform"),
    ],
)
def test_the_field_that_is_wrong_is_named(raw: str, field: str) -> None:
    assert refused(raw) == field


def read(raw: str) -> ControlMessage:
    frame = FrameCodec().decode(raw)
    assert isinstance(frame, ControlFrame)
    return frame.message


def test_reading_is_lenient_where_the_protocol_says_so() -> None:
    opened = read('{"t":"session.open","c":1,"x":1,"d":{"nodeId":"n","mode":"new","shellFamily":"new","y":{}}}')
    assert opened.to_wire() == {"nodeId": "n", "mode": "exec", "shellFamily": "posix"}
    assert read('{"t":"node.capabilities","d":7}').to_wire()["maxSessions"] == 50
    assert read('{"t":"hello","d":{"role":"x","protocolVersion":1,"info":7,"minVersion":null}}').to_wire() == {
        "role": "x",
        "protocolVersion": 1,
        "minVersion": 1,
    }


def test_values_in_string_maps_and_lists_become_strings() -> None:
    raw = '{"t":"session.open","c":1,"d":{"nodeId":"n","args":[1,null,true,"s",1.5],"env":{"a":false,"b":2}}}'
    assert read(raw).to_wire() == {
        "nodeId": "n",
        "mode": "exec",
        "args": ["1", "null", "true", "s", "1.5"],
        "env": {"a": "false", "b": "2"},
    }


@in_one_test(
    ("given", "written"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02 03:04:05.5+01:00", "2026-01-02T02:04:05.500Z"),
        ("20260102T030405Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05,123456Z", "2026-01-02T03:04:05.123456Z"),
    ],
)
def test_timestamps_are_read_in_all_forms_and_written_in_one(given: str, written: str) -> None:
    assert read(f'{{"t":"ping","d":{{"id":"a","ts":"{given}"}}}}').to_wire()["ts"] == written


def test_a_data_frame_is_ten_bytes_and_its_payload() -> None:
    raw = b"\x01\x02\x00\x00\x01\x02\x00\x00\x00\x03abc"
    frame = FrameCodec().decode(raw)
    assert frame == DataFrame(DataOpcode.STDOUT, 258, b"abc")
    assert FrameCodec().encode(frame) == raw


def test_the_version_of_a_data_frame_is_not_checked() -> None:
    assert decode(b"\x63\x02" + bytes(8)) is None


def test_malformed_data_frames_are_told_apart() -> None:
    assert refused(b"\x01\x09" + bytes(8)) == "opcode"
    assert refused(b"\x01\x09") == "opcode"
    assert refused(b"", "malformed_frame") == "header"
    assert refused(b"\x01\x02" + bytes(7), "malformed_frame") == "header"
    assert refused(b"\x01\x02\0\0\0\1\0\0\0\2a", "malformed_frame") == "length"
    assert refused(b"\x01\x02\0\0\0\1\0\0\0\0a", "malformed_frame") == "length"
    assert refused(b"\x01\x02\0\0\0\1\0\1\0\1" + bytes(65537), "malformed_frame") == "payload"
    with pytest.raises(ProtocolException):
        FrameCodec().encode(DataFrame(DataOpcode.STDIN, 1, bytes(65537)))
    with pytest.raises(ProtocolException):
        FrameCodec().encode(DataFrame(DataOpcode.STDIN, 2**32, b""))


def test_another_message_can_be_registered() -> None:
    class Shout(ControlMessage, kw_only=True):
        TYPE = "shout"
        words: str

    codec = FrameCodec()
    codec.register("shout", Shout.from_wire)
    assert codec.decode('{"t":"shout","d":{"words":"hey"}}') == ControlFrame(Shout(words="hey"))
    assert "shout" not in FrameCodec().message_types


def test_text_that_is_not_unicode_cannot_be_sent() -> None:
    with pytest.raises(ProtocolException):
        FrameCodec().encode(ControlFrame(Ping(id="\udc80", ts=read_time())))


def read_time() -> Any:
    return read('{"t":"ping","d":{"id":"a","ts":"2026-01-02T03:04:05Z"}}').ts  # type: ignore[attr-defined]


def test_a_message_of_very_many_values_is_refused_unread() -> None:
    text = '{"t":"ping","d":{"id":"i","ts":"2026-01-02T03:04:05Z","x":[' + "1," * 200_000 + "1]}}"
    assert isinstance(FrameCodec().decode(text), ControlFrame)
    with pytest.raises(ProtocolException, match="more than 1000 values"):
        FrameCodec(max_values=1000).decode(text)
    long = text.replace("[" + "1," * 200_000 + "1]", '"' + "y" * 300_000 + '"')
    assert isinstance(FrameCodec(max_values=1000).decode(long), ControlFrame)


def test_who_sent_a_message_of_too_many_values_can_be_told() -> None:
    codec, many = FrameCodec(max_values=1000), "[" + "1," * 200_000 + "1]"
    for text, told in (
        (f'{{"t":"session.open","c":7,"d":{many}}}', ("session.open", 7)),
        (f'{{"d":{many},"x":{many},"c":7,"t":"?"}}', ("?", 7)),
        (f'{{"t":"ping","d":{many}}}', ("ping", None)),
        (f'{{"t":"ping","c":-1,"d":{many}}}', ("ping", None)),
        (f'{{"t":1,"c":7,"d":{many}}}', ("", None)),
        (many, ("", None)),
        (many[:-1], ("", None)),
    ):
        with pytest.raises(ImproperValueException) as refused:
            codec.decode(text)
        assert (refused.value.message_type, refused.value.channel) == told
