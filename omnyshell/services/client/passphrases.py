"""Private keys under a passphrase, which comes from the environment, a file, or a prompt."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.paths import user_path
from omnyshell.security.files import read_private
from omnyshell.security.key_files import PassphraseException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.access_options import KEY_PASSPHRASE_FILE

PASSPHRASE, PASSPHRASE_FILE = "key_passphrase", KEY_PASSPHRASE_FILE.key
"""The keys under which a passphrase, or its file, is given. The passphrase has no option, as other users could read
it."""

PASSPHRASE_VARIABLE = f"OMNYSHELL_{PASSPHRASE.upper()}"

AskPassphrase = Callable[[Path], Iterator[str]]
"""Prompts for a key's passphrase, and yields the answers, one for each attempt allowed."""


def read_passphrase(given: Mapping[str, str]) -> tuple[bytes | None, str]:
    """Return the passphrase that is given for keys, or None, and where it comes from.

    Raises `ConfigException` for a file that cannot be read, is empty, or is open to other users.
    """
    if PASSPHRASE in given:
        return as_bytes(given[PASSPHRASE]), PASSPHRASE_VARIABLE
    if PASSPHRASE_FILE not in given:
        return None, ""
    path = user_path(given[PASSPHRASE_FILE])
    try:
        return read_line(path), str(path)
    except ConfigException as exc:
        exc.option = PASSPHRASE_FILE
        raise


def open_key(path: Path, given: Mapping[str, str], ask: AskPassphrase | None) -> Ed25519PrivateKey:
    """Return the key in a file; if it is encrypted, decrypt it with the given passphrase, or else prompt.

    Raises `PassphraseException` where there is none, or only wrong ones, and `ConfigException` for files that cannot be
    used.
    """
    passphrase, origin = read_passphrase(given)
    try:
        return Ed25519PrivateKey.load(path, passphrase)
    except PassphraseException as exc:
        if origin:
            raise PassphraseException(path, origin=origin) from exc
        if ask is None:
            raise
    return _asked(path, ask)


def as_bytes(passphrase: str) -> bytes:
    """Return a passphrase as bytes; surrogate escapes become the undecodable bytes that they stand for."""
    return passphrase.encode("utf-8", "surrogateescape")


def read_line(path: Path) -> bytes:
    """Return the passphrase in a file. Raises `ConfigException` where it is missing, empty or open to other users."""
    data = read_private(path)
    line = (data or b"").removesuffix(b"\n").removesuffix(b"\r")
    if not line:
        raise ConfigException(f"the passphrase file {path} is {'missing' if data is None else 'empty'}")
    return line


def _asked(path: Path, ask: AskPassphrase) -> Ed25519PrivateKey:
    wrong = PassphraseException(path, is_missing=True)
    for answer in ask(path):
        try:
            return Ed25519PrivateKey.load(path, as_bytes(answer))
        except PassphraseException as exc:
            wrong = exc
    raise wrong
