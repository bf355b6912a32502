"""A node id that an admin releases while a node registers under it: nobody stays under an id that is not theirs."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory_hub import MemoryHub, memory_hub
from support.stack import GRANTS, Certificates

from omnyshell import TokenAuthenticator, TokenGrant
from omnyshell.protocol import messages as m
from omnyshell.protocol.handshake import CLOSE_TRY_AGAIN_LATER
from omnyshell.protocol.messages.admin import AdminResult, NodeRelease


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    """A hub whose disk syncs slowly, and whose node `n1` has gone."""
    grants = [TokenGrant.parse(grant) for grant in (*GRANTS, "mallory:mallory-token:node")]
    with memory_hub(certificates, authenticator=TokenAuthenticator(grants)) as made:
        made.registers("n1").leaves()
        commit = made.hub.audit.commit

        async def slow(*args: Any, **fields: Any) -> Any:
            await asyncio.sleep(0.5)
            return await commit(*args, **fields)

        made.hub.audit.commit = slow  # type: ignore[method-assign]
        yield made


def test_a_node_that_registers_while_its_id_is_released_does_not_keep_it(hub: MemoryHub) -> None:
    admin, node = hub.logs_in("admin"), hub.logs_in("box", "node")
    admin.says(NodeRelease(request_id="q", node_id="n1"))
    hub.passes(0.1)
    node.says(m.NodeRegister(node_id="n1", platform=hub.platform))
    assert node.heard(m.NodeRegistered)
    hub.passes(1)
    assert admin.hears(AdminResult).ok
    assert node.closed_with == CLOSE_TRY_AGAIN_LATER
    client = hub.logs_in("admin")
    client.says(m.NodeListRequest())
    assert client.hears(m.NodeListResponse).nodes == ()
    # Whoever asks first has it now, and nobody takes it from them.
    assert hub.registers("n1").is_connected
    thief = hub.logs_in("mallory", "node")
    thief.says(m.NodeRegister(node_id="n1", platform=hub.platform))
    assert not thief.heard(m.NodeRegistered)
    assert [record.principal for record in hub.audited("node.rejected")] == ["mallory"]


def test_an_id_that_was_registered_anew_is_not_released_from_its_new_owner(hub: MemoryHub) -> None:
    """Two admins release it at once; between the two, somebody else takes it."""
    first, second = hub.logs_in("admin"), hub.logs_in("admin")
    first.says(NodeRelease(request_id="1", node_id="n1"))
    second.says(NodeRelease(request_id="2", node_id="n1"))
    hub.passes(0.7)
    assert first.hears(AdminResult).ok
    owner = hub.registers("n1", "mallory")
    hub.passes(1)
    assert second.hears(AdminResult).code in ("not_found", "bad_request")
    assert owner.is_connected
