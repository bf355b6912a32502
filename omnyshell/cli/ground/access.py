"""Which hub, as whom and with what: options, then environment, then the saved login."""

import argparse
import logging
import os

from omnyshell.cli.ground.prompts import ask_passphrase
from omnyshell.errors import ConfigException
from omnyshell.services.client.access import complete, given_access
from omnyshell.services.dial import HubAccess


def access_from(options: argparse.Namespace) -> HubAccess:
    """Return how to reach the hub. Raises `ConfigException` that says what is missing."""
    # Whoever writes to a lost connection a few times, before its loss is known, is warned of it on stderr.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        return complete(given_access(vars(options)), ask_passphrase)
    except ConfigException as exc:
        if (origin := _origin(options, exc.option)) is None:
            raise
        raise ConfigException(f"{origin}: {exc}") from exc


def _origin(options: argparse.Namespace, key: str | None) -> str | None:
    """Return which line of a file, or variable, gave the value; None where it was said, or a saved login has it."""
    if key is None:
        return None
    origins: dict[str, str] = getattr(options, "origins", {})
    variable = f"OMNYSHELL_{key.upper()}"
    is_from_there = os.environ.get(variable) and not getattr(options, key, None)
    return origins.get(key) or (variable if is_from_there else None)
