"""Copies through hub and node, while one of them is lost."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest
from support.copies import HERE, copied
from support.hub_process import hub_process
from support.stack import Certificates, connected_client, running_node, stack, until

from omnyshell.services.client.files import remote as remote_files
from omnyshell.services.client.files.link import open_link
from omnyshell.services.client.files.ports import MOST_IN_FLIGHT
from omnyshell.services.client.files.remote import RemoteFiles
from omnyshell.services.client.files.spots import landing, wanted
from omnyshell.services.client.files.transfer import Transfer
from omnyshell.transport.backoff import BackoffTimes

SIZE = 12 << 20
QUICK = BackoffTimes(0.05, 0.2, 0.2)


async def transfer_of(remote: RemoteFiles, place: Path) -> Transfer:
    (place / "source").write_bytes(os.urandom(SIZE))
    found = await wanted(HERE, os.fsencode(place / "source"))
    into, named = await landing(remote, os.fsencode(place / "target"), found)
    return Transfer(named, remote, into)


async def underway(transfer: Transfer) -> "asyncio.Task[object]":
    """Start it, and return when a part is there."""
    copying = asyncio.create_task(transfer.run())
    await until(lambda: transfer.progress.moved > SIZE // 4 or copying.done())
    return copying


def whole(place: Path) -> bool:
    same = (place / "source").read_bytes() == (place / "target").read_bytes()
    return same and not list(place.glob(".*"))


async def test_it_goes_on_over_a_hub_that_is_killed_and_sends_nothing_again(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting a hub anew takes half a second."""
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: remote_files.Backoff(times=QUICK))
    said: list[str] = []
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        connected_client(certificates, hub.port) as client,
        RemoteFiles("n1", lambda: open_link(client, "n1", tell=said.append)) as remote,
    ):
        transfer = await transfer_of(remote, tmp_path)
        copying = await underway(transfer)
        hub.kill()
        await hub.start()
        await copying
        assert (transfer.progress.copied, transfer.progress.moved) == (1, SIZE)
        assert whole(tmp_path)
        assert said[-1] == "the copy goes on"


async def test_it_goes_on_where_the_nodes_process_was_killed(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "TIMES", QUICK)
    said: list[str] = []
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        others = set(psutil.Process().children(recursive=True))
        async with RemoteFiles("n1", lambda: open_link(client, "n1"), said.append) as remote:
            transfer = await transfer_of(remote, tmp_path)
            copying = await underway(transfer)
            (child,) = set(psutil.Process().children(recursive=True)) - others
            child.kill()
            await copying
            assert (transfer.progress.copied, whole(tmp_path)) == (1, True)
            assert transfer.progress.moved <= SIZE + MOST_IN_FLIGHT
            assert said == ["n1: the node's side of the copy has ended; beginning it anew", "the copy goes on"]


async def test_files_go_from_node_to_node(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path / "n1") as (hub, _, client),
        running_node(certificates, hub.port, tmp_path / "n2", "n2"),
        RemoteFiles("n1", lambda: open_link(client, "n1")) as first,
        RemoteFiles("n2", lambda: open_link(client, "n2")) as second,
    ):
        (tmp_path / "source").write_bytes(os.urandom(SIZE))
        _, reports = await copied(first, tmp_path / "source", second, tmp_path / "target")
        assert [report.error for report in reports] == [None]
        assert whole(tmp_path)
