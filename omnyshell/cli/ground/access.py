"""Which hub to connect to, and how to log in: by options, then environment, then the saved login."""

import argparse
import logging
import os

from omnyshell.cli.ground.output import complain
from omnyshell.cli.ground.prompts import ask_passphrase
from omnyshell.errors import ConfigException
from omnyshell.services.client.access import complete, given_access
from omnyshell.services.dial import HubAccess


def access_from(options: argparse.Namespace) -> HubAccess:
    """Return how to reach the hub. Raises `ConfigException` that says what is missing."""
    # asyncio warns on stderr of writes to a connection that was lost, before its loss is reported.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        access = complete(given_access(vars(options)), ask_passphrase)
        access.waiting.show = say_waiting
        return access
    except ConfigException as exc:
        if (origin := _origin(options, exc.option)) is None:
            raise
        raise ConfigException(f"{origin}: {exc}") from exc


def say_waiting(text: str) -> None:
    """Say what a login waits for."""
    complain(f"omnyshell: {text}")


def split_user(options: argparse.Namespace) -> None:
    """Set `node` and `user` from what may be `USER@NODE`. Raises `ConfigException` where two users are named."""
    user, has_user, node = options.node.rpartition("@")
    if not has_user:
        return
    if not user or options.user not in ("", None, user):
        raise ConfigException(f"'{options.node}' names {'no' if not user else 'another'} user: say USER@NODE or --user")
    options.user, options.node = user, node


def _origin(options: argparse.Namespace, key: str | None) -> str | None:
    """Return the file or variable that gave the value; None if the command line or a saved login did."""
    if key is None:
        return None
    origins: dict[str, str] = getattr(options, "origins", {})
    variable = f"OMNYSHELL_{key.upper()}"
    is_from_there = os.environ.get(variable) and not getattr(options, key, None)
    return origins.get(key) or (variable if is_from_there else None)
