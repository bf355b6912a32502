"""The hub of a console: this machine's own, or one that is reached with a login."""

import argparse
import asyncio
import time
from contextlib import suppress
from typing import Protocol

from omnyshell.errors import ConfigException
from omnyshell.extras import require
from omnyshell.paths import logins_file
from omnyshell.services.client.access import complete, given_access
from omnyshell.services.client.login_store import CredentialStore
from omnyshell.services.dial import HubAccess
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import LOGIN_NAME, LocalSetup, Running
from omnyshell.tui.embedded import EmbeddedHub
from omnyshell.tui.node_watch import NodeWatch

IDLE_TIMEOUT = 3.0
"""Seconds for this machine's node to end, if it has no sessions."""

APPEAR_TIMEOUT = 10.0
POLL = 0.02


class Place(Protocol):
    """A hub to connect to."""

    label: str
    """Its name for people."""

    @property
    def own_node(self) -> str:
        """The node of this machine where the hub ends with this console; "" where it goes on."""
        ...

    @property
    def trouble(self) -> str:
        """What is wrong with where the hub listens, if this machine's own one does not where it should."""
        ...

    def begin(self) -> None:
        """Begin to start whatever is needed, without waiting. Idempotent."""
        ...

    async def access(self) -> HubAccess:
        """Wait until it can be reached, and return the access."""
        ...

    def revive(self) -> None:
        """Start a lost hub again, if this console has to. Called regularly while the hub is lost."""
        ...

    def tend(self) -> str:
        """Start this machine's node again if this console has to; returns what to tell of it. Called regularly."""
        ...

    def leave(self) -> list[str]:
        """End what was started only for this console; return lines for the user about what goes on."""
        ...


class RemoteHub:
    """A remote hub."""

    def __init__(self, access: HubAccess) -> None:
        self._access = access
        self.label = str(access.address)
        self.own_node = self.trouble = ""

    def begin(self) -> None:
        """Do nothing."""

    async def access(self) -> HubAccess:
        """Return the access."""
        return self._access

    def revive(self) -> None:
        """Do nothing: somebody else runs it."""

    def tend(self) -> str:
        """Do nothing."""
        return ""

    def leave(self) -> list[str]:
        """Return no lines: nothing was started."""
        return []


class ThisMachine:
    """The hub of this machine: a running one, or else one in this process, with a node as another process."""

    def __init__(self, setup: LocalSetup) -> None:
        self._setup = setup
        self._node = LocalNode(setup)
        self._watch = NodeWatch(self._node)
        self._embedded: EmbeddedHub | None = None
        self._running: Running | None = None
        self.label = "this machine"

    @property
    def own_node(self) -> str:
        """The node's id, where this console serves the hub."""
        serves = self._embedded is not None and not self._embedded.has_failed and self._running is not None
        return self._running.node_id if serves and self._running is not None else ""

    @property
    def trouble(self) -> str:
        """What the hub said when it was found."""
        return self._running.trouble if self._running is not None else ""

    def begin(self) -> None:
        """Start the hub, unless one runs."""
        if self._running is None and self._embedded is None:
            self._running = self._setup.running()
            if self._running is None:
                # Started before anything else, so that it loads in parallel with the user interface.
                self._serve(None)

    def _serve(self, port: int | None) -> None:
        self._setup.prepare_directory()
        # Where it cannot be started, the watch tells why, and tries again.
        with suppress(ConfigException):
            self._node.start()
        self._embedded = EmbeddedHub(self._setup, port)
        self._embedded.start()

    async def access(self) -> HubAccess:
        """Wait for the hub. Raises the error that kept it from starting; asked again, it starts it again."""
        self.begin()
        if self._running is None:
            self._running = await self._started()
        return self._setup.admin_access(self._running)

    def revive(self) -> None:
        """Start a hub in this console if it used the hub of another console that was closed."""
        if self._embedded is not None and self._embedded.has_failed:
            # Another console was faster, or another program has the port for now.
            self._embedded = None
        elif self._running is not None and self._embedded is None and self._setup.running() is None:
            # On the same port, where other consoles look for it.
            self._serve(self._running.port)

    def tend(self) -> str:
        """Start the node again where it was lost while this console serves the hub."""
        return self._watch.look() if self.own_node else ""

    def leave(self) -> list[str]:
        """End the hub, and the node if it has no sessions."""
        if self._embedded is None:
            return []
        ended = self._node.end_if_idle(IDLE_TIMEOUT)
        pid = self._node.pid()
        self._embedded.stop()
        if ended:
            return []
        return [
            f"This machine's node goes on with its sessions (process {pid}).",
            "`omnyshell-console` finds them again; `omnyshell down` ends them.",
        ]

    async def _started(self) -> Running:
        assert self._embedded is not None  # noqa: S101  # begun
        try:
            return await asyncio.wrap_future(self._embedded.started)
        except Exception as exc:
            self._embedded.stop()
            self._embedded = None
            if isinstance(exc, ConfigException) and PidFile(self._setup.pid_file).is_held():
                # Another process was faster, and may be about to serve.
                return await self._elsewhere()
            raise

    async def _elsewhere(self) -> Running:
        deadline = time.monotonic() + APPEAR_TIMEOUT
        while (running := self._setup.running()) is None:
            if time.monotonic() >= deadline:
                raise ConfigException(f"another process holds {self._setup.pid_file}, and serves nothing")
            # Polled, as there is no notification of what another process writes into its file.
            await asyncio.sleep(POLL)
        return running


def chosen_place(options: argparse.Namespace) -> Place | None:
    """Return the hub from options, environment and saved logins; None if the user has to choose.

    Raises `ConfigException` for an invalid option.
    """
    if options.local:
        return _this_machine(options)
    given = given_access(vars(options))
    store = CredentialStore(logins_file())
    saved = store.get(given.get("hub"))
    if "hub" not in given:
        if not store.all() or (saved is not None and saved.name == LOGIN_NAME):
            return _this_machine(options)
        if saved is None:
            return None
    has_secret = any(name in given for name in ("token", "token_file", "key"))
    if saved is None and not (has_secret and "principal" in given):
        return None
    return RemoteHub(complete(given))


def local_place() -> Place:
    """Return this machine's own hub, to be started where none runs."""
    return ThisMachine(LocalSetup.default())


def _this_machine(options: argparse.Namespace) -> Place:
    setup = LocalSetup.default()
    if not options.client_only:
        require("hub")
        return ThisMachine(setup)
    running = setup.running()
    if running is None:
        text = (
            "no hub runs on this machine, and no login is saved: `omnyshell up` starts one, `omnyshell login` saves one"
        )
        raise ConfigException(text)
    return RemoteHub(setup.admin_access(running))
