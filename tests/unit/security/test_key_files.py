"""Key files: what is written and read, and what is said of those that cannot be."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.security.key_files import (
    PassphraseException,
    decode_private_key,
    encode_private_key,
    is_encrypted,
    ssh_cipher,
)

KEY = ed25519.Ed25519PrivateKey.generate()
PASSPHRASES = (b"x", b"correct horse", b"  spaces  ", "pässwörd".encode(), b"\xff\xfe", b"a" * 300)
FORMATS = (PrivateFormat.PKCS8, PrivateFormat.OpenSSH)


def written(key, kind, passphrase=None):
    return key.private_bytes(Encoding.PEM, kind, BestAvailableEncryption(passphrase) if passphrase else NoEncryption())


def is_same(one, other=KEY):
    return one.private_bytes_raw() == other.private_bytes_raw()


@in_one_test("passphrase", PASSPHRASES)
def test_what_is_written_under_a_passphrase_is_read_with_it_alone(passphrase):
    data = encode_private_key(KEY, passphrase)
    assert is_encrypted(data)
    assert is_same(decode_private_key(data, passphrase, Path("id")))
    assert is_same(load_pem_private_key(data, passphrase))
    for wrong in (b"", passphrase + b" ", passphrase[:-1], b"another"):
        with pytest.raises(PassphraseException, match="the passphrase of id is wrong") as caught:
            decode_private_key(data, wrong, Path("id"))
        assert not caught.value.is_missing
    with pytest.raises(PassphraseException, match="id needs its passphrase") as caught:
        decode_private_key(data, None, Path("id"))
    assert caught.value.is_missing


def test_what_is_encrypted_shows_nothing_of_the_key_and_is_never_the_same_twice():
    first, second = encode_private_key(KEY, b"p"), encode_private_key(KEY, b"p")
    assert first != second
    assert KEY.private_bytes_raw() not in base64.b64decode(b"".join(first.splitlines()[1:-1]))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_both_formats_are_read_plain_and_encrypted(kind, passphrase):
    data = written(KEY, kind, passphrase)
    assert is_encrypted(data) == (passphrase is not None)
    assert is_same(decode_private_key(data, passphrase, Path("id")))
    assert is_same(decode_private_key(b"a comment\n" + data, passphrase, Path("id")))


@pytest.fixture
def other_keys():
    return ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_passphrase_for_a_plain_key_is_not_looked_at(kind):
    assert is_same(decode_private_key(written(KEY, kind), b"whatever", Path("id")))


@in_one_test("kind", FORMATS)
@in_one_test("passphrase", [None, b"secret"])
def test_other_kinds_of_keys_are_told(kind, passphrase, other_keys):
    for other in other_keys:
        with pytest.raises(ConfigException, match="id holds a private key, but not an Ed25519 one"):
            decode_private_key(written(other, kind, passphrase), passphrase, Path("id"))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_anywhere_is_an_error_of_ours(kind):
    for passphrase in (None, b"secret"):
        data = written(KEY, kind, passphrase)
        for size in range(0, len(data) - 2, 5):
            with pytest.raises(ConfigException):
                decode_private_key(data[:size], passphrase, Path("id"))


def test_ciphers_that_cannot_be_read_are_named_with_what_to_do():
    text = b"openssh-key-v1\0" + b"\0\0\0\x08" + b"3des-cbc" + b"\0" * 40
    body = base64.b64encode(text)
    data = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body + b"\n-----END OPENSSH PRIVATE KEY-----\n"
    assert ssh_cipher(data) == "3des-cbc"
    for passphrase in (None, b"secret"):
        with pytest.raises(ConfigException, match=r"3des-cbc.*ssh-keygen -p -Z aes256-ctr -f id"):
            decode_private_key(data, passphrase, Path("id"))


@in_one_test(
    "data",
    [b"", b"\0", b"ssh-ed25519 AAAA me", b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----BEGIN PRIVATE KEY-----\n"],
)
def test_what_is_no_key_is_said_so(data):
    assert not is_encrypted(data)
    with pytest.raises(ConfigException, match="id holds no private key in PEM"):
        decode_private_key(data, None, Path("id"))
