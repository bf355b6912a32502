"""A backup's maker is proven by the key that its UID follows from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from omnyshell.errors import ConfigException
from omnyshell.security.identity import UidComputer
from omnyshell.security.machine import MachineFacts
from omnyshell.services.hub.backup.maker import BackupSigner, Maker

KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def signer(place: Path, kind: str = "P-256") -> BackupSigner:
    key = KEYS[kind]()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    made = builder.sign(key, None if kind == "Ed25519" else SHA256())
    (place / "hub.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (place / "hub.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return BackupSigner(place / "hub.pem", place / "hub.key")


@pytest.mark.parametrize("kind", KEYS)
def test_what_a_hub_signs_is_its_own_and_nothing_else_is(tmp_path: Path, kind: str) -> None:
    made = signer(tmp_path, kind)
    signature = made.sign(b"manifest")
    made.maker.check(signature, b"manifest")
    leaf = x509.load_pem_x509_certificate((tmp_path / "hub.pem").read_bytes()).public_bytes(Encoding.DER)
    assert made.maker.uid == UidComputer(MachineFacts.read()).hub(leaf).value
    read = msgspec.json.decode(msgspec.json.encode(made.maker), type=Maker)
    assert read == made.maker
    other = signer(tmp_path, kind).maker
    for maker, given, data in (
        (made.maker, signature, b"manifest2"),
        (made.maker, signature[:-1], b"manifest"),
        (made.maker, b"", b"manifest"),
        (other, signature, b"manifest"),
        (Maker(b"", made.maker.machine), signature, b"manifest"),
        (Maker(made.maker.key[:-4], made.maker.machine), signature, b"manifest"),
    ):
        with pytest.raises(ConfigException, match="not signed by the hub that it names"):
            maker.check(given, data)


def test_what_tls_signs_with_the_same_key_is_no_signature_of_a_backup(tmp_path: Path) -> None:
    made = signer(tmp_path, "Ed25519")
    key = load_pem_private_key((tmp_path / "hub.key").read_bytes(), None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    with pytest.raises(ConfigException, match="not signed"):
        made.maker.check(key.sign(b"manifest"), b"manifest")


def test_the_same_key_on_another_machine_is_another_hub(tmp_path: Path) -> None:
    made = signer(tmp_path).maker
    elsewhere = MachineFacts(machine_id="x", os="linux", arch="x64", hostname="elsewhere")
    assert Maker(made.key, elsewhere).uid != made.uid


def test_a_key_that_was_exchanged_while_it_was_read_signs_nothing(tmp_path: Path) -> None:
    made, other = signer(tmp_path), signer(tmp_path)
    made.maker = other.maker
    with pytest.raises(ConfigException, match="not signed"):
        made.sign(b"manifest")
