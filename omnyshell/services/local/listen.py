"""Has this machine's own hub listen elsewhere, whichever process it runs in, from now on."""

import time

from omnyshell.errors import ConfigException
from omnyshell.hosts import is_loopback
from omnyshell.ids import new_id
from omnyshell.services.local.listening import Listening, checked_host, write_listening
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import LocalSetup, Running
from omnyshell.transport.connection import HubAddress

FOLLOW_TIMEOUT = 10.0
POLL = 0.02


def listen_from_now_on(setup: LocalSetup, text: str, port: int | None = None) -> Listening:
    """Have the hub listen on a host beside the loopback, now if it runs, and at each start; return where that is.

    `port` is the one that others will be told where none runs. Blocks until a running hub has followed. Raises
    `ConfigException` that says what is wrong with the host, or why the hub does not listen there.
    """
    host = checked_host(text)
    setup.prepare_directory()
    running = setup.running()
    chosen = Listening(host, running.port if running is not None else port, asked=new_id())
    write_listening(setup.directory, chosen)
    if running is not None:
        _await_followed(setup, running, chosen)
    return chosen


def _await_followed(setup: LocalSetup, running: Running, chosen: Listening) -> None:
    deadline = time.monotonic() + FOLLOW_TIMEOUT
    while PidFile(setup.pid_file).is_held():
        now = setup.running()
        if now is not None and now.asked == chosen.asked:
            if now.trouble:
                raise ConfigException(now.trouble)
            return
        if time.monotonic() >= deadline:
            text = f"the hub that runs (process {running.pid}) has not followed: it does at its next start"
            raise ConfigException(text)
        # Polled, as there is no notification of what another process writes into its file.
        time.sleep(POLL)


def own_hub_at(setup: LocalSetup, address: HubAddress) -> Running | None:
    """Return this machine's own hub, if that is what one dials at the address."""
    running = setup.running() if is_loopback(address.host) else None
    return running if running is not None and running.port == address.port else None


def for_others(setup: LocalSetup, address: HubAddress) -> HubAddress:
    """Return the address by which others dial the hub that this machine dials at `address`, as far as that is known."""
    running = own_hub_at(setup, address)
    return address if running is None else address._replace(host=running.listening.public_host)
