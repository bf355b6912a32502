"""`omnyshell login --list`, `--default` and `--check`: the hubs that one has logins at."""

import argparse
import asyncio

from omnyshell.cli.ground.access import say_waiting
from omnyshell.cli.ground.output import FAILURE, describe, say, say_json, say_table
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.paths import logins_file
from omnyshell.services.client.access import complete
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.login_store import CredentialStore, StoredSession


def about_saved(options: argparse.Namespace) -> int:
    """List the saved logins, make one the default, or try them; returns 255 where one does not work."""
    store = CredentialStore(logins_file())
    if options.default:
        saved = store.make_default(options.default)
        say(f"{saved.hub} is the default now")
    states = asyncio.run(_states(store.all())) if options.check else {}
    if options.list or options.check:
        _print(store, states, as_json=options.json)
    return FAILURE if any(state != WORKS for state in states.values()) else 0


WORKS = "works"


async def _states(saved: list[StoredSession]) -> dict[str, str]:
    """Whether each login works, or why not, by the URL of its hub. All are tried at once."""
    return dict(zip((login.hub for login in saved), await asyncio.gather(*map(_state, saved)), strict=True))


async def _state(saved: StoredSession) -> str:
    try:
        access = complete({"hub": saved.hub})
        access.waiting.show = lambda text: say_waiting(f"{text} at {saved.hub}")
        async with OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)):
            return WORKS
    except OmnyShellException as exc:
        return describe(exc)


def _print(store: CredentialStore, states: dict[str, str], *, as_json: bool) -> None:
    default = store.get()
    saved = store.all()
    if as_json:
        say_json([_record(login, is_default=login == default, state=states.get(login.hub)) for login in saved])
    elif saved:
        header = ("", "HUB", "NAME", "PRINCIPAL", "WITH", *(("STATE",) if states else ()))
        say_table(header, [(*_row(login, login == default), *_state_of(login, states)) for login in saved])
    else:
        raise ConfigException("no login is saved: `omnyshell login` saves one")


def _row(login: StoredSession, is_default: bool) -> tuple[str, ...]:
    return "*" if is_default else "", login.hub, login.name or "-", login.principal, login.key_path or "a token"


def _state_of(login: StoredSession, states: dict[str, str]) -> tuple[str, ...]:
    return (states[login.hub],) if states else ()


def _record(login: StoredSession, *, is_default: bool, state: str | None) -> dict[str, object]:
    record = {"hub": login.hub, "name": login.name or None, "principal": login.principal, "key": login.key_path}
    if login.key_fingerprint:
        record["keyFingerprint"] = login.key_fingerprint
    return {**record, "default": is_default, **({"works": state == WORKS, "state": state} if state else {})}
