"""What is asked of an agent, over its socket. Every question has a deadline, and can be cancelled."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from omnyshell.errors import OmnyShellException
from omnyshell.security.agent.wire import (
    FAILED,
    AgentSignature,
    Identity,
    MessageReader,
    framed,
    identities_request,
    read_identities,
    read_signature,
    sign_request,
)
from omnyshell.security.public_keys import PublicKey, SecurityKey

SOCKET_VARIABLE = "SSH_AUTH_SOCK"

ANSWER_TIMEOUT = 10.0
"""Seconds for an agent to connect, and to say which keys it has."""

SIGN_TIMEOUT = 60.0
"""Seconds for a signature, as somebody may have to touch something, or to say yes."""

_PIECE = 64 * 1024

_BUSY = "it may wait for a touch or a PIN that was asked for before: OpenSSH's does nothing else until then"
_UNTOUCHED = (
    "nobody touched the key in time, it is not plugged in, or was told no;"
    " or its PIN was wrong, or the agent had no way to ask for it (SSH_ASKPASS)"
)


class AgentException(OmnyShellException):
    """An agent cannot be used, or does not do what is asked."""

    default_code = "agent"


class Agent:
    """One connection to an agent."""

    def __init__(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._messages = MessageReader()

    @classmethod
    @asynccontextmanager
    async def connected(cls, path: str | None = None) -> AsyncIterator[Self]:
        """Connect to the agent at `path`, or that of the environment. Raises `AgentException`."""
        place = path or os.environ.get(SOCKET_VARIABLE, "")
        if not place:
            text = f"no agent is there: {SOCKET_VARIABLE} is not set; `eval $(ssh-agent)` and `ssh-add` start one"
            raise AgentException(text)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(place)
        except TimeoutError as exc:
            raise AgentException(f"the agent at {place} takes no connection") from exc
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            raise AgentException(f"no agent answers at {place} ({SOCKET_VARIABLE}): {why}") from exc
        try:
            yield cls(place, reader, writer)
        finally:
            # Aborted, not closed: an agent that reads nothing would keep what is still to be sent.
            writer.transport.abort()

    async def identities(self) -> list[Identity]:
        """Return the keys that it holds. Raises `AgentException`."""
        body = await self.answer(identities_request(), ANSWER_TIMEOUT)
        if body == FAILED:
            raise AgentException(f"the agent at {self._path} does not say which keys it holds")
        try:
            return read_identities(body)
        except ValueError as exc:
            raise self._garbled(exc) from exc

    async def sign(self, key: PublicKey, message: bytes) -> AgentSignature:
        """Return its signature, which is checked. Raises `AgentException`."""
        body = await self.answer(sign_request(key, message), SIGN_TIMEOUT)
        try:
            signature = read_signature(body, key)
        except ValueError as exc:
            raise self._garbled(exc) from exc
        if signature is None:
            text = "the agent refused to sign: it is locked, was told no, or its key is meant for other hosts"
            if isinstance(key, SecurityKey):
                text = f"the agent did not sign: {_UNTOUCHED}"
            raise AgentException(text)
        if not _is_right(key, message, signature):
            raise AgentException(f"the agent at {self._path} signed wrongly: it does not have this key")
        return signature

    async def answer(self, body: bytes, seconds: float) -> bytes:
        """Ask, and return the body of the answer; one answer follows each question. Raises `AgentException`."""
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(framed(body))
                await self._writer.drain()
                return await self._next()
        except TimeoutError as exc:
            text = f"the agent at {self._path} did not answer within {seconds:g} s; {_BUSY}"
            raise AgentException(text) from exc
        except OSError as exc:
            raise AgentException(f"the agent at {self._path} is gone: {exc.strerror or exc}") from exc

    async def _next(self) -> bytes:
        while True:
            data = await self._reader.read(_PIECE)
            if not data:
                raise AgentException(f"the agent at {self._path} closed the connection")
            try:
                found = self._messages.feed(data)
            except ValueError as exc:
                raise self._garbled(exc) from exc
            if len(found) > 1:
                raise self._garbled(ValueError("two answers to one question"))
            if found:
                return found[0]

    def _garbled(self, error: ValueError) -> AgentException:
        return AgentException(f"what answers at {self._path} is no agent ({error})")


def _is_right(key: PublicKey, message: bytes, signature: AgentSignature) -> bool:
    if isinstance(key, SecurityKey):
        return key.verify(signature.raw, message, signature.flags, signature.counter)
    return key.verify(signature.raw, message)
