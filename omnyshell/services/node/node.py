"""The node: stays registered with its hub, and runs what the hub asks for."""

import asyncio
import logging
import os
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import (
    AuthException,
    ConfigException,
    ErrorCodes,
    ImproperValueException,
    OmnyShellException,
    ProtocolException,
    TransportException,
)
from omnyshell.ids import CONTROL_CHANNEL, NodeId, new_secure_token
from omnyshell.model.nodes import SERVICES, TUNNEL_SERVICE, PlatformInfo
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import (
    AGENT,
    EPOCHS,
    LOGINS,
    NODE_INSTANCE,
    OF_NODE,
    PLACE_PROOFS,
    SFTP,
)
from omnyshell.protocol.handshake import CLOSE_REPLACED, CLOSE_TRY_AGAIN_LATER, HELD_OFF, REPLACED
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeHeartbeat,
    NodeRegister,
    NodeRegistered,
    NodeSessionOpen,
    NodeTunnelConnect,
    ProtocolError,
    history as history_messages,
    places as place_messages,
    vitals as vitals_messages,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.events import register as register_events
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.security.identity import UidComputer
from omnyshell.security.machine import MachineFacts
from omnyshell.security.proof_choice import NotSignedException
from omnyshell.security.uid_store import UidStore
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.services.dial import HubAccess
from omnyshell.services.exposer.exposer import TunnelExposer
from omnyshell.services.exposer.targets import NoTargets
from omnyshell.services.failover import HubDialler
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.services.node.as_root import Mark, Whose, whose
from omnyshell.services.node.backend import ShellBackend
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.hubs.epoch import NewestEpoch
from omnyshell.services.node.hubs.place import PlaceSigner, signing_key
from omnyshell.services.node.keeper.kept_backend import KeptBackend
from omnyshell.services.node.processes.local_backend import LocalBackend
from omnyshell.services.node.screens.shell_screens import ShellScreens
from omnyshell.services.node.sessions.answers import Reply, SessionAnswers
from omnyshell.services.node.sessions.process_answers import ProcessAnswers
from omnyshell.services.node.sessions.registry import NodeSessions
from omnyshell.services.node.sessions.usage_reader import UsageReader
from omnyshell.services.node.vitals.machine import VitalsAnswers
from omnyshell.transport.backoff import STABLE_AFTER, Backoff, DisplacedBackoff
from omnyshell.transport.connection import OmnyShellConnection
from omnyshell.version import __version__


class NodeProofs:
    """The files of hubs that announced `auth-bind-2`, and of those of which others told, for one node id.

    A state directory that a node used, but without this file, dates from a version without `auth-bind-2`. It counts as
    such until a hub announces the extension.
    """

    def __init__(self, directory: Path, node_id: str) -> None:
        self._path = directory / f"bound-hubs-{node_id}"
        self._known = directory / f"known-hubs-{node_id}.json"
        self._uid = UidStore.path_for_node(directory, NodeId(node_id))

    def begin(self) -> None:
        """Create the file in a new state directory, before the node writes anything else there.

        Raises `ConfigException`.
        """
        if not self._uid.exists():
            BoundHubs(self._path).begin()

    def remembering(self, access: HubAccess, others: KnownHubs | None = None) -> HubAccess:
        """Return the access to the hub, with these files as its memory; `others` is the second, if it was read."""
        known = access.binding
        is_old = known.is_old_friend or not self._path.exists()
        binding = structs.replace(known, hubs=BoundHubs(self._path, beside=known.hubs), is_old_friend=is_old)
        return replace(access, binding=binding, known=others or KnownHubs(self._known))


SPREAD = 1.0
"""Seconds over which nodes spread their attempts at hubs that are left to try."""

REFUSED_RETRY = (300.0, 600.0)
"""Seconds, least and most, between attempts of a service whose credential is refused."""

logger = logging.getLogger("omnyshell.node")


