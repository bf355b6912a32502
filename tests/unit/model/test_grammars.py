"""Each value that a peer sends is held against its field's grammar where it is read."""

import itertools
import json
from typing import Any

import pytest
from support.declarations import DeclaredField, every_declaration, every_message, fields_of
from support.in_one_test import in_one_test
from support.message_samples import sample

from omnyshell import FrameCodec, ProtocolException
from omnyshell.errors import ImproperValueException
from omnyshell.model import grammars
from omnyshell.model.schema import ANSWERED, FREE, Grammar
from omnyshell.protocol.messages import Ping
from omnyshell.protocol.messages.extending import extension_messages

UUID = "0a1b2c3d-0000-4000-8000-000000000000"
UNSAFE = ("\0", "\n", "\r", "\t", "\x1b[2J", "\x7f", "\x85", "\x9b2J", "\u200b", "\u202e", "\u2028", "\ufeff", "\ud800")
"""What a terminal, a list or a file would obey, or what is not seen."""

# grammar: values that fit, values that do not.
TABLE: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "NODE_ID": (("n", "web-1", "A_b.c", "..", "x" * 255), ("", "a b", "a/b", "ä", "x" * 256)),
    "NODE_ID_OR_NONE": (("", "n"), ("a/b",)),
    "EXPOSER_ID": (("@local", "n"), ("", "@other", "@")),
    "HUB_ID": (("a", "hub-1", "x" * 32), ("", "A", "a b", "-a", "a-", "a.b", "x" * 33)),
    "HUB_ID_OR_NONE": (("", "a"), ("-",)),
    "HUB_INVITATION": (("omnyhub-a_-Z9",), ("", "omnyhub-", "omnyhub-a b", "omnyhub-a;b", "omnyhub-a\n", "x")),
    "HUB_INVITATION_OR_NONE": (("", "omnyhub-aZ09_-"), ("omnyhub-", "x", "omnyhub-a=", "omnyhub-" + "x" * 65537)),
    "EPOCH": ((0, 2**53 - 1), (-1, 2**53)),
    "UID": (("nod_a", "hub_A-z_0"), ("", "nod_", "x_a", "nod_a=", "nod_a/b", "nod_" + "a" * 252)),
    "UID_OR_NONE": (("", "hub_a"), ("u",)),
    "PRINCIPAL": (("a", "node:web-1", "böx", "a b", "node:" + "x" * 255), ("", "x" * 261)),
    "PRINCIPAL_OR_NONE": (("", "a"), ("x" * 261,)),
    "FACT": (("", "Debian GNU/Linux 13 (trixie)", "x" * 128), ("a\nb", "\x1b[2J", "x" * 129)),
    "PRINCIPALS": (((), ("ann", "node:web-1"), ("p",) * 1024), (("",), ("p",) * 1025, ("x" * 261,))),
    "LOGIN_OR_NONE": (("", "ann", "dom\\ann", "x" * 256), ("a b", "a,b", "x" * 257)),
    "ROLE": (("admin", "a b", "x" * 256), ("", "a,b", "x" * 257)),
    "ROLES": (((), ("admin", "a b"), ("r",) * 1024), (("",), ("a,b",), ("r",) * 1025, ("x" * 257,))),
    "SESSION_ID": ((UUID, UUID.upper()), ("", "s", UUID[:-1], UUID + "0", UUID.replace("-", ""), f"{{{UUID}}}")),
    "SESSION_ID_OR_NONE": (("", UUID), ("s",)),
    "SHORT_ID": (("", "0a1b2c3d", UUID), ("../..", "0a1b2c3d;reboot", "a b", UUID + "0")),
    "TUNNEL_ID": (("t", "A-_9" * 32), ("", "a/b", "a b", "a" * 129)),
    "TUNNEL_ID_OR_NONE": (("", "t"), ("a b",)),
    "ID": (("c", UUID, "node:web.1"), ("", "a b", "a/b", "a" * 129)),
    "WORD": (("client", "exec"), ("", "a b", "a" * 65)),
    "ADDRESS": (("", "192.0.2.7:40312", "[2001:db8::1%eth0]:1"), ("a b", "a" * 129)),
    "HOST": (("localhost", "::1", "bücher.example", "x" * 256), ("", "a b", "x" * 257)),
    "HOST_OR_NONE": (("", "h"), ("a b",)),
    "NONCE": (("n", "A-_9" * 10), ("", "a b", "a+b", "a" * 257)),
    "SECRET": (("t", "a+b/c=~!"), ("", "a b", "ä", "t" * 4097)),
    "SECRET_OR_NONE": (("", "t"), ("a b",)),
    "BASE64": (("", "AA==", "a+b/"), ("a-b_", "A=A", "A===", "a b", "A" * (4 * 1024 * 1024 + 1))),
    "FINGERPRINT": (("sha256:" + "0f" * 32,), ("", "f", "sha256:" + "0F" * 32, "sha256:" + "0" * 63, "0" * 64)),
    "FINGERPRINT_OR_NONE": (("", "sha256:" + "0f" * 32), ("f",)),
    "SETTINGS": (({}, {"env": "prod = 1", "a b": ""}), ({"": "x"}, {"a=b": "x"}, {"a": "b\nc"}, {"a\nb": "c"})),
    "PORT": ((1, 65535), (0, -1, 65536, 2**62)),
    "COUNT": ((0, 2**63 - 1), (-1, -(2**63))),
    "OFFSET": ((0, 2**62 - 1), (-1, 2**62)),
    "WEIGHT": ((0, 100, 1000), (-1, 1001)),
    "HUB_URL": (("wss://h", "wss://[::1]:1/p", "wss://" + "x" * 300), ("", "h:1", "https://h", "wss://", "wss://a b")),
    "CREDIT": ((1, 2**31 - 1), (0, -5, 2**31)),
    "EXIT_CODE": ((0, -9, 255, -(2**31), 2**32 - 1), (-(2**31) - 1, 2**32)),
    "STATUS": ((0, 200, 999), (-1, 1000)),
}


