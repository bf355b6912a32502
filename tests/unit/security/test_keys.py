import base64
import stat
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import AuthException, ConfigException
from omnyshell.security.files import write_private
from omnyshell.security.keys import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
    decode_base64_lenient,
    encode_base64,
)

# RFC 8032 section 7.1, test 2.
RFC_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


@given(st.binary(max_size=100))
def test_base64_is_read_in_all_four_spellings(data):
    standard, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    for text in (standard, standard.rstrip("="), url_safe, url_safe.rstrip("=")):
        assert decode_base64_lenient(text) == data
    assert encode_base64(data) == standard.rstrip("=")


@given(st.text(alphabet="AZaz09+/-_= \n\té😀", max_size=12))
@example("AB")
@example("AAA=A")
@example("A===")
@example("====")
@example("AA=")
@example("+-AA")
def test_base64_has_one_spelling_a_form_and_nothing_else(text):
    try:
        data = decode_base64_lenient(text)
    except ValueError:
        return
    standard, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    assert text in {standard, standard.rstrip("="), url_safe, url_safe.rstrip("=")}


@in_one_test(
    "text", ["AAAA\n", " AAAA", "AA AA", "A", "AAAAA", "AA=", "AAA==", "AAAA=", "AB", "+-AA", "AA%3D%3D", "\u0661AAA"]
)
def test_base64_refuses(text):
    with pytest.raises(ValueError, match="not base64"):
        decode_base64_lenient(text)


def test_public_key_round_trip():
    key = Ed25519PublicKey(RFC_PUBLIC)
    text = key.to_base64()
    assert text == base64.b64encode(RFC_PUBLIC).decode().rstrip("=")
    for spelling in (text, text + "=", text.replace("/", "_").replace("+", "-")):
        assert Ed25519PublicKey.from_base64(spelling) == key
    assert len({key, Ed25519PublicKey.from_base64(text)}) == 1


@given(st.binary(max_size=70).filter(lambda data: len(data) != 32))
def test_public_key_of_another_length_is_refused(data):
    with pytest.raises(AuthException, match=r"^Authentication failed$"):
        Ed25519PublicKey.from_base64(base64.b64encode(data).decode())
    with pytest.raises(AuthException):
        Ed25519PublicKey(data)


def test_verify_against_rfc_vector():
    key = Ed25519PublicKey(RFC_PUBLIC)
    assert key.verify(RFC_SIGNATURE, b"\x72")
    assert not key.verify(RFC_SIGNATURE, b"\x73")
    assert not key.verify(RFC_SIGNATURE[:-1], b"\x72")
    assert not key.verify(b"", b"\x72")
    assert not key.verify(b"\xff" * 64, b"\x72")
    assert not Ed25519PublicKey(b"\xff" * 32).verify(RFC_SIGNATURE, b"\x72")


def test_private_key_is_saved_and_loaded(tmp_path):
    key = Ed25519PrivateKey.generate()
    path = tmp_path / "keys" / "id"
    key.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert isinstance(load_pem_private_key(path.read_bytes(), None), ed25519.Ed25519PrivateKey)
    loaded = Ed25519PrivateKey.load(path)
    assert loaded.public_key == key.public_key
    assert key.public_key.verify(loaded.sign(b"message"), b"message")
    assert repr(key) == "Ed25519PrivateKey(...)"


def test_private_key_is_overwritten_only_on_request(tmp_path):
    path = tmp_path / "id"
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    first.save(path)
    with pytest.raises(ConfigException, match="exists"):
        second.save(path)
    assert Ed25519PrivateKey.load(path).public_key == first.public_key
    second.save(path, overwrite=True)
    assert Ed25519PrivateKey.load(path).public_key == second.public_key


def test_private_key_open_to_others_is_refused(tmp_path):
    path = tmp_path / "id"
    Ed25519PrivateKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(ConfigException, match=f"chmod 600 {path}"):
        Ed25519PrivateKey.load(path)


def test_private_key_file_with_something_else(tmp_path):
    path = tmp_path / "id"
    with pytest.raises(ConfigException, match="no such key file"):
        Ed25519PrivateKey.load(path)
    write_private(path, b"-----BEGIN NONSENSE-----")
    with pytest.raises(ConfigException, match="no private key in PEM"):
        Ed25519PrivateKey.load(path)
    locked = BestAvailableEncryption(b"pass")
    write_private(path, ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    with pytest.raises(ConfigException, match="passphrase"):
        Ed25519PrivateKey.load(path)
    other = ec.generate_private_key(ec.SECP256R1())
    write_private(path, other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigException, match="not an Ed25519 one"):
        Ed25519PrivateKey.load(path)


@pytest.mark.usefixtures("unmeasured")
def test_a_token_login_does_not_import_cryptography():
    code = """
import sys
from omnyshell.security import authenticators, authorized_keys, authorizer, certificates, credentials, identity
from omnyshell.security import login_limit, uid_store
from omnyshell.services.client import login_store
context = credentials.LoginContext("nonce", "client", None)
request = credentials.TokenCredentialProvider("alice", "secret").auth_request(context, bind=True)
hub = authenticators.TokenAuthenticator([authenticators.TokenGrant.parse("alice:secret:dev")])
assert hub.authenticate(credentials.credential_from_request(request), context).roles == {"dev"}
assert not [name for name in sys.modules if name.startswith(("cryptography", "asyncio", "ssl"))]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
