"""The agent's protocol, as agents that are hostile speak it."""

import itertools

import pytest
from hypothesis import given, strategies as st
from support.agents import HeldKey
from support.raw_admin import fields

from omnyshell.security.agent.agent import AgentException
from omnyshell.security.agent.choice import chosen
from omnyshell.security.agent.wire import (
    MAX_KEYS,
    Identity,
    MessageReader,
    identities_request,
    read_identities,
    read_signature,
    sign_request,
)
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.public_keys import SecurityKey, fingerprint, read_blob

PLAIN, TOKEN = HeldKey("laptop", ""), HeldKey("token")
KEYS = {held.comment: read_blob(held.blob) for held in (PLAIN, TOKEN)}


def listed(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"\x0c" + len(pairs).to_bytes(4, "big") + b"".join(fields(*pair) for pair in pairs)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(1, 9), min_size=1))
def test_messages_are_found_however_they_are_cut(bodies: list[bytes], sizes: list[int]) -> None:
    data, found, reader = b"".join(map(fields, bodies)), [], MessageReader()
    cuts = itertools.cycle(sizes)
    while data:
        size = next(cuts)
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == bodies


@pytest.mark.parametrize("size", [0, 256 * 1024 + 1, 2**32 - 1])
def test_no_message_is_empty_or_huge(size: int) -> None:
    with pytest.raises(ValueError, match=f"of {size} bytes"):
        MessageReader().feed(size.to_bytes(4, "big"))


def test_what_is_asked() -> None:
    assert identities_request() == b"\x0b"
    for held in (PLAIN, TOKEN):
        assert sign_request(KEYS[held.comment], b"text") == b"\x0d" + fields(held.blob, b"text") + bytes(4)


def test_keys_are_listed_and_those_of_other_kinds_cannot_log_in() -> None:
    others = (fields(b"ssh-rsa", b"e", b"n"), b"", b"\xff" * 9, fields(b"ssh-ed25519", bytes(31)), PLAIN.blob + b"\0")
    pairs = [(PLAIN.blob, b"laptop"), (TOKEN.blob, b"t\xff"), *((blob, b"x") for blob in others)]
    found = read_identities(listed(*pairs))
    assert found[:2] == [Identity("laptop", KEYS["laptop"]), Identity("t\ufffd", KEYS["token"])]
    assert [each.key for each in found[2:]] == [None] * len(others)


def test_lists_that_are_none_are_refused() -> None:
    whole = listed((PLAIN.blob, b"laptop"))
    wrong = [whole[:size] for size in range(len(whole))] + [whole + b"\0", b"\x05", b"\x0e" + whole[1:]]
    for body in [*wrong, b"\x0c" + (MAX_KEYS + 1).to_bytes(4, "big"), b"\x0c\xff\xff\xff\xff"]:
        with pytest.raises(ValueError, match=r"cut off|behind|no list|\d keys"):
            read_identities(body)


def test_signatures_are_read_and_wrong_ones_refused() -> None:
    for held in (PLAIN, TOKEN):
        key, other = KEYS[held.comment], KEYS[{"laptop": "token", "token": "laptop"}[held.comment]]
        whole = held.sign(b"text")
        got = read_signature(whole, key)
        assert got is not None
        if isinstance(key, SecurityKey):
            assert (got.flags, got.counter) == (1, 1)
            assert key.verify(got.raw, b"text", 1, 1)
            # Everything that is signed counts.
            assert not any(key.verify(got.raw, *also) for also in ((b"other", 1, 1), (b"text", 5, 1), (b"text", 1, 2)))
            assert not SecurityKey(key.raw, "ssh:other").verify(got.raw, b"text", 1, 1)
            assert not any(key.verify(got.raw, b"text", *also) for also in ((-1, 1), (256, 1), (1, -1), (1, 2**32)))
        else:
            assert isinstance(key, Ed25519PublicKey)
            assert (got.flags, got.counter) == (0, 0)
            assert key.verify(got.raw, b"text")
        for body in [whole[:size] for size in range(1, len(whole))] + [whole + b"\0"]:
            with pytest.raises(ValueError, match=r"cut off|behind"):
                read_signature(body, key)
        with pytest.raises(ValueError, match="another type"):
            read_signature(whole, other)
    with pytest.raises(ValueError, match="another size"):
        read_signature(b"\x0e" + fields(fields(b"ssh-ed25519", bytes(63))), KEYS["laptop"])
    assert read_signature(b"\x05", KEYS["laptop"]) is None


@given(st.binary(max_size=200))
def test_nothing_else_than_a_value_error_comes_of_garbage(data: bytes) -> None:
    for body in (data, b"\x0c" + data, b"\x0e" + data, b"\x0e" + fields(fields(b"ssh-ed25519") + data)):
        for read in (read_identities, lambda body: read_signature(body, KEYS["token"])):
            try:
                read(body)
            except ValueError:
                continue


A, B = Identity("ann@laptop", KEYS["laptop"]), Identity("token", KEYS["token"])
RSA = Identity("old", None)


def test_which_key_is_meant() -> None:
    print_of = fingerprint(KEYS["token"])
    assert chosen([A, RSA], "")[0] == A
    assert chosen([A, B], "token")[0] == B
    assert chosen([A, B], print_of)[0] == B
    # A login that is saved goes by the key, whatever its comment is by now.
    assert chosen([A, Identity("renamed", B.key)], "token", print_of)[0].key == B.key
    sentences = {
        "holds no key: `ssh-add` gives it one": ([], ""),
        "holds no Ed25519 key (ssh-ed25519, sk-ssh-ed25519)": ([RSA], ""),
        "holds no Ed25519 key 'nobody'; it holds 'ann@laptop', 'token'": ([A, B, RSA], "nobody"),
        "holds several keys: 'ann@laptop', 'token'": ([A, B], ""),
        "holds 2 keys 'x': SHA256:": ([Identity("x", A.key), Identity("x", B.key)], "x"),
        f"does not hold the key 'token' of this login, {print_of}: `ssh-add` it": ([A], "token", print_of),
        "'\ufffd[31m'": ([Identity("\x1b[31m", A.key), B], ""),
        "and 2 more": ([Identity(str(number), A.key) for number in range(12)], ""),
    }
    for sentence, asked in sentences.items():
        with pytest.raises(AgentException) as caught:
            chosen(*asked)
        assert sentence in str(caught.value)
