"""Bytes that are no UTF-8 within a request: how they travel, and that a text has one spelling."""

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import SessionRejectedException
from omnyshell.protocol.byte_text import carry_bytes, from_wire, has_bytes, is_text, shown, to_wire
from omnyshell.protocol.messages import SessionOpen

WORDS = st.binary(max_size=24).map(lambda data: data.replace(b"\0", b""))


def held(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@given(WORDS)
def test_what_arrives_is_what_was_given(data: bytes) -> None:
    wired = to_wire(held(data))
    wired.encode()
    assert from_wire(wired).encode("utf-8", "surrogateescape") == data
    assert ("\0" in wired) is not is_text(held(data))


@given(st.text(alphabet="\x00\udc80 0189abcefg8é", max_size=24).map(lambda text: text.replace("\udc80", "\0c3\0a9")))
def test_every_text_of_the_wire_has_one_spelling(wired: str) -> None:
    read = from_wire(wired)
    assert read == held(read.encode("utf-8", "surrogateescape"))


@in_one_test(
    ("wired", "read", "told"),
    [
        ("plain", "plain", "plain"),
        ("é", "é", "é"),
        ("\0e9", "\udce9", r"\xe9"),
        ("a\0ff b\0fe", "a\udcff b\udcfe", r"a\xff b\xfe"),
        ("\0c3\0a9", "é", "é"),
        ("\0", "\0", "\0"),
        ("\0e", "\0e", "\0e"),
        ("\x0041", "\x0041", "\x0041"),
        ("\0E9", "\0E9", "\0E9"),
        ("\0\0e9", "\0\udce9", "\0" + r"\xe9"),
    ],
)
def test_a_nul_is_a_byte_only_with_its_two_digits(wired: str, read: str, told: str) -> None:
    assert (from_wire(wired), shown(wired)) == (read, told)


@in_one_test("field", ["command", "args", "cwd", "target", "env", "names"])
def test_each_field_of_a_request_carries_bytes(field: str) -> None:
    word = "x\udce9"
    given_fields = {"args": ("a", word), "env": {"A": word}, "names": {word: "A"}}
    request = SessionOpen(node_id="n", **{"env" if field == "names" else field: given_fields.get(field, word)})
    assert carry_bytes(request)
    assert has_bytes(request)
    told = (request.command, *request.args, request.cwd, request.target, *request.env, *request.env.values())
    assert "x\0e9" in told


@in_one_test("text", ["a\0b", "\0e9", "\ud800", "a\udfffb"])
def test_what_no_program_can_be_given_is_refused(text: str) -> None:
    with pytest.raises(SessionRejectedException) as caught:
        carry_bytes(SessionOpen(node_id="n", command=text))
    assert caught.value.code == "bad_request"
