"""What is inside a backup: the length of a manifest, the manifest, and the files that it lists, one behind the other.

All is in one sealed stream (`security/sealed_stream.py`). Names are from a fixed set: no file leads anywhere else.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.cert_generator import (
    CA_CERT_FILE,
    CA_KEY_FILE,
    HUB_CERT_FILE,
    HUB_KEY_FILE,
    TUNNEL_CA_CERT_FILE,
    TUNNEL_CA_KEY_FILE,
    TUNNEL_CERT_FILE,
    TUNNEL_KEY_FILE,
)
from omnyshell.security.sealed_stream import PIECE, SealedFile, SealingStream
from omnyshell.services.hub.audit_store import AUDIT_FILE, KEY_FILE as AUDIT_KEY_FILE
from omnyshell.services.hub.kept_store import KEY_FILE as SESSIONS_KEY_FILE
from omnyshell.services.hub.store import STATE_FILE

UID_FILE = "uid-hub.json"
DATABASES = (STATE_FILE, AUDIT_FILE)
STATE_NAMES = (*DATABASES, AUDIT_KEY_FILE, SESSIONS_KEY_FILE, UID_FILE)
"""The files of a state directory."""

SETTINGS = {
    "config": "hub.toml",
    "cert": HUB_CERT_FILE,
    "key": HUB_KEY_FILE,
    "tunnel_cert": TUNNEL_CERT_FILE,
    "tunnel_key": TUNNEL_KEY_FILE,
    "authorized_keys": "authorized_keys",
    "grant_token_file": "grant-tokens",
    "metrics_token_file": "metrics-token",
    "audit_sink_ca": "audit-sink-ca.pem",
    "audit_sink_cert": "audit-sink.pem",
    "audit_sink_key": "audit-sink.key",
}
"""The files that a hub's options name, by the option."""

AUTHORITIES = (CA_CERT_FILE, CA_KEY_FILE, TUNNEL_CA_CERT_FILE, TUNNEL_CA_KEY_FILE)
"""What `cert gen` puts beside the certificates that it signs."""

STATE, CONFIG = "state/", "config/"
NAMES = frozenset(
    {*(STATE + name for name in STATE_NAMES), *(CONFIG + name for name in (*SETTINGS.values(), *AUTHORITIES))}
)

FORMAT = 1
_LENGTH = 4
_LONGEST_MANIFEST = 64 * 1024
_LONGEST_FILE = 2**50


class Entry(msgspec.Struct, frozen=True):
    """A file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a backup is."""

    version: str
    hub: str
    """The hub's UID."""

    created_at: str
    files: tuple[Entry, ...]
    format: int = FORMAT


def entry(name: str, path: Path) -> Entry:
    """Describe a file."""
    with path.open("rb") as file:
        return Entry(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def write_archive(stream: SealingStream, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Write all, and end the stream. Raises `ConfigException` for a file that is not as the manifest says."""
    encoded = msgspec.json.encode(manifest)
    stream.write(len(encoded).to_bytes(_LENGTH, "big") + encoded)
    for member in manifest.files:
        digest = hashlib.sha256()
        with files[member.name].open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                stream.write(piece)
        if digest.hexdigest() != member.sha256:
            raise ConfigException(f"{member.name} changed while it was read: try again")
    stream.finish()


def read_archive(sealed: SealedFile, into: Path | None = None) -> Manifest:
    """Check a whole backup, and write its files below `into`, where that is given, by their names.

    Raises `ConfigException` for one that is not whole, and `OSError` where a file cannot be written.
    """
    contents = _Contents(sealed.pieces())
    manifest = _manifest(contents)
    for member in manifest.files:
        digest = hashlib.sha256()
        with ExitStack() as opened:
            file = opened.enter_context(_private_file(into / member.name)) if into is not None else None
            for piece in contents.take(member.size):
                digest.update(piece)
                if file is not None:
                    file.write(piece)
        if digest.hexdigest() != member.sha256:
            raise ConfigException(f"{member.name} in the backup is not what the backup says of it")
    contents.expect_end()
    return manifest


def _manifest(contents: "_Contents") -> Manifest:
    size = int.from_bytes(b"".join(contents.take(_LENGTH)), "big")
    if size > _LONGEST_MANIFEST:
        raise ConfigException("this is no backup of a hub")
    try:
        manifest = msgspec.json.decode(b"".join(contents.take(size)), type=Manifest)
    except msgspec.MsgspecError as exc:
        raise ConfigException("this is no backup of a hub") from exc
    if manifest.format != FORMAT:
        raise ConfigException(f"the backup is of version {manifest.version[:40]!r}, whose format is not known here")
    names = [member.name for member in manifest.files]
    if not NAMES.issuperset(names) or len(set(names)) != len(names):
        raise ConfigException("the backup has files that no hub has: it is not restored")
    if not {STATE + name for name in DATABASES} <= set(names):
        raise ConfigException("the backup lacks a database of the hub: it is not restored")
    if not all(0 <= member.size < _LONGEST_FILE for member in manifest.files):
        raise ConfigException("the backup has files of impossible sizes: it is not restored")
    return manifest


def _private_file(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")


class _Contents:
    """The bytes of a stream, taken by their number."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def take(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes, in parts. Raises `ConfigException` where there are fewer."""
        while size:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    raise ConfigException("the backup ends before its last file does")
            part, self._rest = self._rest[:size], self._rest[size:]
            size -= len(part)
            yield part

    def expect_end(self) -> None:
        """Raises `ConfigException` where bytes are left."""
        if self._rest or any(self._pieces):
            raise ConfigException("the backup goes on behind its last file")
