"""The hub of this machine, in this process; it listens where its user says, also when that changes meanwhile."""

import asyncio
import logging
import os
from contextlib import suppress
from dataclasses import replace

from omnyshell.errors import OmnyShellException, TransportException
from omnyshell.hosts import LOCALHOST
from omnyshell.services.hub.ground.watched_files import stamp_of
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.services.local.listening import LISTENING_FILE, Listening, read_listening, write_listening
from omnyshell.services.local.parts import hub_config
from omnyshell.services.local.setup import DEFAULT_PORT, LocalSetup, Running, machine_node_id
from omnyshell.transport.bound_sockets import can_bind, places_of

LOOK_PERIOD = 0.25
"""Seconds between looks at what the user chose."""

RETRY_PERIOD = 10.0
"""Seconds between looks whether this machine has the address: it may be on its way to its network, or to another."""

LOOPBACK_ALONE = "the hub listens on the loopback alone"

logger = logging.getLogger("omnyshell.hub")


class LocalHub:
    """The hub, from `start` to `stop`; `announce` it once it can be used."""

    def __init__(self, setup: LocalSetup, hub: OmnyShellHub, lock: int, program: str) -> None:
        """Use `start`."""
        self._setup = setup
        self._hub = hub
        self._lock = lock
        self._is_announced = False
        self._watching = asyncio.create_task(self._watch())
        self.running = Running(os.getpid(), hub.port, machine_node_id(), program)
        """What is announced of it."""

    @classmethod
    async def start(cls, setup: LocalSetup, port: int | None, program: str) -> "LocalHub":
        """Start it on `port`; if that is None, on the one that others were told, the usual one, or a free one.

        Raises `ConfigException` where a hub runs already, and as `OmnyShellHub.start` does.
        """
        lock = setup.claim()
        try:
            chosen = read_listening(setup.directory)
            if port is not None:
                # Others are told the new one from now on.
                chosen = replace(chosen, port=None)
            trouble = await _why_not(chosen)
            used = Listening(port=chosen.port) if trouble else chosen
            hub = await _serving(setup, used, port)
        except BaseException:
            os.close(lock)
            raise
        made = cls(setup, hub, lock, program)
        made._note(chosen, used, trouble)
        return made

    def announce(self) -> None:
        """Write into the pid file that it serves, from now on also where it listens when that changes."""
        self._is_announced = True
        self._setup.announce(self._lock, self.running)

    async def stop(self) -> None:
        """End it."""
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        try:
            await self._hub.stop()
        finally:
            os.close(self._lock)

    async def _watch(self) -> None:
        """Follow what the user chooses."""
        place = self._setup.directory / LISTENING_FILE
        seen, loop = stamp_of(place), asyncio.get_running_loop()
        tried = loop.time()
        while True:
            await asyncio.sleep(LOOK_PERIOD)
            now = stamp_of(place)
            is_due = loop.time() - tried > RETRY_PERIOD and (self.running.trouble or self.running.host != LOCALHOST)
            if now != seen or is_due:
                seen, tried = now, loop.time()
                try:
                    await self._follow()
                except OmnyShellException as exc:
                    logger.error("where to listen is not followed: %s", exc)

    async def _follow(self) -> None:
        chosen = read_listening(self._setup.directory)
        trouble = await _why_not(chosen)
        try:
            if not trouble and (chosen.asked, chosen.host) != (self.running.asked, self.running.host):
                await self._listen(chosen)
        except OmnyShellException as exc:
            trouble = str(exc)
        used = Listening() if trouble else chosen
        if trouble and self.running.host != used.host:
            await self._listen(used)
        self._note(chosen, used, trouble)

    async def _listen(self, listening: Listening) -> None:
        await self._hub.listen(hub_config(self._setup, self.running.port, listening=listening))

    def _note(self, chosen: Listening, used: Listening, trouble: str) -> None:
        """Say where it listens, and keep the port that others are told from now on."""
        port = self._hub.port
        if not used.is_loopback and chosen.port not in (None, port):
            trouble = f"port {chosen.port} is in use: whoever joined by it cannot reach port {port}"
        if trouble and trouble != self.running.trouble:
            logger.warning("%s", trouble)
        if not used.is_loopback and chosen.port is None:
            write_listening(self._setup.directory, replace(chosen, port=port))
        before, self.running = self.running, replace(self.running, host=used.host, trouble=trouble, asked=chosen.asked)
        if self._is_announced and self.running != before:
            self._setup.announce(self._lock, self.running)


async def _serving(setup: LocalSetup, used: Listening, port: int | None) -> OmnyShellHub:
    """Return a hub that serves: on a free port where nobody asked for one, and the usual one was taken meanwhile."""
    found = await _port(used) if port is None else port
    hub = OmnyShellHub(hub_config(setup, found, listening=used))
    try:
        await hub.start()
    except TransportException:
        if port is not None or not found:
            raise
        hub = OmnyShellHub(hub_config(setup, await _port(used), listening=used))
        await hub.start()
    return hub


async def _why_not(chosen: Listening) -> str:
    """Return why this machine cannot listen there now; "" if it can."""
    try:
        places = await places_of(chosen.also_on)
    except OSError as exc:
        return f"{chosen.host} cannot be looked up ({exc.strerror or exc}): {LOOPBACK_ALONE}"
    return "" if can_bind(places) else f"{chosen.host} is no address of this machine now: {LOOPBACK_ALONE}"


async def _port(used: Listening) -> int:
    """The port that others were told, or the usual one; 0 for a free one if that is taken."""
    usual = used.port or DEFAULT_PORT
    return usual if can_bind(await places_of((LOCALHOST, *used.also_on)), usual) else 0
