"""Certificate and key files that cannot serve: what is said about each."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support.in_one_test import in_one_test
from support.pki import Issued, issue, root, weak_key

from omnyshell.errors import ConfigException
from omnyshell.security.cert_files import why_unusable
from omnyshell.services.hub.ground.certificate import load_pair

Files = tuple[Path, Path]
Damage = Callable[[Issued, Path, Path], Files | None]


def swap(_pair: Issued, cert: Path, key: Path) -> Files:
    return key, cert


def exchange_key(_pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(issue(None, names=["hub"]).key_pem())


def put_the_issuer_first(pair: Issued, cert: Path, _key: Path) -> None:
    cert.write_bytes(pair.above[0].pem + pair.pem)


def encrypt(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.key_pem(b"secret"))


def encrypt_as_openssl_did(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.key_pem().replace(b"KEY-----\n", b"KEY-----\nProc-Type: 4,ENCRYPTED\n", 1))


def put_the_key_into_both(pair: Issued, cert: Path, _key: Path) -> None:
    cert.write_bytes(pair.key_pem())


def put_the_certificate_into_both(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.pem)


def certificate_in_der(pair: Issued, cert: Path, _key: Path) -> None:
    cert.write_bytes(pair.ders[0])


def key_in_der(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def public_key(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def no_certificate(_pair: Issued, cert: Path, _key: Path) -> None:
    cert.write_bytes(b"nothing")


def no_key(_pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(b"")


def half_a_certificate(pair: Issued, cert: Path, _key: Path) -> None:
    cert.write_bytes(pair.pem[:200] + b"\n-----END CERTIFICATE-----\n")


def half_a_key(pair: Issued, _cert: Path, key: Path) -> None:
    key.write_bytes(pair.key_pem()[:60] + b"\n-----END PRIVATE KEY-----\n")


def no_file(_pair: Issued, cert: Path, _key: Path) -> None:
    cert.unlink()


@in_one_test(
    ("damage", "says"),
    [
        (swap, "certificate and key are swapped: {key} holds a private key, {cert} a certificate"),
        (exchange_key, "{key} is the key of another certificate than that in {cert}"),
        (put_the_issuer_first, "{cert}: the certificate of {key} must come first in it, and is number 2"),
        (encrypt, "{key} is encrypted"),
        (encrypt_as_openssl_did, "{key} is encrypted"),
        (put_the_key_into_both, "{cert} holds a private key and no certificate"),
        (put_the_certificate_into_both, "{key} holds a certificate and no private key"),
        (certificate_in_der, "{cert} is not PEM"),
        (key_in_der, "{key} is not PEM"),
        (public_key, "{key} holds a public key, and the private one is needed"),
        (no_certificate, "{cert} holds no certificate in PEM"),
        (no_key, "{key} holds no private key in PEM"),
        (half_a_certificate, "{cert} holds a certificate that is damaged"),
        (half_a_key, "{key} holds a private key that is damaged"),
        (no_file, "cannot read {cert}: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(tmp_path: Path, damage: Damage, says: str) -> None:
    pair = issue(root(), names=["hub"])
    cert, key = pair.write(tmp_path, "hub")
    used = damage(pair, cert, key) or (cert, key)
    with pytest.raises(ConfigException) as refused:
        load_pair(*used)
    text = str(refused.value)
    assert text.startswith(says.format(cert=cert, key=key))
    assert "_ssl" not in text
    assert "PRIVATE" not in text


def test_a_key_that_is_too_weak_is_told(tmp_path: Path) -> None:
    cert, key = issue(root(), names=["hub"], key=weak_key()).write(tmp_path, "hub")
    with pytest.raises(ConfigException, match="it has an RSA key of 1024 bits: clients refuse it; have it made anew"):
        load_pair(cert, key)


def test_right_files_and_both_in_one(tmp_path: Path) -> None:
    pair = issue(root(), names=["hub"])
    cert, key = pair.write(tmp_path, "hub", b"# M\xc3\xbcller's hub\n" + pair.chain_pem)
    assert why_unusable(cert, key) == ""
    assert load_pair(cert, key).chain == pair.ders
    cert.write_bytes(pair.key_pem() + pair.pem)
    assert load_pair(cert, cert).chain == pair.ders[:1]