def named() -> dict[str, Grammar]:
    return {name: value for name, value in vars(grammars).items() if isinstance(value, Grammar)}


def test_the_table_has_every_grammar() -> None:
    assert set(TABLE) == set(named())


@in_one_test("name", TABLE)
def test_what_fits_is_taken_and_what_does_not_is_refused(name: str) -> None:
    grammar, (good, bad) = named()[name], TABLE[name]
    assert [value for value in good if not grammar.fits(value)] == []
    assert [value for value in bad if grammar.fits(value)] == []
    assert grammar.rule


@in_one_test("name", TABLE)
def test_no_text_that_fits_holds_what_a_terminal_obeys(name: str) -> None:
    grammar, (good, _) = named()[name], TABLE[name]
    for text in (value for value in good if isinstance(value, str) and len(value) < 64):
        for unsafe in UNSAFE:
            for spoilt in (text + unsafe, unsafe + text, text[:1] + unsafe + text[1:]):
                assert not grammar.fits(spoilt), repr(spoilt)


def test_every_text_and_number_says_what_it_may_be() -> None:
    for field in itertools.chain.from_iterable(map(fields_of, every_declaration())):
        says = [field.grammar is not None, FREE in field.marks, ANSWERED in field.marks]
        assert says.count(True) == (1 if _needs_one(field) else 0), str(field)


def _needs_one(field: DeclaredField) -> bool:
    return field.kind in (str, int, tuple[str, ...], dict[str, str])


@in_one_test("declared", every_message(), ids=lambda cls: cls.TYPE)
def test_a_message_with_one_improper_value_is_refused_and_the_field_named(declared: Any) -> None:
    codec = FrameCodec().learn(extension_messages())
    names = {id(grammar): name for name, grammar in named().items()}
    body = sample(declared, every_field=True)
    _read(codec, declared.TYPE, body)
    for field in fields_of(declared):
        if field.grammar is None:
            continue
        for value in TABLE[names[id(field.grammar)]][1]:
            # A list of texts is read from a list; a lone surrogate is no JSON that anybody reads.
            spoilt = body | {field.field.wire: list(value) if isinstance(value, tuple) else value}
            with pytest.raises(ImproperValueException) as refused:
                _read(codec, declared.TYPE, spoilt)
            assert refused.value.field == field.field.wire


def _read(codec: FrameCodec, message_type: str, body: dict[str, Any]) -> None:
    codec.decode_control(json.dumps({"t": message_type, "c": 1, "d": body}).encode())


def test_the_place_of_an_improper_value_is_named_however_deep() -> None:
    platform = {"os": "linux", "arch": "x64"}
    nodes = [{"nodeId": "n1", "platform": platform}, {"nodeId": "../n2", "platform": platform}]
    with pytest.raises(ImproperValueException) as refused:
        _read(FrameCodec(), "node.list.response", {"nodes": nodes})
    assert (refused.value.field, refused.value.message_type) == ("nodes[1].nodeId", "node.list.response")
    assert str(refused.value).startswith(
        "refused what a peer sent, node.list.response: nodes[1].nodeId: must be a node id"
    )
    capable = [{"nodeId": "n1", "platform": platform, "capabilities": {"maxSessions": -1}}]
    with pytest.raises(ImproperValueException) as refused:
        _read(FrameCodec(), "node.list.response", {"nodes": capable})
    assert refused.value.field == "nodes[0].capabilities.maxSessions"


@in_one_test(
    "moment",
    [
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"),
        # In UTC, in which they would be passed on, these lie in year 1 and in year 9999.
        *("0002-01-01T00:00:00+23:59", "9998-12-31T23:59:59-23:59"),
    ],
)
def test_a_time_that_no_time_zone_can_show_is_refused(moment: str) -> None:
    with pytest.raises(ProtocolException):
        _read(FrameCodec(), "ping", {"id": "i", "ts": moment})


@pytest.mark.parametrize("moment", ["0002-01-01T23:59:00+23:59", "9998-12-31T00:00:59-23:59"])
def test_a_time_that_is_taken_is_taken_from_who_passes_it_on(moment: str) -> None:
    ping = Ping.from_wire({"id": "i", "ts": moment})
    assert Ping.from_wire(ping.to_wire()) == ping


def test_a_timestamp_may_end_in_z() -> None:
    frame = FrameCodec().decode('{"t":"ping","d":{"id":"i","ts":"2026-01-02T03:04:05z"}}')
    assert frame.message.to_wire()["ts"] == "2026-01-02T03:04:05.000Z"  # type: ignore[union-attr]
