"""Keys made by the real ssh-keygen and openssl: plain, under a passphrase, by every cipher that they have."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.agents import HeldKey
from support.deadline import DEADLINE

from omnyshell.errors import ConfigException
from omnyshell.security import key_files
from omnyshell.security.key_files import SSH_CIPHERS, PassphraseException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.public_keys import public_key_of_ssh

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
SECRET = "correct horse"


REAL_COSTS = {name: getattr(key_files, name) for name in ("SCRYPT_COST", "SCRYPT_LANES")}


@pytest.fixture(autouse=True)
def _no_cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether OpenSSL takes the cost of what we write is seen here."""
    for name, cost in REAL_COSTS.items():
        monkeypatch.setattr(key_files, name, cost)


def run(*words: str, data: bytes = b"") -> bytes:
    return subprocess.run(words, input=data, capture_output=True, check=True, timeout=DEADLINE).stdout


def ssh_key(path: Path, passphrase: str, *more: str, kind: str = "ed25519") -> Path:
    run("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), *more)
    return path


def belong_together(key: Ed25519PrivateKey, path: Path) -> bool:
    return key.public_key == public_key_of_ssh(path.with_suffix(".pub").read_text())


@needs_ssh_keygen
def test_a_plain_key_of_ssh_keygen(tmp_path: Path) -> None:
    path = ssh_key(tmp_path / "id", "")
    assert belong_together(Ed25519PrivateKey.load(path), path)


@needs_ssh_keygen
def test_every_cipher_of_ssh_keygen_is_read_or_told(tmp_path: Path) -> None:
    ciphers = run("ssh", "-Q", "cipher").decode().split()
    assert set(SSH_CIPHERS) <= set(ciphers)
    for number, cipher in enumerate(ciphers):
        path = ssh_key(tmp_path / f"id{number}", SECRET, "-Z", cipher, "-a", "4")
        if cipher in SSH_CIPHERS:
            assert belong_together(Ed25519PrivateKey.load(path, SECRET.encode()), path)
            for wrong in (b"", b"wrong"):
                with pytest.raises(PassphraseException, match="is wrong"):
                    Ed25519PrivateKey.load(path, wrong)
        else:
            with pytest.raises(ConfigException, match=rf"`ssh-keygen -p -Z aes256-ctr -f {path}` changes that"):
                Ed25519PrivateKey.load(path, SECRET.encode())
            # What is said works.
            run("ssh-keygen", "-q", "-p", "-a", "4", "-Z", "aes256-ctr", "-P", SECRET, "-N", SECRET, "-f", str(path))
            assert belong_together(Ed25519PrivateKey.load(path, SECRET.encode()), path)


@needs_ssh_keygen
@pytest.mark.parametrize(("kind", "bits"), [("rsa", "2048"), ("ecdsa", "256")])
@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_other_kinds_of_ssh_keys_are_told(tmp_path: Path, kind: str, bits: str, passphrase: str) -> None:
    path = ssh_key(tmp_path / "id", passphrase, "-b", bits, "-a", "4", kind=kind)
    with pytest.raises(ConfigException, match="but not an Ed25519 one"):
        Ed25519PrivateKey.load(path, passphrase.encode() or None)


@needs_ssh_keygen
def test_the_line_of_a_key_of_ssh_keygen_is_printed(tmp_path: Path) -> None:
    path = ssh_key(tmp_path / "id", "")
    line = run(OMNYSHELL, "keygen", "--from", str(path), "--principal", "ann").decode()
    public = public_key_of_ssh(path.with_suffix(".pub").read_text())
    assert public is not None
    assert line == f"ann {public.to_base64()} ROLE,ROLE\n"
    # A hardware token's, of which there is no private file to read.
    path.with_suffix(".pub").write_text(HeldKey("token").line())
    line = run(OMNYSHELL, "keygen", "--from", str(path.with_suffix(".pub")), "--principal", "ann").decode()
    assert line == f"ann {' '.join(path.with_suffix('.pub').read_text().split()[:2])} ROLE,ROLE\n"


@needs_ssh_keygen
def test_public_keys_that_are_none_are_told(tmp_path: Path) -> None:
    line = ssh_key(tmp_path / "id", "").with_suffix(".pub").read_text()
    assert public_key_of_ssh(line) is not None
    assert public_key_of_ssh("ssh-rsa AAAA") is None
    assert public_key_of_ssh("") is None
    for wrong in ("ssh-ed25519", "ssh-ed25519 ???", line[:60], line.replace("AAAAC3", "AAAAC4")):
        with pytest.raises(ConfigException, match="no whole ssh-ed25519 key"):
            public_key_of_ssh(wrong)


@needs_openssl
def test_what_openssl_makes_is_read_and_what_we_make_is_read_by_it(tmp_path: Path) -> None:
    plain = run("openssl", "genpkey", "-algorithm", "ed25519")
    ways = (["-scrypt"], ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter", "100000"], ["-v2", "aes-128-cbc"])
    expected = run("openssl", "pkey", "-pubout", "-outform", "DER", data=plain)[-32:]
    path = tmp_path / "id"
    for way in ways:
        path.write_bytes(run("openssl", "pkcs8", "-topk8", "-passout", f"pass:{SECRET}", *way, data=plain))
        path.chmod(0o600)
        assert Ed25519PrivateKey.load(path, SECRET.encode()).public_key.raw == expected
    key = Ed25519PrivateKey.generate()
    key.save(path, passphrase=SECRET.encode(), overwrite=True)
    public = run("openssl", "pkey", "-in", str(path), "-passin", f"pass:{SECRET}", "-pubout", "-outform", "DER")
    assert public[-32:] == key.public_key.raw
