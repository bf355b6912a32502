"""Which hub to connect to, and how to log in: by options, then environment, then the saved login."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from omnyshell.errors import ConfigException, Remedy
from omnyshell.ids import PrincipalId
from omnyshell.paths import bound_hubs_file, known_hubs_file, logins_file, read_file, user_path
from omnyshell.security.credentials import CredentialProvider, PublicKeyCredentialProvider, TokenCredentialProvider
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.access_options import ACCESS, KEY, is_of_agent
from omnyshell.services.binding import Binding
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.services.client.login_store import PRESENT_FORMAT, CredentialStore, StoredSession
from omnyshell.services.client.passphrases import (
    PASSPHRASE,
    PASSPHRASE_FILE,
    PASSPHRASE_VARIABLE,
    AskPassphrase,
    open_key,
)
from omnyshell.services.dial import HubAccess, LoginWait
from omnyshell.services.failover import access_at
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.services.service_options import STRICT_MODES
from omnyshell.transport.connection import HubAddress

T = TypeVar("T")

_NAMES = tuple(option.key for option in ACCESS if option.kind != "flag")
_FILES = tuple(option.key for option in ACCESS if option.kind == "file")
_SECRETS = ("token", "token_file", "key")
KNOWN = "key_fingerprint"
"""What a saved login says of the key of an agent, and nobody gives."""

_SECRET_VARIABLES = ("OMNYSHELL_TOKEN", PASSPHRASE_VARIABLE)


def complete(given: Mapping[str, str], ask: AskPassphrase | None = None) -> HubAccess:
    """Return how to reach the hub, from `given` and the saved login; `ask` prompts for a key's passphrase.

    Raises `ConfigException` that says what is missing, `PassphraseException` for a missing passphrase.
    """
    strict = StrictModes.said(given.get(STRICT_MODES.key))
    strict.check(logins_file())
    strict.check(bound_hubs_file())
    store = CredentialStore(logins_file())
    saved = store.find(given.get("hub"))
    if saved is None and (home := _login_beside(given, store)) is not None:
        return access_at(_by_login(given, home, ask), HubAddress.parse(given["hub"]))
    return hub_access(given, ask) if saved is None else _by_login(given, saved, ask)


def _login_beside(given: Mapping[str, str], store: CredentialStore) -> StoredSession | None:
    """Return the login that goes on at the given hub when its own one ends, so that it need not be saved once more.

    Where a weaker proof is allowed for this hub alone, there is none.
    """
    hub = given.get("hub")
    if hub is None or "allow_unbound" in given:
        return None
    known = KnownHubs(known_hubs_file())
    saved = store.beside(hub, lambda home: [other.url for other in known.beside(home)])
    return saved if saved is not None and saved.ca_path and not saved.bind_certificate else None


def _by_login(given: Mapping[str, str], saved: StoredSession, ask: AskPassphrase | None) -> HubAccess:
    """Return how to reach the hub of a saved login. Raises as `complete` does."""
    access = hub_access(_completed(dict(given), saved), ask)
    if saved.bound:
        access.binding.hubs.assume(access.address)
    is_old = not saved.since and not any(name in given for name in _SECRETS)
    return replace(access, binding=structs.replace(access.binding, is_old_friend=is_old))


def access_from_environment(hub: str | None = None) -> HubAccess:
    """Return how to reach a hub, as the command line would: by the environment's `OMNYSHELL_...`, then the saved login.

    `hub` is its URL, or the name that its login was saved under; without one it is the environment's, or the default.
    Raises `ConfigException` that says what is missing, `PassphraseException` for a key's missing passphrase.
    """
    return complete(given_access({"hub": hub}))


def hub_access(given: Mapping[str, str], ask: AskPassphrase | None = None) -> HubAccess:
    """Return how to reach the hub, from `given` alone. Raises as `complete` does."""
    if "hub" not in given:
        raise ConfigException("which hub?").advising(Remedy.NAME_HUB)
    strict = StrictModes.said(given.get(STRICT_MODES.key))
    for name in _FILES:
        if name in given and not (name == KEY.key and is_of_agent(given[name])):
            _read(name, lambda path: strict.check(user_path(path)), given[name])
    waiting = LoginWait()
    return HubAccess(
        address=_read("hub", HubAddress.parse, given["hub"]),
        credentials=credentials_from(given, ask, waiting),
        ca=_path(given, "ca"),
        binding=binding_from(given),
        known=KnownHubs(known_hubs_file()),
        waiting=waiting,
    )


def binding_from(given: Mapping[str, str]) -> Binding:
    """Return the settings in `given` for binding logins to a hub."""
    return Binding(
        certificate=_path(given, "bind_certificate"),
        allow_unbound="allow_unbound" in given,
        hubs=BoundHubs(bound_hubs_file()),
    )


def _path(given: Mapping[str, str], name: str) -> Path | None:
    return user_path(given[name]) if name in given else None


def given_access(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the values from options and environment, by the keys of the options.

    `options` maps the options' keys to values; missing and empty ones count as not given. A secret from an option
    replaces any from the environment.
    """
    chosen = {name: value for name in _NAMES if (value := options.get(name))}
    has_secret = any(name in chosen for name in _SECRETS)
    for name in _NAMES:
        value = os.environ.get(f"OMNYSHELL_{name.upper()}")
        if value and name not in chosen and not (has_secret and name in _SECRETS):
            chosen[name] = value
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if passphrase and not options.get(PASSPHRASE_FILE):
        chosen[PASSPHRASE] = passphrase
    # Meant for one hub, so the environment cannot set it.
    if options.get("allow_unbound"):
        chosen["allow_unbound"] = "yes"
    return chosen


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without secrets, for a long-lived process of ours that does not log in as the user."""
    return {name: value for name, value in environment.items() if name not in _SECRET_VARIABLES}


def login_to_save(access: HubAccess, given: Mapping[str, str]) -> StoredSession:
    """Return the login to save, with absolute paths of its files, or with the agent's key that it was made with."""
    key, certificate = given.get("key"), access.binding.certificate
    fingerprint = None
    if key is not None and is_of_agent(key):
        key, fingerprint = _key_of_agent(access)
    elif key is not None:
        key = str(user_path(key).resolve())
    passphrase_file = given.get(PASSPHRASE_FILE) if key is not None and fingerprint is None else None
    bound = access.address in access.binding.hubs
    return StoredSession(
        hub=str(access.address),
        principal=given["principal"],
        token=None if key else given["token"],
        key_path=key,
        key_fingerprint=fingerprint,
        passphrase_path=str(user_path(passphrase_file).resolve()) if passphrase_file else None,
        ca_path=str(access.ca.resolve()) if access.ca is not None else None,
        bind_certificate=str(certificate.resolve()) if certificate is not None else None,
        allow_unbound=access.binding.allow_unbound and not bound,
        bound=bound,
        since=PRESENT_FORMAT,
    )


