"""Three hubs, one of which runs on a machine whose clock is days off, or jumps by days, by libfaketime.

Whatever ends at a time ends at that time at all hubs, whichever of them was asked; nothing ends earlier, and all else
goes on. Debian's package `faketime` has what this takes.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omnyshell import HubAccess, HubAddress, OmnyShellClient, PrincipalId, TokenCredentialProvider
from omnyshell.services.client.config import ClientConfig
from soak.demo_hubs import COMMAND, DemoHubs, demo_hubs
from soak.fleet import quieten
from soak.machines import workplace
from soak.report import Figure, report

WRONG, RIGHT = "b", "a"
CASES = {"3 days ahead": ("+3d", "+3d"), "3 days behind": ("-3d", "-3d")} | {
    "3 days ahead from a jump on": ("+0", "+3d"),
    "3 days behind from a jump on": ("+0", "-3d"),
}
SETTLES = 12.0
"""Seconds behind a jump in which the hub has beaten again, and looked for what has ended."""


@dataclass
class Checks:
    """What was found wrong."""

    case: str
    done: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, *, holds: bool) -> None:
        self.done += 1
        if not holds:
            self.wrong.append(f"{self.case}: {what}")
            print(f"WRONG  {self.case}: {what}", file=sys.stderr)


def shifted(offset: Path) -> list[str]:
    """What runs a command whose wall clock is off by what that file says."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        sys.exit("this takes libfaketime: apt-get install faketime")
    said = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": offset, "FAKETIME_NO_CACHE": 1}
    # What the machine says of files stays as it is.
    keeps = ("FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1")
    return ["env", *(f"{name}={value}" for name, value in said.items()), *keeps]


async def said(hubs: DemoHubs, hub: str, *words: str) -> str:
    ran = await asyncio.to_thread(hubs.omnyshell, hub, *words)
    return ran.stdout if not ran.returncode else f"refused: {ran.stderr}"


async def told(hubs: DemoHubs, hub: str, *words: str) -> Any:
    text = await said(hubs, hub, *words, "--json")
    return json.loads(text) if not text.startswith("refused") else text


async def may_log_in(hubs: DemoHubs, hub: str, name: str, token: str) -> bool:
    credentials = TokenCredentialProvider(PrincipalId(name), token)
    access = HubAccess(address=HubAddress.parse(hubs.urls[hub]), credentials=credentials, ca=hubs.ca)
    try:
        async with OmnyShellClient(ClientConfig(access=access)) as client:
            return bool((await client.execute(hubs.node_of[hub], "true", timeout=30)).status.code == 0)
    except Exception:
        return False


async def until(holds: Callable[[], Any]) -> bool:
    """Whether that comes to hold within some seconds."""
    for _ in range(40):
        if await holds():
            return True
        await asyncio.sleep(0.25)
    return False


async def things_that_end(hubs: DemoHubs, at: str, checks: Checks, tag: str) -> None:
    """Make at one hub what ends in an hour or minutes, and use it at all."""
    name = f"u{tag}{at}"
    await said(hubs, at, "users", "add", name, "--role", "admin", "--ttl", "1h")
    token = (await said(hubs, at, "tokens", "add", name, "--ttl", "1h")).strip().splitlines()[0]
    for hub in hubs.urls:
        may = await until(lambda hub=hub: may_log_in(hubs, hub, name, token))
        checks.check(f"a token of {at} that is good for an hour, at {hub}", holds=may)
    line = await told(hubs, at, "users", "invite", f"{name}i", "--role", "admin")
    for hub in (each for each in hubs.urls if each != at):
        home = hubs.directory / f"home-{name}"
        joining = ("--join", hubs.urls[hub], "--token", line["token"], "--ca-fingerprint", line["caFingerprint"])
        env = {"OMNYSHELL_HOME": str(home)}
        ran = await asyncio.to_thread(run, [*COMMAND, "login", *joining], env)
        checks.check(f"an invite of {at}, at {hub}: {ran[1][-200:]}", holds=ran[0] == 0)
        break
    await said(hubs, at, "users", "add", f"{name}l", "--role", "admin")
    locked = (await said(hubs, at, "tokens", "add", f"{name}l")).strip().splitlines()[0]
    await said(hubs, at, "locks", "add", "principal", f"{name}l", "--for", "1h")
    for hub in hubs.urls:
        held = await until(lambda hub=hub: not_in(hubs, hub, f"{name}l", locked))
        checks.check(f"a lock of {at} for an hour, at {hub}", holds=held)


async def not_in(hubs: DemoHubs, hub: str, name: str, token: str) -> bool:
    return not await may_log_in(hubs, hub, name, token)


def run(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    import subprocess

    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | env)
    return ran.returncode, ran.stderr


