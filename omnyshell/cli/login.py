"""`omnyshell login`, `logout` and `whoami`."""

import argparse
import asyncio
import sys

from msgspec.structs import replace

from omnyshell.cli.ground.access import access_from, say_waiting
from omnyshell.cli.ground.output import say, say_json
from omnyshell.cli.ground.prompts import ask_passphrase, ask_secret
from omnyshell.errors import ConfigException
from omnyshell.paths import logins_file, user_path
from omnyshell.protocol.messages import AuthOk
from omnyshell.services.access_options import is_of_agent
from omnyshell.services.client.access import given_access, hub_access, login_to_save, read_token
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.login_store import CredentialStore
from omnyshell.services.dial import HubAccess


def login(options: argparse.Namespace) -> int:
    """Try a login, and save it as the default if it works. Prompts for what is not given."""
    if options.join:
        if is_of_agent(options.key or ""):
            text = "an invite enrols a key that is made for it: `omnyshell keys add` lets one of an agent log in"
            raise ConfigException(text)
        from omnyshell.cli.node.join import join_user

        return join_user(options)
    if options.list or options.check or options.default:
        from omnyshell.cli.saved_logins import about_saved

        return about_saved(options)
    given = given_access(vars(options))
    for name, question in (("hub", "Hub (wss://host:port): "), ("principal", "Principal: ")):
        if name not in given:
            given[name] = _ask(question, f"--{name}")
    if "token_file" in given and "key" not in given:
        given["token"] = read_token(user_path(given["token_file"]))
    if "key" not in given and "token" not in given:
        otherwise = "log in with what? give --key FILE, --key agent, --token-file FILE or OMNYSHELL_TOKEN"
        given["token"] = ask_secret("Token: ", otherwise)
    access = hub_access(given, ask_passphrase)
    access.waiting.show = say_waiting
    identity = asyncio.run(_try(access))
    store = CredentialStore(logins_file())
    before = store.get(str(access.address))
    name = options.name or (before.name if before is not None else "")
    store.save(replace(login_to_save(access, given), name=name))
    if options.json:
        _say_identity(access, identity)
    else:
        say(f"logged in to {access.address} as {identity.principal} ({_roles(identity)})")
    return 0


def logout(options: argparse.Namespace) -> int:
    """Forget a saved login."""
    store = CredentialStore(logins_file())
    saved = store.find(options.hub)
    if saved is None:
        raise ConfigException(f"there is no saved login for {options.hub}" if options.hub else "nothing is saved")
    store.remove(saved.hub)
    say(f"forgot the login at {saved.hub}")
    return 0


def whoami(options: argparse.Namespace) -> int:
    """Print the principal and roles that the hub reports for us."""
    access = access_from(options)
    identity = asyncio.run(_try(access))
    if options.json:
        _say_identity(access, identity)
    else:
        say(f"{identity.principal} ({_roles(identity)}) at {access.address}")
    return 0


async def _try(access: HubAccess) -> AuthOk:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        return client.identity


def _say_identity(access: HubAccess, identity: AuthOk) -> None:
    say_json({"hub": str(access.address), **identity.to_wire(), "sessionToken": None})


def _roles(identity: AuthOk) -> str:
    return "roles: " + ", ".join(identity.roles) if identity.roles else "no roles"


def _ask(question: str, option: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigException(f"{option} is missing")
    try:
        answer = input(question).strip()
    except EOFError:
        answer = ""
    if not answer:
        raise ConfigException(f"{option} is missing")
    return answer
