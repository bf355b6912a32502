"""Many logins with sessions that are locked, and try again and again to come back, also over a restart of the hub."""

import argparse
import asyncio
import logging
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, registered, stranger
from support.stack import GRANTS, Certificates, hub_config, until
from websockets.exceptions import ConnectionClosed

from omnyshell import HubConfig, OmnyShellHub, TokenAuthenticator, TokenGrant
from soak.machines import workplace
from soak.report import Figure, report

HOLDERS = 100
"""Connections of the attacker, each with a session."""

INSISTING = 20
"""Of them go on logging in while the lock holds."""

HOLDS = 10.0
"""Seconds of each lock, with a restart of the hub in the middle."""

LIMIT = 2.0
KINDS = {"principal": "eve", "role": "contractor", "node": "n1"}
EVE = "eve:eve-token:contractor"


async def hold(stack: AsyncExitStack, certificates: Certificates, port: int) -> list[RawPeer]:
    """Have connections with a session each, through a node that says yes to everything."""
    node = await stack.enter_async_context(registered(certificates, port, labels={"allow-roles": "contractor"}))
    held = []
    for _ in range(HOLDERS):
        peer = await stack.enter_async_context(logged_in(certificates, port, "client", "eve"))
        await peer.say("session.open", {"nodeId": "n1", "mode": "exec", "command": "sleep 600"}, 1)
        asked = await node.hear("node.session.open")
        await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
        await peer.hear("session.opened")
        held.append(peer)
    return held


async def insist(certificates: Certificates, port: int, kind: str, came: Counter[str]) -> None:
    """Try to come back until cancelled: by a login, or as the node whose id is locked."""
    while True:
        with suppress(ConnectionClosed, OSError, AssertionError, TimeoutError):
            if kind == "node":
                async with registered(certificates, port):
                    came["in"] += 1
            else:
                async with stranger(certificates, port) as peer:
                    await peer.greet("client")
                    await peer.say("auth.request", {"method": "token", "principal": "eve", "token": "eve-token"})
                    came["in" if (await peer.hear())["t"] == "auth.ok" else "refused"] += 1
        came["tries"] += 1
        await asyncio.sleep(0.05)


async def attacked(config: HubConfig, certificates: Certificates, kind: str) -> tuple[float, Counter[str], int]:
    """Return the seconds until all had ended, what came of trying to be back, and the records of that."""
    came = Counter[str]()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(OmnyShellHub(config))
        await hold(stack, certificates, hub.port)
        admin = await stack.enter_async_context(logged_in(certificates, hub.port, "client", "admin", ADMIN))
        begun = time.monotonic()
        assert (await ask(admin, "admin.lock.add", kind=kind, name=KINDS[kind]))["ok"]
        await until(lambda: not len(hub.sessions) and (kind != "node" or not hub.nodes.online()), 30)
        took, port = time.monotonic() - begun, hub.port
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(insist(certificates, port, kind, came)) for _ in range(INSISTING)]
            await asyncio.sleep(HOLDS / 2)
            await hub.stop()
            again = await stack.enter_async_context(OmnyShellHub(replace(config, port=port)))
            await asyncio.sleep(HOLDS / 2)
            for task in tasks:
                task.cancel()
        denied = sum(found.outcome == "denied" for found in again.audit)
        return took, came, denied


async def run(directory: Path, certificates: Certificates) -> None:
    tokens = TokenAuthenticator(TokenGrant.parse(each) for each in (*GRANTS, EVE))
    figures = []
    for kind in KINDS:
        config = hub_config(certificates, state_dir=directory / kind, authenticator=tokens)
        took, came, denied = await attacked(config, certificates, kind)
        figures.append(
            Figure(
                f"a lock of a {kind} with {HOLDERS} sessions open; {INSISTING} insist for {HOLDS:.0f} s over a restart",
                f"all ended within {LIMIT:.0f} s, nobody in",
                f"ended after {took * 1000:.0f} ms; {came['tries']} tries, {came['in']} in; {denied} records at hand",
                took < LIMIT and not came["in"],
            )
        )
    report("attacks.locks", *figures)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.disable(logging.WARNING)
    with workplace() as (directory, certificates):
        asyncio.run(run(directory, certificates))


if __name__ == "__main__":
    main()
