"""Sessions of one hub's clients at nodes of another, over a real link."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.engine import Engine
from support.several_hubs import Hubs
from support.stack import Certificates, connected_client, running_node, until


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    made = Hubs(certificates, tmp_path, engine)
    try:
        made.has_links("a", "b")
        await made.found()
        await made.join("b")
        await made.linked("a", "b")
        yield made
    finally:
        await made.aclose()


async def test_a_command_runs_at_a_node_of_another_hub(certificates: Certificates, hubs: Hubs, tmp_path: Path) -> None:
    a, b = hubs.running["a"], hubs.running["b"]
    async with (
        running_node(certificates, b.port, tmp_path / "node"),
        connected_client(certificates, a.port) as client,
    ):
        await until(lambda: a._directory.find("n1") is not None)
        done = await client.execute("n1", "echo over; exit 3")
        assert (done.stdout, done.status.code) == (b"over\n", 3)
