"""Logs in with a key that an agent holds (docs/security.md#agents).

The agent is asked for one signature a login: over the tagged fields of `auth-bind-2`, of which a hub chooses the nonce
alone, and that only as 43 characters of base64. Nothing else is ever asked of it, whatever the user allows for keys in
files.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.printable import printable
from omnyshell.protocol.extensions import SECURITY_KEYS
from omnyshell.protocol.messages import AuthRequest
from omnyshell.security.agent.agent import Agent
from omnyshell.security.agent.choice import chosen
from omnyshell.security.agent.wire import AgentSignature
from omnyshell.security.credentials import PUBLIC_KEY_METHOD, LoginContext, bound_message
from omnyshell.security.keys import encode_base64
from omnyshell.security.proof_choice import NotSignedException, is_nonce
from omnyshell.security.public_keys import PublicKey, SecurityKey, fingerprint
from omnyshell.services.access_options import AGENT
from omnyshell.services.dial import LoginWait

TELL_AFTER = 1.0
"""Seconds after which an agent is said to be waited for, as it may have a question open; a touch is asked for at
once."""

SHOWN_COMMENT = 64


class AgentCredentialProvider:
    """Logs in with a key of the agent that the environment names."""

    def __init__(self, principal: PrincipalId, key: str, known: str, waiting: LoginWait) -> None:
        """`key` is `agent` or `agent:COMMENT`; `known` is the fingerprint that the key must have, or ""."""
        self.principal = principal
        self._wanted = key.partition(":")[2]
        self._waiting = waiting
        self.fingerprint = known
        """The fingerprint of the key, from the first login on: later ones are by the same key."""

        self.key = key
        """Which key it is; from the first login on with its comment, if it has one."""

    def __repr__(self) -> str:
        return f"AgentCredentialProvider(principal={self.principal!r})"

    def auth_request(self, context: LoginContext, *, bind: bool) -> Awaitable[AuthRequest]:
        """The request to send, bound to this hub.

        Raises `ConfigException` for a hub that cannot bind it, before the agent is asked; awaited, it raises
        `AgentException`.
        """
        if not (bind and context.host):
            text = "this hub cannot bind a login to itself, and an agent's key signs nothing else: use a key in a file"
            raise NotSignedException(text)
        if not is_nonce(context.nonce):
            raise NotSignedException("what this hub wants to have signed is no nonce: the agent was not asked")
        return self._signed(context)

    async def _signed(self, context: LoginContext) -> AuthRequest:
        async with Agent.connected() as agent:
            identity, key = chosen(await agent.identities(), self._wanted, self.fingerprint)
            if isinstance(key, SecurityKey) and SECURITY_KEYS not in context.announced:
                text = "this hub is of a version that takes no keys of hardware tokens: use another key, or update it"
                raise ConfigException(text)
            with self._told(key, printable(identity.comment, SHOWN_COMMENT)):
                signature = await agent.sign(key, bound_message(context, self.principal))
        self.fingerprint = fingerprint(key)
        self.key = f"{AGENT}:{identity.comment}" if identity.comment else AGENT
        return self._request(context, key, signature)

    @contextmanager
    def _told(self, key: PublicKey, comment: str) -> Iterator[None]:
        """Have somebody told what is waited for meanwhile."""
        later, text = TELL_AFTER, f"waiting for the agent to sign with '{comment}'"
        if isinstance(key, SecurityKey):
            later, text = 0.0, f"touch the key '{comment}' to log in"
        telling = asyncio.get_running_loop().call_later(later, self._waiting.tell, text)
        try:
            yield
        finally:
            telling.cancel()

    def _request(self, context: LoginContext, key: PublicKey, signature: AgentSignature) -> AuthRequest:
        is_token = isinstance(key, SecurityKey)
        return AuthRequest(
            method=PUBLIC_KEY_METHOD,
            principal=self.principal,
            public_key=key.to_base64(),
            signature=encode_base64(signature.raw),
            host=context.host,
            port=context.port,
            application=key.application if isinstance(key, SecurityKey) else None,
            flags=signature.flags if is_token else None,
            counter=signature.counter if is_token else None,
        )
