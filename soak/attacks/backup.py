"""Backups in a loop under load, backups that are damaged at random, and kills of whoever makes or restores one."""

import argparse
import asyncio
import hashlib
import logging
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from support.backups import LABELS, Work, at_work, back_up, by_key, enrol, findings, node_by_key, restore
from support.hub_process import HubProcess, hub_process
from support.stack import Certificates, access, hub_config, running_node

from omnyshell import ClientConfig, ConfigException, OmnyShellClient, OmnyShellHub
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.hub.ground.restored import RESTORED_FILE
from omnyshell.services.hub.ground.state_lock import LOCK_FILE, StateLock
from omnyshell.services.hub.ground.swap import SWAP_FILE
from soak.attacks import show
from soak.machines import workplace
from soak.report import Figure, report

Contents = dict[str, str]

RENAMES = 0.02
"""Seconds that the renames of a restore take, and some more."""


def contents(*places: Path) -> Contents:
    """The files below directories, by hash; not what says that a hub, or a restore, was there."""
    return {
        f"{place.name}/{path.relative_to(place)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for place in places
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name not in (LOCK_FILE, RESTORED_FILE)
    }


async def under_load(certificates: Certificates, place: Path, seconds: float) -> tuple[int, int, int, float, list[str]]:
    """Return the backups, principals and commands, the longest backup, and what was wrong."""
    state, target, work = place / "state", place / "hub.backup", Work()
    person, machine = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    made, longest, wrong = 0, 0.0, list[str]()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(hub_process(certificates, state))
        async with AdminClient(access(certificates, hub.port, "admin")) as admin:
            await enrol(admin, "ann", "admin", person)
            await enrol(admin, "box1", "node", machine)
        async with node_by_key(by_key(certificates, hub.port, "box1", machine), place, "web"):
            pass
        await stack.enter_async_context(running_node(certificates, hub.port, place / "busy", "busy", labels=LABELS))
        working = await at_work(stack, certificates, hub.port, work)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            await asyncio.to_thread(back_up, certificates, state, target, replace=True)
            longest, made = max(longest, time.monotonic() - begun), made + 1
            elsewhere = place / "elsewhere"
            shutil.rmtree(elsewhere, ignore_errors=True)
            await asyncio.to_thread(restore, target, elsewhere)
            wrong += [f"backup {made}: {found.text}" for found in findings(elsewhere)]
        wrong += [f"a client ended: {task.exception()}" for task in working if task.done()]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    if not await returns(HubProcess(certificates, place / "elsewhere"), certificates, place, person, machine):
        wrong.append("the peers did not return")
    return made, len(work.added), work.commands, longest, wrong


async def returns(
    hub: HubProcess, certificates: Certificates, place: Path, person: Ed25519PrivateKey, machine: Ed25519PrivateKey
) -> bool:
    """Whether a node and a client come back, with what they saved, to the restored hub on another port."""
    await hub.start()
    try:
        async with (
            node_by_key(by_key(certificates, hub.port, "box1", machine), place, "web"),
            OmnyShellClient(ClientConfig(access=by_key(certificates, hub.port, "ann", person))) as client,
        ):
            return (await client.execute("web", "echo back")).stdout == b"back\n"
    finally:
        hub.kill()


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A backup that was changed in one way, or several."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at, size = chance.randrange(len(changed) or 1), chance.randint(1, 70_000)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([(changed[at] if changed else 0) ^ chance.randint(1, 255)])
            case 1:
                del changed[at:]
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = chance.randbytes(size)
            case 4:
                changed[at : at + size] = other[at : at + size]
            case _:
                changed[at : at + size] = changed[at + size : at + 2 * size]
    return bytes(changed)


def damage(place: Path, backups: tuple[Path, Path], count: int, seed: int) -> tuple[int, list[str]]:
    """Restore damaged backups over a hub's state; returns how many there were, and those that did anything."""
    chance, wrong, tried = random.Random(seed), list[str](), 0
    data, other = (path.read_bytes() for path in backups)
    state, out = place / "state", place / "out"
    before = contents(place)
    while tried < count:
        file = damaged(data, other, chance)
        if file in (data, other):
            continue
        tried += 1
        (place.parent / "damaged").write_bytes(file)
        try:
            restore(place.parent / "damaged", state, out, replace=True)
            wrong.append(f"damage {tried}: was restored")
        except ConfigException:
            pass
        except Exception as exc:
            wrong.append(f"damage {tried}: {exc!r}")
        if contents(place) != before:
            return tried, [*wrong, f"damage {tried}: something changed"]
    return tried, wrong


def is_renaming(state: Path) -> bool:
    """Whether a restore has begun to exchange files."""
    try:
        return b'"isReady":true' in (state / SWAP_FILE).read_bytes()
    except FileNotFoundError:
        return False


