"""The extension `wide-input` spoken with peers that know docs/extensions.md alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import STDIN, RawPeer, logged_in, registered
from support.stack import Certificates, connected_client, hub_config, running_node, within

from omnyshell import OmnyShellHub, PtySpec, SessionMode

WIDE = ("wide-input",)
RESUMING = ("wide-input", "resume-offset")
KIB = 1024
MIB = 1024 * KIB
FLOWS = 32 * KIB
"""As much as our node's program takes before it opens the window."""


async def send(client: RawPeer, channel: int, size: int) -> None:
    for start in range(0, size, 64 * KIB):
        await client.send_data(STDIN, channel, bytes(min(64 * KIB, size - start)))


async def opened(client: RawPeer, channel: int = 1, **said: Any) -> dict[str, Any]:
    await client.say("session.open", {"nodeId": "n1", **said}, channel)
    return await within(client.hear("session.opened"))


@pytest.mark.parametrize(("of_client", "of_node"), [(WIDE, WIDE), (WIDE, ()), ((), WIDE), ((), ())])
async def test_the_window_is_named_between_peers_that_announced_it(
    certificates: Certificates, of_client: tuple[str, ...], of_node: tuple[str, ...]
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port, features=of_node) as node,
        logged_in(certificates, hub.port, "client", "admin", of_client) as client,
    ):
        await client.say("session.open", {"nodeId": "n1", "maxInputWindow": 2 * MIB}, 1)
        asked = await node.hear("node.session.open")
        assert asked["d"].get("maxInputWindow") == (2 * MIB if of_client and of_node else None)


@pytest.mark.parametrize(
    ("allowed", "extra"),
    [
        (2 * MIB, 2 * MIB - 256 * KIB),
        (300 * KIB, 44 * KIB),
        (2**62, 4 * MIB - 256 * KIB),
        (256 * KIB, 0),
        (0, 0),
        (-1, 0),
        (None, 0),
    ],
)
async def test_our_node_opens_the_window_as_far_as_it_may(
    certificates: Certificates, tmp_path: Path, allowed: int | None, extra: int
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", WIDE) as client,
    ):
        await opened(client, command="cat >/dev/null", **({} if allowed is None else {"maxInputWindow": allowed}))
        await send(client, 1, FLOWS)
        returned = await within(client.granted())
        while returned < FLOWS + extra:
            returned += await within(client.granted())
        assert returned == FLOWS + extra


async def test_our_node_opens_no_window_of_a_shell(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        logged_in(certificates, hub.port, "client", "admin", WIDE) as client,
    ):
        command = "stty raw -echo; echo ready; cat >/dev/null"
        await opened(client, mode="shell", command=command, maxInputWindow=4 * MIB)
        await within(client.hear())
        await send(client, 1, FLOWS)
        returned = 0
        while returned < FLOWS:
            returned += await within(client.granted())
        assert returned == FLOWS


async def test_a_program_that_does_not_read_is_sent_no_more_than_the_window(
    certificates: Certificates, tmp_path: Path
) -> None:
    """And whoever takes it up where it is full has the window of the beginning, and loses nothing."""
    gate = tmp_path / "gate"
    command = f"head -c {FLOWS} >/dev/null; while ! test -e {gate}; do sleep 0.02; done; wc -c"
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        logged_in(certificates, hub.port, "client", "admin", RESUMING) as second,
    ):
        async with logged_in(certificates, hub.port, "client", "admin", RESUMING) as first:
            said = await opened(first, command=command, offsets=True, maxInputWindow=4 * MIB)
            await send(first, 1, FLOWS)
            returned = 0
            while returned < 4 * MIB - 256 * KIB + FLOWS:
                returned += await within(first.granted())
            await send(first, 1, 4 * MIB)
            await first.still_there()
        session = said["d"]["sessionId"]
        resumed = await opened(second, mode="exec", resumeSessionId=session, offsets=True, outputOffset=0)
        at = resumed["d"]["inputOffset"]
        assert at <= FLOWS + 4 * MIB
        await send(second, 1, 256 * KIB)
        gate.touch()
        returned = 0
        while returned < 256 * KIB:
            returned += await within(second.granted())
        await second.say("channel.eof", {}, 1)
        output = await within(second.hear())
        assert int(bytes(output)[10:]) == at - FLOWS + 256 * KIB


@pytest.mark.parametrize("mode", [SessionMode.EXEC, SessionMode.SHELL])
async def test_our_client_allows_4_mib_of_a_command_and_says_so_again(
    certificates: Certificates, mode: SessionMode
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        connected_client(certificates, hub.port) as client,
    ):
        allowed = 4 * MIB if mode is SessionMode.EXEC else None
        async with registered(certificates, hub.port, features=RESUMING) as node:
            opening = asyncio.create_task(client.open_session("n1", mode=mode, command="x", pty=PtySpec()))
            asked = await node.hear("node.session.open")
            assert asked["d"].get("maxInputWindow") == allowed
            said = {"sessionId": asked["d"]["sessionId"], "offsets": True, "outputOffset": 0, "inputOffset": 0}
            await node.say("node.session.opened", said, asked["c"])
            session = await within(opening)
        async with registered(certificates, hub.port, features=RESUMING) as node:
            asked = await within(node.hear("node.session.open"))
            assert asked["d"]["resumeSessionId"] == session.id
            assert asked["d"].get("maxInputWindow") == allowed
