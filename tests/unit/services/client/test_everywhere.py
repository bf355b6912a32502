"""Whose sessions are looked for on which nodes."""

from typing import Any

import pytest
from support.scripted import ScriptedClient

from omnyshell.errors import AuthorizationException, NodeUnavailableException, OmnyShellException
from omnyshell.protocol.messages import AuthOk
from omnyshell.services.client.everywhere import FoundSessions, sessions_everywhere

SCREENS = {("n1", "4721c3f6-0000-4000-8000-000000000001"): b"", ("n2", "4721c3f6-0000-4000-8000-000000000002"): b""}


class Refusing(ScriptedClient):
    """One node of whose hub refuses."""

    def __init__(self, error: OmnyShellException) -> None:
        super().__init__(SCREENS)
        self._error = error

    async def list_sessions(self, node_id: str) -> Any:
        if node_id == "n1":
            raise self._error
        return await super().list_sessions(node_id)


async def found_by(client: Any) -> tuple[list[str], tuple[str, ...]]:
    found: FoundSessions = await sessions_everywhere(client)
    return [session.node_id for session in found.sessions], found.silent


async def test_who_has_grants_and_no_role_is_asked_for_what_the_hub_lists() -> None:
    client = ScriptedClient(SCREENS)
    client.identity = AuthOk(principal="ann", roles=(), session_token="")
    assert await found_by(client) == (["n1", "n2"], ())
    client.hub_features = frozenset()
    assert await found_by(client) == ([], ())


@pytest.mark.parametrize(
    ("error", "silent"), [(AuthorizationException("no"), ()), (NodeUnavailableException("gone"), ("n1",))]
)
async def test_a_refusal_is_an_answer_and_a_node_that_is_gone_is_named(
    error: OmnyShellException, silent: tuple[str, ...]
) -> None:
    assert await found_by(Refusing(error)) == (["n2"], silent)


async def test_a_lost_hub_is_an_error() -> None:
    client = Refusing(NodeUnavailableException("gone"))
    client.is_connected = False
    with pytest.raises(NodeUnavailableException):
        await found_by(client)
