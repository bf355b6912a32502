"""The files that a join leaves: where they are kept, which hub they belong to, and when they may be replaced.

Names come from the user's request and from validated ids, never from the hub unchecked. Existing files are replaced
only if they belong to the same hub: the same address, and the same authority.
"""

import hashlib
import re
import ssl
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omnyshell.errors import ConfigException, Remedy
from omnyshell.ids import is_node_id, new_id, short_id
from omnyshell.paths import read_file
from omnyshell.security.files import write_private
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.transport.connection import HubAddress
from omnyshell.transport.tls import chain_of

KEY, AUTHORITY, SETTINGS = "key.pem", "ca.pem", "node.toml"

LONGEST_DIRECTORY_NAME = 128
"""Characters of a node id that can name a directory on any file system."""

_READABLE = 64
"""Characters of an address that are kept in a directory's name."""

_HASHED = 16


def check_directory_name(node_id: str) -> None:
    """Check that a node id can name a directory. Raises `ConfigException`."""
    if not is_node_id(node_id) or node_id.startswith(".") or len(node_id) > LONGEST_DIRECTORY_NAME:
        text = f"use up to {LONGEST_DIRECTORY_NAME} letters, digits, '_', '.' and '-', without a '.' in front"
        raise ConfigException(f"'{node_id[:LONGEST_DIRECTORY_NAME]}' cannot be the id of a node here: {text}")


class JoinFiles:
    """The key and the authority of one join.

    They are written to a temporary directory before the token is spent, and moved afterwards.
    """

    def __init__(self, address: HubAddress, authority: str, parent: Path) -> None:
        """`authority` is the certificate, in PEM, that the hub is pinned to; `parent` is where directories are made."""
        self.address = address
        self.key = Ed25519PrivateKey.generate()
        self._authority = ssl.PEM_cert_to_DER_cert(authority)
        self._parent = parent
        self._directory = parent / f".joining-{short_id(new_id())}"
        self.key.save(self._directory / KEY)
        write_private(self.authority_file, authority.encode())

    @property
    def authority_file(self) -> Path:
        """The path of the pinned authority, until the files are settled or discarded."""
        return self._directory / AUTHORITY

    def may_take(self, node_id: str) -> bool:
        """Whether that node's directory is free, or holds the files of an earlier join at the same hub."""
        return self._owner(self._parent / node_id) is None

    def check_node(self, node_id: str) -> None:
        """Raise `ConfigException` where that node's directory belongs to another hub."""
        owner = self._owner(self._parent / node_id)
        if owner is not None:
            text = f"{self._parent / node_id} is of {owner}: choose another place, or another id"
            raise ConfigException(text).advising(Remedy.OTHER_PLACE)

    def check_login(self, store: CredentialStore) -> None:
        """Raise `ConfigException` where the saved login for this hub trusts another authority."""
        saved = store.get(str(self.address))
        if saved is not None and not self._is_trusted_by(saved):
            text = f"there is a login at {saved.hub} already, which trusts another authority than this invite"
            raise ConfigException(f"{text}: `omnyshell logout` forgets it, if it is the same hub")

    def settle_node(self, node_id: str) -> Path:
        """Move the files to that node's directory, and return it. Raises `ConfigException` that says where they are."""
        try:
            self.check_node(node_id)
        except ConfigException as exc:
            raise ConfigException(f"joined as '{node_id}', but {exc}; the key is in {self._directory}") from exc
        return self._settle(node_id)

    def settle_login(self, principal: str) -> Path:
        """Move the files to the directory of that login at this hub and authority, and return it."""
        identity = "\0".join((str(self.address), self._authority.hex(), principal))
        digest = hashlib.sha256(identity.encode()).hexdigest()[:_HASHED]
        return self._settle(f"{_readable(self.address.host)}-{self.address.port}-{digest}").resolve()

    @contextmanager
    def discarded_on_failure(self) -> Iterator[None]:
        """Delete the files if the body raises."""
        try:
            yield
        except BaseException:
            for file in (KEY, AUTHORITY):
                (self._directory / file).unlink(missing_ok=True)
            self._directory.rmdir()
            raise

    def _settle(self, name: str) -> Path:
        target = self._parent / name
        try:
            target.mkdir(mode=0o700, exist_ok=True)
            for file in (KEY, AUTHORITY):
                (self._directory / file).replace(target / file)
            self._directory.rmdir()
        except OSError as exc:
            text = f"joined, but cannot write {target}: {exc.strerror}; the key is in {self._directory}"
            raise ConfigException(text) from exc
        return target

    def _owner(self, directory: Path) -> str | None:
        """Return in words to whom a directory belongs; None where it is free or belongs to this hub."""
        if not any((directory / file).exists() for file in (KEY, AUTHORITY, SETTINGS)):
            return None
        hub = _hub_of(directory / SETTINGS)
        if hub != self.address:
            return f"another hub, {hub}" if hub is not None else "another hub"
        return None if self._is_pinned_in(directory / AUTHORITY) else f"{hub} with another authority"

    def _is_trusted_by(self, saved: StoredSession) -> bool:
        # A login that trusts the system's authorities has no certificate to compare with this hub's.
        return saved.ca_path is not None and self._is_pinned_in(Path(saved.ca_path))

    def _is_pinned_in(self, file: Path) -> bool:
        try:
            return self._authority in chain_of(file)
        except ConfigException:
            return False


def _hub_of(settings: Path) -> HubAddress | None:
    """Return the hub that a node's settings name; None where it cannot be read from them."""
    try:
        return HubAddress.parse(str(tomllib.loads(read_file(settings).decode()).get("hub", "")))
    except (OSError, ValueError, ConfigException):
        return None


def _readable(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", host)[:_READABLE].lstrip(".")
