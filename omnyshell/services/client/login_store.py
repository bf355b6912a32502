"""Saved logins: the hub, the principal and the credential (a token, the path of a key, or which key of an agent).

Imported by every client command, so it stays light: no `cryptography`, no asyncio.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.files import changing, read_private, write_private

_PIECE = re.compile(r"[0-9A-Za-z_.-]+")

PRESENT_FORMAT = "0.2"
"""The version from which on saved logins record the kind of proof that a hub takes."""


class StoredSession(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A login at one hub. Exactly one of `token` and `key_path` is given, otherwise `ValueError` is raised.

    `key_path` may be `agent:COMMENT`: a key of ssh-agent, which must have `key_fingerprint`.
    `passphrase_path` is a file with the key's passphrase; without it the user is prompted. `ca_path` is the authority
    the hub's certificate must come from; None means the system's. `name` is the user's name for the hub.
    `bind_certificate` is the hub's own certificate, where a proxy ends TLS. `bound` says that the hub announced
    `auth-bind-2`. `allow_unbound` says that the user allows it weaker proofs. `since` is `PRESENT_FORMAT`, or empty
    where an older version saved the login.
    """

    hub: str
    principal: str
    token: str | None = None
    key_path: str | None = None
    key_fingerprint: str | None = None
    passphrase_path: str | None = None
    ca_path: str | None = None
    name: str = ""
    bind_certificate: str | None = None
    allow_unbound: bool = False
    bound: bool = False
    since: str = ""

    def __post_init__(self) -> None:
        if not self.hub or not self.principal:
            raise ValueError("a saved login needs a hub and a principal")
        if bool(self.token) == bool(self.key_path):
            raise ValueError("a saved login has either a token or a key")

    def __repr__(self) -> str:
        auth = f"key_path={self.key_path!r}" if self.key_path else "token=..."
        return f"StoredSession(hub={self.hub!r}, principal={self.principal!r}, {auth}, name={self.name!r})"

    def answers_to(self, hub: str) -> bool:
        """Tell whether `hub` is this login's URL or name."""
        return _same_url(self.hub, hub) or (self.name != "" and self.name == hub)


class _Contents(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The contents of the file; `default` is the URL of a saved hub."""

    default: str | None = None
    sessions: list[StoredSession] = msgspec.field(default_factory=list)


class CredentialStore:
    """The file of saved logins, `logins.json`: one login for each hub.

    Every call reads the file, and a change replaces it whole. All raise `ConfigException`, which says what to do,
    when the file is damaged, open to other users, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, session: StoredSession, *, make_default: bool = True) -> None:
        """Save a login, replacing an earlier one at the same hub.

        Raises `ConfigException` if its name is already another hub's.
        """
        with changing(self._path):
            contents = self._read()
            others = [kept for kept in contents.sessions if not _same_url(kept.hub, session.hub)]
            if session.name and any(kept.answers_to(session.name) for kept in others):
                raise ConfigException(f"the name {session.name!r} already stands for another hub")
            contents.sessions = [*others, session]
            if make_default:
                contents.default = session.hub
            self._write(contents)

    def get(self, hub: str | None = None) -> StoredSession | None:
        """Return the login at this hub, given by URL or name; for None, the default or the only login."""
        contents = self._read()
        wanted = hub if hub is not None else contents.default
        if wanted is None:
            return contents.sessions[0] if len(contents.sessions) == 1 else None
        return next((kept for kept in contents.sessions if kept.answers_to(wanted)), None)

    def find(self, hub: str | None = None) -> StoredSession | None:
        """Return the login as `get` does, or else the only one of whose name or host `hub` is a piece.

        Raises `ConfigException` if it is a piece of several. What has more than a host's characters, as a URL, is none.
        """
        found = self.get(hub)
        if found is not None or hub is None or not _PIECE.fullmatch(hub):
            return found
        alike = [kept for kept in self.all() if hub.lower() in f"{kept.name} {_host(kept.hub)}".lower()]
        if len(alike) > 1:
            text = f"'{hub}' is a piece of several saved hubs: {', '.join(sorted(kept.hub for kept in alike))}"
            raise ConfigException(text).about("hub")
        return alike[0] if alike else None

    def beside(self, hub: str, others: Callable[[str], Iterable[str]]) -> StoredSession | None:
        """Return the login of the only hub that has this one, given by URL, among its `others`."""
        found = [kept for kept in self.all() if any(_same_url(other, hub) for other in others(kept.hub))]
        return found[0] if len(found) == 1 else None

    def make_default(self, hub: str) -> StoredSession:
        """Make the login that `find` finds the default. Raises `ConfigException` if there is none."""
        with changing(self._path):
            saved = self.find(hub)
            if saved is None:
                raise ConfigException(f"there is no saved login for {hub}")
            contents = self._read()
            contents.default = saved.hub
            self._write(contents)
            return saved

    def remove(self, hub: str) -> bool:
        """Remove the login at this hub, given by URL or name; return whether there was one.

        If it was the default, there is no default afterwards: no other hub silently takes its place.
        """
        with changing(self._path):
            contents = self._read()
            kept = [session for session in contents.sessions if not session.answers_to(hub)]
            if len(kept) == len(contents.sessions):
                return False
            contents.sessions = kept
            if not any(_same_url(session.hub, contents.default or "") for session in kept):
                contents.default = None
            self._write(contents)
            return True

    def all(self) -> list[StoredSession]:
        """Return all logins, the most recently saved last."""
        return self._read().sessions

    def default_hub(self) -> str | None:
        """Return the URL of the default hub; None if none was chosen."""
        return self._read().default

    def _read(self) -> _Contents:
        data = read_private(self._path)
        if data is None:
            return _Contents()
        try:
            return msgspec.json.decode(data, type=_Contents)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ConfigException(f"{self._path} is damaged: delete it and log in again") from exc

    def _write(self, contents: _Contents) -> None:
        write_private(self._path, msgspec.json.format(msgspec.json.encode(contents)) + b"\n")


def _host(url: str) -> str:
    return url.lower().removeprefix("wss://").partition("/")[0].partition(":")[0]


def _same_url(one: str, other: str) -> bool:
    return _address(one) == _address(other)


def _address(url: str) -> object:
    """Return the address, however it is spelt; text that is no address is returned as it is."""
    # Late: asyncio comes with it.
    from omnyshell.transport.connection import HubAddress

    try:
        return HubAddress.parse(url)
    except ConfigException:
        return url