def _key_of_agent(access: HubAccess) -> tuple[str, str]:
    """Return which key of the agent has logged in, and its fingerprint."""
    from omnyshell.services.client.agent_login import AgentCredentialProvider

    if not isinstance(access.credentials, AgentCredentialProvider):
        raise TypeError("no login by an agent")
    return access.credentials.key, access.credentials.fingerprint


def credentials_from(
    given: Mapping[str, str], ask: AskPassphrase | None = None, waiting: LoginWait | None = None
) -> CredentialProvider:
    """Return the credential that was given; `waiting` says what a login with it waits for.

    Raises as `complete` does, also where it cannot be read. An agent is asked at each login.
    """
    principal = given.get("principal")
    if not principal:
        hub = f" at {HubAddress.parse(given['hub'])}" if "hub" in given else ""
        raise ConfigException(f"who are you{hub}?").advising(Remedy.NAME_PRINCIPAL)
    if "key" in given and is_of_agent(given["key"]):
        # It imports asyncio, and how agents are spoken to.
        from omnyshell.services.client.agent_login import AgentCredentialProvider

        known = given.get(KNOWN, "")
        return AgentCredentialProvider(PrincipalId(principal), given["key"], known, waiting or LoginWait())
    if "key" in given:
        key = _read("key", lambda path: open_key(user_path(path), given, ask), given["key"])
        return PublicKeyCredentialProvider(PrincipalId(principal), key)
    if "token" in given:
        return TokenCredentialProvider(PrincipalId(principal), given["token"])
    if "token_file" in given:
        token = _read("token_file", lambda path: read_token(user_path(path)), given["token_file"])
        return TokenCredentialProvider(PrincipalId(principal), token)
    raise ConfigException("log in with what?").advising(Remedy.GIVE_CREDENTIAL)


def read_token(path: Path) -> str:
    """Return the token in a file. Raises `ConfigException` where it cannot be read or is empty."""
    try:
        token = read_file(path).decode().strip()
    except OSError as exc:
        raise ConfigException(f"cannot read the token from {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigException(f"the token file {path} holds no text") from exc
    if not token:
        raise ConfigException(f"the token file {path} is empty")
    return token


def _read(option: str, parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except ConfigException as exc:
        exc.option = exc.option or option
        raise


def _completed(given: dict[str, str], saved: StoredSession) -> dict[str, str]:
    """Complete `given` from the saved login of that hub. The saved secret is not used for another principal."""
    result = dict(given)
    # `hub` may be the name of the saved login: replace it by the URL.
    result["hub"] = saved.hub
    if saved.ca_path:
        result.setdefault("ca", saved.ca_path)
    if saved.bind_certificate:
        result.setdefault("bind_certificate", saved.bind_certificate)
    if given.get("principal", saved.principal) != saved.principal:
        return result
    result["principal"] = saved.principal
    if saved.allow_unbound:
        result["allow_unbound"] = "yes"
    if not any(name in given for name in _SECRETS):
        if saved.key_path:
            result["key"] = saved.key_path
            if saved.key_fingerprint:
                result[KNOWN] = saved.key_fingerprint
            if saved.passphrase_path and PASSPHRASE not in given:
                result.setdefault(PASSPHRASE_FILE, saved.passphrase_path)
        elif saved.token:
            result["token"] = saved.token
    return result
