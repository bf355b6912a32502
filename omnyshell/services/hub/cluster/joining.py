"""How an invited hub becomes a member: it makes its keys itself, and asks the hub that founded, over the engine."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.engine_access import JOINING, inbox_of, joining_name
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity, Standing
from omnyshell.services.hub.cluster.members.invitation import (
    Admitted,
    Asked,
    Invitation,
    NotInvitedException,
    admit,
    ask,
    check_admitted,
    check_invited,
    read_invitation,
)
from omnyshell.services.hub.cluster.nats.connection import Credential, EngineConnection
from omnyshell.services.hub.cluster.nats.questions import answer_all
from omnyshell.services.hub.cluster.nats.streams import Client
from omnyshell.services.hub.cluster.order.order import EngineAwayException
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.json_values import decoded
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.changes import Transaction, together
from omnyshell.services.hub.truth.member_changes import RemoveMember

TIMEOUT = 20.0
"""Seconds in which the engine and the hub that founded have to answer."""

_AGAIN = 0.3

_decoder = msgspec.json.Decoder(Asked)

logger = logging.getLogger("omnyshell.cluster")


class _Answer(msgspec.Struct, omit_defaults=True):
    admitted: Admitted | None = None
    refused: str = ""


class Admitting:
    """Lets invited hubs in, at the hub that founded."""

    def __init__(self, files: ClusterFiles, append: Callable[[Transaction], Answer[int]], clock: Clock) -> None:
        """`append` makes a change of what the hubs hold true."""
        self._files, self._append, self._clock = files, append, clock

    async def serve(self, client: Client) -> None:
        """Answer whoever asks, one after another, until the connection is lost."""
        await answer_all(client, f"{JOINING}.*", self._answer, lambda subject: inbox_of(joining_name(_hub_of(subject))))

    async def _answer(self, subject: str, question: bytes) -> bytes | None:
        hub = _hub_of(subject)
        try:
            answer = _Answer(admitted=await self._admitted(hub, decoded(_decoder, question)))
        except ValueError:
            return None
        except OmnyShellException as exc:
            logger.warning("a hub that asked to join as '%s' is refused: %s", hub, exc)
            answer = _Answer(refused=exc.message)
        else:
            logger.info("hub '%s' has joined", hub)
        return msgspec.json.encode(answer)

    async def _admitted(self, hub: str, asked: Asked) -> Admitted:
        """Have a hub be a member. Raises `OmnyShellException`."""
        now = self._clock.now()
        await self._append(together(check_invited(self._files, hub, asked, now)))
        try:
            return admit(self._files, hub, asked, now)
        except NotInvitedException:
            # It was removed, or invited anew, while the hubs' log was written.
            await self._append(together(RemoveMember(hub)))
            raise


def _hub_of(subject: str) -> str:
    return subject.removeprefix(f"{JOINING}.")


async def join(files: ClusterFiles, line: str, settings: ClusterSettings, clock: Clock) -> Identity:
    """Take an invitation up; return who the hub is now. The hub that founded has to run.

    Raises `ConfigException`, `NotInvitedException`, and `EngineAwayException` where nobody answers within `TIMEOUT`.
    """
    if files.exist():
        raise ConfigException(f"this hub is one of several already: {files.directory}")
    invitation = read_invitation(line)
    own = invitation.identity
    if (now := clock.now()) >= invitation.until:
        until = f"{invitation.until:%Y-%m-%d %H:%M} UTC"
        raise NotInvitedException(
            f"the invitation was good until {until}, and it is {now:%Y-%m-%d %H:%M} by this machine: ask for another"
        )
    key, engine_key, asked = ask(invitation)
    credential = Credential(invitation.ticket_token, Ed25519PrivateKey.from_seed(invitation.ticket))
    name = joining_name(own.hub)
    connection = EngineConnection(settings.engine or own.engine, credential, name, settings.engine_ca)
    connection.on_connected.append(_stay)
    connection.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            admitted = await _admitted(connection, invitation, asked)
    except TimeoutError as exc:
        raise EngineAwayException(_why_unanswered(connection, own.founder)) from exc
    finally:
        await connection.aclose()
    files.write(Standing(own, key, engine_key, admitted.engine_token, admitted.watch_token))
    return own


def _why_unanswered(connection: EngineConnection, founder: str) -> str:
    """Return what is to be mended where a hub was not let in within `TIMEOUT`."""
    if connection.is_connected:
        return f"the engine is reached, and hub '{founder}' has not answered for {TIMEOUT:g} s: does it run?"
    problems = "; ".join(f"{server}: {why}" for server, why in sorted(connection.problems.items()))
    return f"no server of the engine was reached within {TIMEOUT:g} s: {problems or 'they say nothing'}"


async def _admitted(connection: EngineConnection, invitation: Invitation, asked: Asked) -> Admitted:
    subject, question = f"{JOINING}.{invitation.identity.hub}", msgspec.json.encode(asked)
    while True:
        try:
            found = msgspec.convert(await connection.ask(subject, question), _Answer)
        except EngineAwayException as exc:
            logger.debug("nobody has answered yet: %s", exc)
            await asyncio.sleep(_AGAIN)
            continue
        except msgspec.ValidationError as exc:
            raise NotInvitedException(f"the answer cannot be read: {exc}") from exc
        if found.admitted is None:
            raise NotInvitedException(found.refused or "the answer says nothing")
        check_admitted(invitation, asked, found.admitted)
        return found.admitted


async def _stay(_client: Client) -> None:
    await asyncio.Event().wait()
