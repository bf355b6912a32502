"""Requests to a restricted node that no rule could let run, or that would keep it from everybody else's."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import logged_in
from support.stack import Certificates, hub_config, stack, within

from omnyshell import OmnyShellClient, OmnyShellHub, SessionRejectedException
from omnyshell.services.hub.message_table import MAX_VALUES_TO_HUB
from omnyshell.services.node.restriction.policy import CommandPolicy

PRINT = """printf '%s\\n'"""


@pytest.fixture
async def client(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OmnyShellClient]:
    """A client of a node that prints what it is given."""
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy((f"{PRINT} *",))) as (_, _, client):
        yield client


async def refusal(client: OmnyShellClient, **request: Any) -> SessionRejectedException:
    with pytest.raises(SessionRejectedException) as rejected:
        await within(client.open_session("n1", **request))
    return rejected.value


async def test_a_nul_is_refused_and_other_characters_stay_in_their_word(client: OmnyShellClient) -> None:
    for args in (["printf\0"], ["printf", "%s\\n", "a\0b"], ["printf", "%s\\n", "\0"]):
        assert (await refusal(client, args=args)).code == "bad_request"
    words = ["é", "\u202e", "\x1b[m", "a\tb", "'", '"', "$x", "\\", "*", "\U0001f600", "-", "--", ""]
    ran = await within(client.execute("n1", args=["printf", "%s\\n", *words]))
    assert ran.stdout.decode().split("\n")[:-1] == words


async def test_a_request_without_measure_is_refused_at_once_and_said_so(client: OmnyShellClient) -> None:
    most = MAX_VALUES_TO_HUB
    for request in (
        {"args": ["printf", *["-x"] * 60_000]},
        {"args": ["printf", *[""] * 60_000]},
        {"args": ["printf", "x" * 500_000]},
        {"args": ["printf", "x" * 3_900_000]},
        *(
            {"args": ["printf", *["y" * size] * (most + more)]}
            for size in (0, 1, 30)
            for more in (-1, 0, 1, most // 10)
        ),
        {"command": f"{PRINT} {'x ' * 300_000}"},
        {"command": f"{PRINT} {chr(34) * 500_000}"},
        {"command": f"{PRINT} {'x ' * 60_000}"},
        {"args": ["printf"], "env": {f"A{number}": "" for number in range(most + 1)}},
    ):
        assert (await refusal(client, **request)).code == "bad_request"


async def test_a_request_that_the_hub_does_not_read_is_answered_on_its_channel(certificates: Certificates) -> None:
    words = json.dumps({"nodeId": "n1", "mode": "exec", "args": ["a"] * (MAX_VALUES_TO_HUB + 1)})
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        logged_in(certificates, hub.port, "client", "dev") as peer,
        logged_in(certificates, hub.port, "node", "box") as node,
    ):
        for channel, text in (
            (3, f'{{"t": "session.open", "c": 3, "d": {words}}}'),
            (5, f'{{"d": {words}, "c": 5, "t": "session.open"}}'),
        ):
            await peer.ws.send(text)
            answer = await peer.hear("session.rejected")
            assert (answer["c"], answer["d"]["reason"]) == (channel, "bad_request")
        # Nobody waits for these; the connection stays.
        for head in (
            '"c": 3, "t": "node.list"',
            '"c": "x", "t": "session.open"',
            '"t": "session.open"',
            '"c": 0, "t": 1',
        ):
            await peer.ws.send(f'{{{head}, "d": {words}}}')
        await node.ws.send(f'{{"t": "session.open", "c": 3, "d": {words}}}')
        for each in (peer, node):
            await each.say("ping", {"id": "probe", "ts": "2026-01-02T03:04:05.678Z"})
            await each.hear("pong")


@pytest.mark.usefixtures("unmeasured")
async def test_requests_for_many_rules_do_not_keep_others_waiting(certificates: Certificates, tmp_path: Path) -> None:
    policy = CommandPolicy((*["git *"] * 10, "uptime"))
    lines = (
        f"git {'-a ' * 42_000}-c",
        f"git {'-a ' * 4094}-c",
        f"git '{'x' * 130_000}' -c",
        "git " + "\\x" * 60_000 + " -c",
    )
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        began = time.process_time()
        for line in lines:
            for _ in range(3):
                await refusal(client, command=line)
        # Hub, node and client are this process: some milliseconds a request are theirs.
        assert time.process_time() - began < 10
