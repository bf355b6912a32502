"""The contents of a backup: a manifest, the hub's signature over it, and the listed files, one after another.

Manifest and signature are preceded by their lengths. All is in one sealed stream (`security/sealed_stream.py`). File
names are from a fixed set, so no file is written anywhere else.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
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
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.security.sealed_stream import PIECE, SealedFile, SealingStream
from omnyshell.services.hub.backup.maker import Maker
from omnyshell.services.hub.ground.state_names import CLUSTER_NAMES, DATABASES, STATE_NAMES

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
"""Names in a backup of the files that a hub's options name, by option."""

AUTHORITIES = (CA_CERT_FILE, CA_KEY_FILE, TUNNEL_CA_CERT_FILE, TUNNEL_CA_KEY_FILE)
"""The authorities' files, which `cert gen` puts beside the certificates that they sign."""

STATE, CONFIG = "state/", "config/"
NAMES = frozenset(
    (
        *(STATE + name for name in (*STATE_NAMES, *CLUSTER_NAMES)),
        *(CONFIG + name for name in (*SETTINGS.values(), *AUTHORITIES)),
    )
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


class _Known(msgspec.Struct, frozen=True):
    """The fields that manifests of all formats have."""

    version: str
    format: int


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """The description of a backup."""

    version: str
    maker: Maker
    created_at: str
    files: tuple[Entry, ...]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """The total size of the files in bytes."""
        return sum(member.size for member in self.files)


def entry(name: str, path: Path) -> Entry:
    """Return the manifest's entry of a file."""
    with path.open("rb") as file:
        return Entry(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def write_archive(
    stream: SealingStream, manifest: Manifest, files: Mapping[str, Path], sign: Callable[[bytes], bytes]
) -> None:
    """Write the archive, and finish the stream.

    Raises `ConfigException` for a file that does not match the manifest.
    """
    encoded = msgspec.json.encode(manifest)
    stream.write(length_prefixed(encoded, sign(encoded)))
    for member in manifest.files:
        digest = hashlib.sha256()
        with files[member.name].open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                stream.write(piece)
        if digest.hexdigest() != member.sha256:
            raise ConfigException(f"{member.name} changed while it was read: try again")
    stream.finish()


def read_archive(sealed: SealedFile, place: Callable[[str], Path | None] = lambda _name: None) -> Manifest:
    """Check a whole backup, and that the hub named in it signed it. Write each file to the path that `place` returns.

    Raises `ConfigException` for an incomplete or altered backup, and `OSError` if a file cannot be written.
    """
    contents = _Contents(sealed.pieces())
    manifest = _manifest(contents)
    for member in manifest.files:
        digest = hashlib.sha256()
        with ExitStack() as opened:
            path = place(member.name)
            file = opened.enter_context(_private_file(path)) if path is not None else None
            for piece in contents.take(member.size):
                digest.update(piece)
                if file is not None:
                    file.write(piece)
            if file is not None:
                file.flush()
                os.fsync(file.fileno())
        if digest.hexdigest() != member.sha256:
            raise ConfigException(f"{member.name} in the backup is not what the backup says of it")
    contents.expect_end()
    return manifest


def _manifest(contents: "_Contents") -> Manifest:
    encoded, signature = contents.field(), contents.field()
    try:
        known = msgspec.json.decode(encoded, type=_Known)
        if known.format != FORMAT:
            raise ConfigException(f"the backup is of version {known.version[:40]!r}, whose format is not known here")
        manifest = msgspec.json.decode(encoded, type=Manifest)
    except msgspec.MsgspecError as exc:
        raise ConfigException("this is no backup of a hub") from exc
    manifest.maker.check(signature, encoded)
    names = [member.name for member in manifest.files]
    if not NAMES.issuperset(names) or len(set(names)) != len(names):
        raise ConfigException("the backup has files that no hub has: it is not restored")
    if not {STATE + name for name in DATABASES} <= set(names):
        raise ConfigException("the backup lacks a database of the hub: it is not restored")
    if not all(0 <= member.size < _LONGEST_FILE for member in manifest.files):
        raise ConfigException("the backup has files of impossible sizes: it is not restored")
    return manifest


def _private_file(path: Path) -> BinaryIO:
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")


class _Contents:
    """Reads given numbers of bytes from a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def field(self) -> bytes:
        """Read a field that is preceded by its length. Raises `ConfigException` if it is too long, or truncated."""
        size = int.from_bytes(b"".join(self.take(_LENGTH)), "big")
        if size > _LONGEST_MANIFEST:
            raise ConfigException("this is no backup of a hub")
        return b"".join(self.take(size))

    def take(self, size: int) -> Iterator[bytes]:
        """Yield `size` bytes in parts. Raises `ConfigException` if there are fewer."""
        while size:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    raise ConfigException("the backup ends before its last file does")
            part, self._rest = self._rest[:size], self._rest[size:]
            size -= len(part)
            yield part

    def expect_end(self) -> None:
        """Raise `ConfigException` if bytes are left."""
        if self._rest or any(self._pieces):
            raise ConfigException("the backup goes on behind its last file")