async def what_is_there_stays(hubs: DemoHubs, checks: Checks, before: tuple[str, str, str], how: str) -> None:
    name, token, locked = before
    for hub in hubs.urls:
        checks.check(f"{how}: an earlier token, at {hub}", holds=await may_log_in(hubs, hub, name, token))
        checks.check(f"{how}: an earlier lock, at {hub}", holds=await not_in(hubs, hub, f"{name}l", locked))


async def audit_is_in_order(hubs: DemoHubs, checks: Checks) -> None:
    text = await said(hubs, RIGHT, "audit", "list", "--cluster", "--json")
    records = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    now = datetime.now(UTC)
    late = [each for each in records if abs(datetime.fromisoformat(each["at"]) - now) > timedelta(hours=1)]
    # Until it has heard of the others, a hub has no time but its machine's.
    early = {"hub.start", "hub.stop", "audit.head", "audit.broken"}
    wrong = [f"{each['at']} {each['action']}" for each in late if each["action"] not in early]
    checks.check(f"audit: {len(records)} records, of another day {wrong}", holds=bool(records) and not wrong)


async def sessions_go_on(hubs: DemoHubs, checks: Checks) -> None:
    for hub in hubs.urls:
        async with hubs.client(hub) as client:
            for node in hubs.node_of.values():
                good = (await client.execute(node, "echo there", timeout=30)).stdout == b"there\n"
                checks.check(f"a command from {hub} at {node}", holds=good)


async def one_case(case: str, checks: Checks) -> None:
    first, then = CASES[case]
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        await hubs.until_whole()
        name = "before"
        await said(hubs, RIGHT, "users", "add", name, "--role", "admin", "--ttl", "1h")
        token = (await said(hubs, RIGHT, "tokens", "add", name, "--ttl", "1h")).strip().splitlines()[0]
        await said(hubs, RIGHT, "users", "add", f"{name}l", "--role", "admin")
        locked = (await said(hubs, RIGHT, "tokens", "add", f"{name}l")).strip().splitlines()[0]
        await said(hubs, RIGHT, "locks", "add", "principal", f"{name}l", "--for", "1h")
        before = name, token, locked
        offset = hubs.directory / "offset"
        offset.write_text(first)
        command = hubs.kill_hub(WRONG)
        hubs.start_hub(WRONG, [*shifted(offset), *command])
        await hubs.until_whole()
        offset.write_text(then)
        await asyncio.sleep(SETTLES)
        await what_is_there_stays(hubs, checks, before, "off")
        await things_that_end(hubs, WRONG, checks, "off")
        await things_that_end(hubs, RIGHT, checks, "off")
        await sessions_go_on(hubs, checks)
        status = await said(hubs, RIGHT, "cluster", "status", "--state-dir", str(hubs.state(RIGHT)))
        checks.check(f"cluster status says so: {status}", holds=f"the clock of hub {WRONG}" in status)
        checks.check("its log says so", holds="this machine's clock is" in hubs.log(WRONG))
        await audit_is_in_order(hubs, checks)
        command = hubs.kill_hub(WRONG)
        await sessions_at_others(hubs, checks)
        hubs.start_hub(WRONG, [*shifted(offset), *command])
        await hubs.until_whole()
        await what_is_there_stays(hubs, checks, before, "started anew")
        drained = await said(hubs, WRONG, "hub", "drain", "--within", "10s")
        checks.check(f"drained: {drained}", holds=not drained.startswith("refused"))
        await said(hubs, WRONG, "hub", "drain", "--end")
        offset.write_text("+0")
        await asyncio.sleep(SETTLES)
        await what_is_there_stays(hubs, checks, before, "right again")
        await things_that_end(hubs, WRONG, checks, "right")
        status = await said(hubs, RIGHT, "cluster", "status", "--state-dir", str(hubs.state(RIGHT)))
        checks.check(f"cluster status says nothing: {status}", holds="clock" not in status)


async def sessions_at_others(hubs: DemoHubs, checks: Checks) -> None:
    """Nodes of the hub that is gone come to others."""

    async def reaches() -> bool:
        try:
            async with hubs.client(RIGHT) as client:
                node = hubs.node_of[WRONG]
                return bool((await client.execute(node, "true", timeout=10)).status.code == 0)
        except Exception:
            return False

    for _ in range(4):
        if await until(reaches):
            return
    checks.check("a node of the hub that was killed, at another one", holds=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=CASES, action="append")
    options = parser.parse_args()
    quieten()
    figures = []
    for case in options.case or CASES:
        checks = Checks(case)
        asyncio.run(one_case(case, checks))
        figures.append(
            Figure(
                f"a hub whose clock is {case}",
                "what ends at a time ends at all hubs at that time, all else goes on, and it is said",
                f"{checks.done} checks, {len(checks.wrong)} wrong",
                not checks.wrong,
            )
        )
    report("wrong_clock", *figures)


if __name__ == "__main__":
    main()
