"""The `authorized_keys` file: which key proves which principal, and its roles (docs/protocol.md#authorized_keys).

# principal  key                                          roles       display name
alice        Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE  admin,dev   Alice Example
alice        sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1l  admin       Alice, by a hardware token
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Self

from omnyshell.errors import AuthException, ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.paths import read_file
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.public_keys import SK_ED25519, PublicKey, public_key_of_ssh
from omnyshell.security.secret_index import SecretIndex

VERIFY_REQUIRED = "verify-required"
"""The word before a hardware token's key that must know its owner at each login, by a PIN or a finger."""


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """One entry: whoever proves this key is this principal, with these roles."""

    principal: PrincipalId
    public_key: PublicKey
    roles: frozenset[str] = frozenset()
    display_name: str = ""
    must_verify: bool = False
    """Whether a hardware token must know its owner; a touch is needed in any case."""

    def as_principal(self) -> Principal:
        """The identity that the key proves."""
        return Principal(self.principal, self.roles, self.display_name)


def split_roles(text: str) -> frozenset[str]:
    """Read role names separated by commas; spaces around a name and empty names are dropped."""
    return frozenset(role for part in text.split(",") if (role := part.strip()))


def parse_authorized_keys(text: str, *, source: str = "authorized keys") -> list[AuthorizedKey]:
    """Read entries, one a line.

    A line of one field is skipped, and so is one that starts with `#`. Raises `ConfigException` naming `source`
    and the line when a key cannot be decoded: half a file is never taken.
    """
    return [entry for _, entry in _entries(text, source, {})]


def _entries(text: str, source: str, known: Mapping[str, AuthorizedKey]) -> Iterator[tuple[str, AuthorizedKey]]:
    """Yield each line with its entry, taken from `known` where it is there: parsing thousands takes a while."""
    for number, line in enumerate(text.split("\n"), start=1):
        entry = known.get(line) or _entry(line, source, number)
        if entry is not None:
            yield line, entry


def _entry(line: str, source: str, number: int) -> AuthorizedKey | None:
    principal, *words = line.split() or [""]
    if not words or principal.startswith("#"):
        return None
    must_verify = words[0] == VERIFY_REQUIRED
    try:
        public_key, (roles, *display_name) = _key_and_rest(words[must_verify:])
    except ConfigException as exc:
        raise ConfigException(f"{source}, line {number}: {exc}") from exc
    if must_verify and isinstance(public_key, Ed25519PublicKey):
        raise ConfigException(f"{source}, line {number}: {VERIFY_REQUIRED} is said of keys of the type {SK_ED25519}")
    return AuthorizedKey(PrincipalId(principal), public_key, split_roles(roles), " ".join(display_name), must_verify)


def _key_and_rest(words: list[str]) -> tuple[PublicKey, list[str]]:
    """Return the key at the beginning, and what follows it: at least an empty text. Raises `ConfigException`."""
    key = public_key_of_ssh(" ".join(words[:2]))
    if key is not None:
        return key, words[2:] or [""]
    try:
        return Ed25519PublicKey.from_base64(words[0] if words else ""), words[1:] or [""]
    except AuthException as exc:
        raise ConfigException("the second field is no Ed25519 key in base64") from exc


class AuthorizedKeysStore:
    """The keys a hub accepts, from a file or from entries.

    `reload` and `replace` swap the contents in one step; a reload that fails changes nothing.
    """

    def __init__(self, entries: Iterable[AuthorizedKey] = (), *, path: Path | None = None) -> None:
        self._path = path
        self._lines: dict[str, AuthorizedKey] = {}
        self.replace(entries)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a file. Raises `ConfigException` when it cannot be read or holds a wrong entry."""
        store = cls(path=path)
        store.reload()
        return store

    @property
    def entries(self) -> tuple[AuthorizedKey, ...]:
        """All entries, those of a principal together."""
        return tuple(chain.from_iterable(self._entries.values()))

    def of(self, principal: PrincipalId) -> tuple[AuthorizedKey, ...]:
        """The entries of one principal."""
        return self._entries.get(principal, ())

    def replace(self, entries: Iterable[AuthorizedKey]) -> None:
        """Take these entries instead of those held so far."""
        self._entries = _by_principal(entries)
        self._index = SecretIndex((entry.principal, entry.public_key.identity, entry) for entry in self.entries)

    def put(self, principal: PrincipalId, entries: Iterable[AuthorizedKey]) -> None:
        """Replace the entries of one principal; all of `entries` must be its own."""
        held = tuple(entries)
        self._entries.pop(principal, None)
        if held:
            self._entries[principal] = held
        self._index.put(principal, [(entry.public_key.identity, entry) for entry in held])

    def reload(self) -> frozenset[PrincipalId]:
        """Read the file again, and return whose entries have changed; does nothing where there is no file.

        Raises `ConfigException`, and keeps what it holds, when the file cannot be read or holds a wrong entry.
        """
        if self._path is None:
            return frozenset()
        lines = list(_entries(_text(self._path), str(self._path), self._lines))
        self._lines = dict(lines)
        held = _by_principal(entry for _, entry in lines)
        # In the order of the file.
        changed = [name for name in {**held, **self._entries} if held.get(name) != self._entries.get(name)]
        for name in changed:
            self.put(name, held.get(name, ()))
        return frozenset(changed)

    def find(self, principal: PrincipalId, public_key: PublicKey) -> AuthorizedKey | None:
        """The first entry for this principal and key.

        The time that this takes does not tell whether the principal is known.
        """
        entry = self.find_identity(principal, public_key.identity)
        return entry if entry is not None and entry.public_key == public_key else None

    def find_identity(self, principal: PrincipalId, identity: bytes) -> AuthorizedKey | None:
        """The first entry for this principal and a key's `identity`, as `find` does."""
        return self._index.find(principal, identity)


def _by_principal(entries: Iterable[AuthorizedKey]) -> dict[PrincipalId, tuple[AuthorizedKey, ...]]:
    held: dict[PrincipalId, tuple[AuthorizedKey, ...]] = {}
    for entry in entries:
        held[entry.principal] = (*held.get(entry.principal, ()), entry)
    return held


def _text(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8-sig")
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigException(f"{path}, line {line}: not UTF-8 text") from exc
