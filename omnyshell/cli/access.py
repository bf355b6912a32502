"""Which hub, as whom and with what: options, then environment, then the saved login."""

import argparse
import logging

from omnyshell.cli.asking import ask_passphrase
from omnyshell.errors import ConfigException
from omnyshell.services.client.access import complete, given_access
from omnyshell.services.dial import HubAccess


def access_from(options: argparse.Namespace) -> HubAccess:
    """Return how to reach the hub. Raises `ConfigException` that says what is missing."""
    # Whoever writes to a lost connection a few times, before its loss is known, is warned of it on stderr.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        return complete(given_access(options), ask_passphrase)
    except ConfigException as exc:
        # Of what the environment or a saved login gave, no file says anything.
        origin = getattr(options, "origins", {}).get(exc.option)
        if origin is None:
            raise
        raise ConfigException(f"{origin}: {exc}") from exc
