"""Sealed streams in the hands of somebody who may change them in any way, but has no key."""

import io
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.security import sealed_stream
from omnyshell.security.sealed_stream import (
    MAGIC,
    PIECE,
    Passphrase,
    Recipient,
    RecipientKey,
    SealedFile,
    SealingStream,
    Unlock,
    make_recipient,
)

CONTENTS = bytes(range(256)) * (2 * PIECE // 256) + b"the end"


class QuickLock:
    """Locks and unlocks by a key that costs nothing to make."""

    kind, wrong = b"P", "the passphrase is wrong, or the file is damaged"

    def begin(self) -> tuple[bytes, bytes]:
        return bytes(32), self.key_for(bytes(32))

    def key_for(self, random: bytes) -> bytes:
        return random


def sealed(contents: bytes, lock: QuickLock | Passphrase | Recipient) -> bytes:
    file = io.BytesIO()
    stream = SealingStream(file, lock)
    for at in range(0, len(contents), 50_000):
        stream.write(contents[at : at + 50_000])
    stream.finish()
    return file.getvalue()


def opened(data: bytes, unlock: Unlock) -> bytes:
    return b"".join(SealedFile(io.BytesIO(data), unlock).pieces())


SEALED = sealed(CONTENTS, QuickLock())
ENDS = [len(MAGIC), len(MAGIC) + 33, len(MAGIC) + 33 + PIECE + 16, len(MAGIC) + 33 + 2 * (PIECE + 16), len(SEALED) - 1]


@in_one_test("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_what_is_sealed_is_opened(size: int) -> None:
    contents = b"x" * size
    assert opened(sealed(contents, QuickLock()), QuickLock()) == contents


@given(st.one_of(st.integers(0, len(SEALED) - 1), st.sampled_from([0, *ENDS])))
def test_what_is_cut_anywhere_is_refused(size: int) -> None:
    with pytest.raises(ConfigException):
        opened(SEALED[:size], QuickLock())


@given(st.one_of(st.integers(0, len(SEALED) - 1), st.sampled_from(ENDS)), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_refused(at: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= change
    with pytest.raises(ConfigException):
        opened(bytes(changed), QuickLock())


def test_pieces_that_are_exchanged_repeated_or_added_are_refused() -> None:
    begin, size = len(MAGIC) + 33, PIECE + 16
    head, first, second, last = SEALED[:begin], *(SEALED[begin + n * size : begin + (n + 1) * size] for n in range(3))
    others = [(second, first, last), (first, last), (first, first, second, last), (first, second, last, last), (last,)]
    for pieces in others:
        with pytest.raises(ConfigException):
            opened(b"".join((head, *pieces)), QuickLock())


def test_a_passphrase_opens_what_it_sealed_and_no_other_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sealed_stream._SCRYPT_COST >= 2**17
    monkeypatch.setattr(sealed_stream, "_SCRYPT_COST", 2**8)
    data = sealed(b"secret", Passphrase("pässword ".encode()))
    assert b"secret" not in data
    assert opened(data, Passphrase("pässword ".encode())) == b"secret"
    with pytest.raises(ConfigException, match="the passphrase is wrong"):
        opened(data, Passphrase("pässword".encode()))


def test_a_key_opens_what_was_sealed_to_it_and_no_other_does(tmp_path: Path) -> None:
    public = make_recipient(tmp_path / "mine")
    make_recipient(tmp_path / "other")
    data = sealed(b"secret", Recipient.read(public))
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600
    assert opened(data, RecipientKey.load(tmp_path / "mine")) == b"secret"
    with pytest.raises(ConfigException, match="for another key"):
        opened(data, RecipientKey.load(tmp_path / "other"))
    with pytest.raises(ConfigException, match="encrypted to a key"):
        opened(data, Passphrase(b"x"))
    with pytest.raises(ConfigException, match="not overwritten"):
        make_recipient(tmp_path / "mine")


@in_one_test("key", ["", "x", "A" * 42, "A" * 43])
def test_what_is_no_key_seals_nothing(key: str) -> None:
    with pytest.raises(ConfigException, match="key"):
        sealed(b"secret", Recipient.read(key))