def killed_within(
    seconds: float, work: Callable[[], object], chance: random.Random, begins: Callable[[], bool] = lambda: True
) -> None:
    """Do something in a process that is killed at a random moment after it begins."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(0)
    end = time.monotonic() + 10
    while not begins() and time.monotonic() < end:
        time.sleep(0)
    time.sleep(chance.random() * seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def took(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def kill_restores(place: Path, old: Path, backup: Path, count: int, chance: random.Random) -> tuple[Counter[str], bool]:
    """Restore over another hub; returns how often all was old or new afterwards, or neither."""
    state, out, came = place / "state", place / "out", Counter[str]()
    reference = place / "reference"
    restore(backup, reference / "state", reference / "out")
    new = contents(reference / "state", reference / "out")

    def fresh() -> None:
        for path in (state, out, *place.glob("state.before-*")):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(old, state)
        shutil.copytree(reference / "out", out)
        (out / "hub.pem").write_bytes(b"old")

    def again() -> None:
        restore(backup, state, out, replace=True)

    fresh()
    before = contents(state, out)
    seconds = took(again)
    for number in range(count):
        fresh()
        if number % 2:
            killed_within(seconds * 1.1, again, chance)
        else:
            killed_within(RENAMES, again, chance, lambda: is_renaming(state))
        came["within"] += is_renaming(state)
        StateLock(state).release()
        kept = sorted(path.name for path in out.iterdir() if path.name.startswith("before-"))
        found = {name: hash_ for name, hash_ in contents(state, out).items() if "/before-" not in name}
        which = "old" if found == before else "new" if found == new else "neither"
        hidden = [path for path in (*state.iterdir(), *out.iterdir()) if path.name.startswith(".")]
        came["neither" if hidden or (which == "new") != bool(kept) else which] += 1
    return came, not came["neither"]


def kill_backups(
    certificates: Certificates, place: Path, state: Path, count: int, chance: random.Random
) -> tuple[Counter[str], bool]:
    """Make backups over an old one; returns how often the file was the old one or a whole new one afterwards."""
    target, came = place / "hub.backup", Counter[str]()
    back_up(certificates, state, target, replace=True)
    seconds = took(lambda: back_up(certificates, state, target, replace=True))
    for _ in range(count):
        before = target.read_bytes()
        killed_within(seconds * 1.1, lambda: back_up(certificates, state, target, replace=True), chance)
        came["old" if target.read_bytes() == before else "new"] += 1
        shutil.rmtree(place / "check", ignore_errors=True)
        try:
            restore(target, place / "check")
        except ConfigException:
            came["neither"] += 1
    StateLock(state).release()
    back_up(certificates, state, target, replace=True)
    left = [path for path in (*state.iterdir(), *place.iterdir()) if path.name.startswith(".")]
    return came, not left and not came["neither"]


async def hub_that_ran(certificates: Certificates, state: Path) -> None:
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        for number in range(300):
            hub.audit.record("session.open", principal="eve", detail=f"no. {number}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    chance = random.Random(options.seed)
    with workplace() as (directory, certificates):
        states = (directory / "one", directory / "other")
        for state in states:
            asyncio.run(hub_that_ran(certificates, state))
            back_up(certificates, state, state.with_suffix(".backup"))
        backups = (directory / "one.backup", directory / "other.backup")
        (directory / "target").mkdir()
        shutil.copytree(states[1], directory / "target" / "state")
        tried, wrong = damage(directory / "target", backups, options.count, options.seed)
        (directory / "killed").mkdir()
        restores, are_whole = kill_restores(directory / "killed", states[1], backups[0], options.kills, chance)
        made, are_made_whole = kill_backups(certificates, directory / "killed", states[0], options.kills, chance)
        loaded = asyncio.run(under_load(certificates, directory / "loaded", options.seconds))
    show([*wrong, *loaded[-1]], options.seed)
    report(
        "attacks.backup",
        Figure(
            "backups while 50 clients change principals, invites and labels and run commands",
            "each is whole, its peers return to the last one",
            f"{loaded[0]} backups in {options.seconds:g} s, the longest {loaded[3]:.2f} s; {loaded[1]} principals,"
            f" {loaded[2]} commands meanwhile; {len(loaded[-1])} otherwise",
            not loaded[-1],
        ),
        Figure(
            "backups that were changed, cut, lengthened or mixed at random, restored over another hub",
            "each is refused, nothing changes",
            f"{tried} files; {len(wrong)} otherwise",
            not wrong,
        ),
        Figure(
            "`hub restore --force` is killed at random moments",
            "all is old, or all is new once somebody starts there",
            f"{options.kills} kills, {restores['within']} among the renames: {restores['old']} old,"
            f" {restores['new']} new, {restores['neither']} neither",
            are_whole,
        ),
        Figure(
            "`hub backup --force` is killed at random moments",
            "the file is the old one or a whole new one; the next backup leaves nothing else",
            f"{options.kills} kills: {made['old']} old, {made['new']} new, {made['neither']} not whole",
            are_made_whole,
        ),
    )


if __name__ == "__main__":
    main()