class OmnyShellNode:
    """A node. Call `run` once; the node stays connected to its hub until `stop` is called."""

    def __init__(self, config: NodeConfig, clock: Clock | None = None, *, backend: ShellBackend | None = None) -> None:
        """`backend` runs sessions in place of this machine's processes; the node owns it from now on.

        Raises `ConfigException` for a state directory that cannot be used, and for restricted commands with a backend,
        which has to restrict its requests itself.
        """
        if backend is not None and config.commands.is_restricted:
            raise ConfigException("`commands` restricts processes of this machine: a backend has to judge its requests")
        self._config = config
        self._clock = clock or SystemClock()
        mark, is_said = Mark(config.state_dir, config.node_id), _says_whose(config)
        mark.begin(is_said=is_said)
        self._backend = backend or _backend_of(config, whose(mark, is_root=os.geteuid() == 0, is_said=is_said))
        new_screen = ShellScreens(config.keeping.history, config.keeping.history_memory)
        self._sessions = NodeSessions(config, self._backend, self._clock, new_screen)
        answers = SessionAnswers(self._sessions, config.node_id, UsageReader(self._backend))
        self._exposer = TunnelExposer(config.reachable)
        self._handlers: Mapping[type[ControlMessage], Callable[[Any, int], None]] = {
            NodeSessionOpen: self._open_session,
            NodeTunnelConnect: self._expose,
            NodeRegistered: self._registered_as,
            place_messages.NodePlaceRequest: self._prove_place,
            ProtocolError: self._error_received,
            vitals_messages.NodeVitalsRequest: partial(self._answer, VitalsAnswers().answer),
            vitals_messages.NodeSessionProcessesRequest: partial(self._answer, ProcessAnswers(self._sessions).answer),
            **{request: partial(self._answer, answer) for request, answer in answers.handlers.items()},
        }
        self._backoff = Backoff()
        self._displaced = DisplacedBackoff()
        self._hub_decides = False
        """Whether the last hub supports `node-instance`, so that it tells apart processes with the same node id."""

        self._instance = new_secure_token()
        """The name of this process for the hub (`node-instance`), which differs from that of another process with the
        same id."""

        self._epoch = NewestEpoch(config.state_dir / f"epoch-{config.node_id}")
        self._places = PlaceSigner(config.node_id, self._instance, self._epoch)
        self._connection: OmnyShellConnection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[OmnyShellException] | None = None
        self._access = config.access
        self._hubs: HubDialler | None = None
        self._is_moving = False
        """Whether the hub was left because it asked for that."""

        self._proofs = NodeProofs(config.state_dir, config.node_id)
        self._dial_now = asyncio.Event()
        self._registered_at: float | None = None
        self._was_registered = False
        self._shells: tuple[str, ...] = ()
        self.registered = asyncio.Event()
        """Set while the hub has the node on its list."""

    async def run(self) -> None:
        """Stay connected until `stop`. Everything the node started has ended when this returns or raises.

        Raises `AuthException` when the hub refuses the credential or the node id, unless the node is a service, and
        `ConfigException` for a state directory or CA file that cannot be used.
        """
        self._runner = asyncio.current_task()
        try:
            self._proofs.begin()
            self._shells = tuple(await self._backend.begin())
            await self._sessions.adopt()
            while True:
                await self._serve_once()
        except asyncio.CancelledError:
            logger.info("node %s stops", self._config.node_id)
            # The end has limits of its own. Python before 3.11.3 keeps to none in a task that is cancelled.
            _end_cancellation()
        finally:
            await self._close()

    def stop(self) -> None:
        """Make `run` return. Idempotent."""
        # Once: a second time would cut short how it ends.
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()

    @property
    def session_count(self) -> int:
        """How many sessions the node holds, attached or not."""
        return len(self._sessions)

    def dial_now(self, access: HubAccess | None = None) -> None:
        """Retry at once if the node waits for its hub; use `access` from now on, if given."""
        if access is not None:
            self._access, self._hubs = access, None
        self._dial_now.set()

    async def _close(self) -> None:
        self.registered.clear()
        await self._exposer.close()
        await self._sessions.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Close a connection that is no longer used, even if the hub keeps it open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _serve_once(self) -> None:
        """One connection, from dialing to its loss, and the wait before the next."""
        try:
            lost = await self._connect()
            async with asyncio.TaskGroup() as tasks:
                beating = tasks.create_task(self._send_heartbeats())
                error = await lost
                beating.cancel()
        except ConfigException as exc:
            # Before the first registration such an error ends the node, so that its starter sees it. Later it may pass,
            # as a full disk does. A false hub in the place of the real one may pass too, so it never ends a service.
            is_patient = self._config.is_service and isinstance(exc, NotSignedException)
            if not (self._was_registered or is_patient):
                raise
            error = exc
        except OmnyShellException as exc:
            error = exc
        self.registered.clear()
        await self._hang_up()
        await self._wait_after(error)

    async def _connect(self) -> asyncio.Future[OmnyShellException]:
        """Dial, log in and register; return a future for the loss of the connection."""
        lost = self._lost = asyncio.get_running_loop().create_future()
        self._registered_at, self._is_moving = None, False
        self._dial_now.clear()
        hubs = self._hubs = self._hubs or HubDialler(self._proofs.remembering(self._access), self._move)
        hubs.access = self._proofs.remembering(self._access, hubs.access.known)
        connection = self._connection = await hubs.dial_next(
            role=Role.NODE,
            features=OF_NODE - self._lacking,
            incoming="stdin",
            on_message=self._message_received,
            on_lost=self._connection_lost,
            on_improper=self._improper_received,
            codec=register_events(FrameCodec()).learn(
                (ForwardDial, *history_messages.MESSAGES, *place_messages.MESSAGES, *vitals_messages.MESSAGES)
            ),
        )
        self._hub_decides = NODE_INSTANCE in connection.features
        self._sessions.tells_users = LOGINS in connection.features
        connection.send(self._registration(connection.features))
        connection.send(self._capabilities())
        return lost

    @property
    def _lacking(self) -> frozenset[str]:
        """The extensions of nodes that this one cannot serve, with what it logs in with."""
        return frozenset() if signing_key(self._access.credentials) is not None else frozenset({PLACE_PROOFS})

    def _capabilities(self) -> NodeCapabilitiesMessage:
        tunnels = () if isinstance(self._config.reachable, NoTargets) else (TUNNEL_SERVICE,)
        # What it is asked for in vain it announces too, and says why.
        lacking = {SFTP} if not self._sessions.offers_files else set()
        served = OF_NODE - lacking - self._lacking - ({AGENT} if not self._sessions.offers_agents else set())
        return NodeCapabilitiesMessage(
            shells=self._shells,
            features=(*SERVICES, *tunnels, *sorted(served)),
            max_sessions=self._config.max_sessions,
        )

    def _registration(self, announced: frozenset[str]) -> NodeRegister:
        facts = MachineFacts.read()
        key = signing_key(self._access.credentials)
        store = UidStore.for_node(self._config.state_dir, NodeId(self._config.node_id), self._clock)
        return NodeRegister(
            node_id=self._config.node_id,
            uid=store.resolve(UidComputer(facts).node(key.public_key if key is not None else None)).uid.value,
            display_name=self._config.display_name or self._config.node_id,
            platform=PlatformInfo(
                os=facts.os, arch=facts.arch, agent_version=__version__, hostname=socket.gethostname()
            ),
            labels=self._config.labels,
            instance=self._instance if NODE_INSTANCE in announced else None,
            epoch=self._epoch.reported if EPOCHS in announced else None,
        )

    async def _send_heartbeats(self) -> None:
        sequence = 0
        while self._connection is not None and self._connection.is_open:
            sequence += 1
            self._connection.send(
                NodeHeartbeat(
                    node_id=self._config.node_id,
                    active_sessions=len(self._sessions),
                    seq=sequence,
                    ts=self._clock.now(),
                )
            )
            await asyncio.sleep(self._config.heartbeat_interval)

    def _message_received(self, message: ControlMessage, channel: int | None) -> None:
        """Take a message on a channel that is new, or on none. What a node has no handler for is ignored."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message, channel or CONTROL_CHANNEL)

    def _open_session(self, request: NodeSessionOpen, channel: int) -> None:
        if self._connection is not None:
            self._sessions.open(self._connection, channel, request)

    def _expose(self, request: NodeTunnelConnect, channel: int) -> None:
        if self._connection is not None:
            self._exposer.connect(self._connection, channel, request)

    def _answer(self, answer: Callable[[Any, Reply], None], request: ControlMessage, _channel: int) -> None:
        if self._connection is not None:
            answer(request, self._connection.reply)

    def _registered_as(self, message: NodeRegistered, _channel: int) -> None:
        if message.node_id != self._config.node_id:
            self._connection_lost(ProtocolException(f"the hub registered '{message.node_id}' instead of this node"))
            return
        try:
            self._epoch.take(message.epoch)
        except ProtocolException as exc:
            self._connection_lost(exc)
            return
        self._registered_at = self._clock.monotonic()
        self._was_registered = True
        self.registered.set()
        address = self._hubs.at if self._hubs is not None else self._access.address
        logger.info("node %s is registered at %s", message.node_id, address)

    def _prove_place(self, request: place_messages.NodePlaceRequest, _channel: int) -> None:
        key = signing_key(self._access.credentials)
        if key is None or self._connection is None:
            return
        try:
            self._connection.send(self._places.answer(request, key))
        except ProtocolException as exc:
            self._connection_lost(exc)

    def _move(self) -> None:
        """Go to another hub, as this one asks for."""
        self._is_moving = True
        self._connection_lost(TransportException("the hub hands its nodes over to other hubs"))

    def _error_received(self, error: ProtocolError, _channel: int) -> None:
        if not error.fatal and not self.registered.is_set():
            self._connection_lost(ProtocolException(error.message, code=error.code))

    def _improper_received(self, error: ImproperValueException) -> None:
        """Ignore a hub's message with an improper value; hang up if that was the answer to the registration."""
        if error.message_type == NodeRegistered.TYPE and not self.registered.is_set():
            self._connection_lost(error)

    def _connection_lost(self, error: OmnyShellException) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)

    def _is_refusal(self, error: OmnyShellException) -> bool:
        """Whether the hub refused the credential or the node id, so that another attempt would fail too.

        A registered node that is refused later was dropped by an admin; whether its login is still valid, the next
        attempt will tell.
        """
        if self._hubs is not None and not self._hubs.is_at_home:
            # Of which another one told: what it refuses, others may take.
            return False
        if error.code == ErrorCodes.NOT_AUTHORIZED:
            return self._registered_at is None
        return isinstance(error, AuthException) or error.code == ErrorCodes.AUTH_FAILED

    async def _wait_after(self, error: OmnyShellException) -> None:
        """Wait before the next attempt; raise `error` if there is none."""
        held = self._clock.monotonic() - self._registered_at if self._registered_at is not None else None
        delay = self._delay_after(error, held)
        self._registered_at = None
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._dial_now.wait()

    def _delay_after(self, error: OmnyShellException, held: float | None) -> float:
        """Return the seconds to wait, and log why.

        `held` is for how many seconds the node was registered, if it was.
        """
        if self._is_refusal(error):
            if not self._config.is_service:
                raise error if isinstance(error, AuthException) else AuthException(str(error), code=error.code)
            delay = random.uniform(*REFUSED_RETRY)  # noqa: S311
            logger.error("THE HUB REFUSES THIS NODE: %s; next try in %.0f s", error, delay)
        elif _is_displacement(error):
            delay = self._displaced_delay(held)
            text = "ANOTHER PROCESS USES THE NODE ID %s: %s. Give one of the two another id; next try in %.0f s"
            logger.error(text, self._config.node_id, error, delay)
        else:
            delay = 0.0 if self._is_moving else self._usual_delay(held)
            logger.warning("%s; next try in %.1f s", error, delay)
        return delay

    def _usual_delay(self, held: float | None) -> float:
        if held is not None:
            self._backoff.lost()
            if held >= STABLE_AFTER:
                self._backoff.reset()
        if self._hubs is not None and not self._hubs.is_round_over:
            # Another hub is there now, so nothing is to be waited for: only not all nodes of a lost one come at once.
            return random.uniform(0, SPREAD)  # noqa: S311
        return self._backoff.next_delay()

    def _displaced_delay(self, held: float | None) -> float:
        """Return the seconds to wait after another process took the node id.

        A hub with `node-instance` decides which process keeps it, so no extra wait is needed. At an older hub two nodes
        would take it from each other for ever.
        """
        return self._usual_delay(held) if self._hub_decides else self._displaced.next_delay(held or 0.0)


def _says_whose(config: NodeConfig) -> bool:
    """Whether the settings say whose the sessions are."""
    return config.run_as_node_user or config.users_file is not None


def _backend_of(config: NodeConfig, whose_: Whose) -> ShellBackend:
    """Return the backend of this machine's processes."""
    local = LocalBackend(config.state_dir, config.commands, config.refused_variables, config.drain_limit, whose_)
    if not config.keeper and config.users_file is None and config.limits_file is None:
        return local
    return KeptBackend(config.state_dir, config.node_id, local, config.users_file, config.limits_file)


def _is_displacement(error: OmnyShellException) -> bool:
    """Whether the hub closed the connection because another process took the node's id, or already has it."""
    if not isinstance(error, TransportException):
        return False
    code, reason = error.close_code, error.close_reason
    taken = code == CLOSE_REPLACED and reason.startswith(REPLACED)
    return taken or (code == CLOSE_TRY_AGAIN_LATER and reason == HELD_OFF)


def _end_cancellation() -> None:
    """Go on as a task that nobody has cancelled."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
