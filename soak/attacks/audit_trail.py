"""Random tampering with a trail's files between starts, and a large trail that is gone through while a hub serves."""

import argparse
import asyncio
import json
import logging
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from support.stack import Certificates, hub_config

from omnyshell import AuditRecord, OmnyShellHub, SystemClock
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit.chain import HEAD, chain, link, seal
from omnyshell.services.hub.audit.heads import read_head
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.query import verify_trail
from omnyshell.services.hub.audit.store import AuditStore, load_audit_key
from omnyshell.services.hub.audit.trail import open_trail
from omnyshell.services.hub.audit.witness import read_noted
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, AUDIT_KEY_FILE as KEY_FILE
from soak.machines import workplace
from soak.report import Figure, report

NAP = 0.005
LAG_GOAL = 0.005
"""Seconds by which the loop of a hub may be later, in 99 of 100 cases, while a large trail is gone through."""

Tables = list[tuple[object, ...]]


async def start(certificates: Certificates, state: Path, records: int) -> list[str]:
    """Open the trail as a hub does, write some records, and close it; returns the gaps that it names."""
    audit = AuditLog(SystemClock())
    await open_trail(audit, hub_config(certificates, state_dir=state))
    if audit.check is not None:
        await audit.check.wait(60)
    for number in range(records):
        audit.record("session.open", principal="eve", detail=f"no. {number}")
    gaps = list(audit.gaps)
    await audit.aclose()
    return gaps


def connect(state: Path, name: str = AUDIT_FILE) -> sqlite3.Connection:
    return sqlite3.connect(state / name)


def change(state: Path, statement: str, *values: object) -> None:
    db = connect(state)
    db.execute(statement, values)
    db.commit()
    db.close()


def content(state: Path) -> tuple[Tables, bytes, Tables]:
    """All that the trail, its key and the other database say of it."""
    found: list[Tables] = []
    for name, table in ((AUDIT_FILE, "records"), (STATE_FILE, "audit_head")):
        try:
            db = connect(state, name)
            found.append(db.execute(f"SELECT * FROM {table}").fetchall())
            db.close()
        except sqlite3.Error:
            found.append([])
    key = (state / KEY_FILE).read_bytes() if (state / KEY_FILE).exists() else b""
    return found[0], key, found[1]


class Tampering:
    """Does one thing at random to the files of a hub that is stopped."""

    def __init__(self, state: Path, old: Path, chance: random.Random) -> None:
        self.state, self._old, self._chance = state, old, chance
        self.ways: tuple[Callable[[], None], ...] = (
            self.delete, self.cut, self.edit, self.exchange, self.sign_anew, self.roll_back, self.remove,
            self.unseal, self.add, self.forget, self.forge, self.cut_at_a_head, self.begin_anew,
        )  # fmt: skip

    def last(self) -> int:
        db = connect(self.state)
        ((seq,),) = db.execute("SELECT max(seq) FROM records").fetchall()
        db.close()
        return int(seq or 0)

    def some(self) -> int:
        return self._chance.randint(1, max(1, self.last()))

    def delete(self) -> None:
        first = self.some()
        change(self.state, "DELETE FROM records WHERE seq BETWEEN ? AND ?", first, first + self._chance.randint(0, 20))

    def cut(self) -> None:
        change(self.state, "DELETE FROM records WHERE seq > ?", self.some() - 1)

    def edit(self) -> None:
        column = self._chance.choice(("record", "hash", "previous"))
        change(self.state, f"UPDATE records SET {column} = ? WHERE seq = ?", self._chance.randbytes(32), self.some())

    def exchange(self) -> None:
        one, other = self.some(), self.some()
        for before, after in ((one, -1), (other, one), (-1, other)):
            change(self.state, "UPDATE records SET seq = ? WHERE seq = ?", after, before)

    def sign_anew(self) -> None:
        """With the key, or one that is put in its place."""
        if self._chance.random() < 0.5:
            (self.state / KEY_FILE).unlink()
            Ed25519PrivateKey.generate().save(self.state / KEY_FILE)
        key, first, keep = load_audit_key(self.state), self.some(), self.last() - self._chance.randint(0, 5)
        db = connect(self.state)
        rows = db.execute(
            "SELECT seq, previous, record FROM records WHERE seq BETWEEN ? AND ?", (first, keep)
        ).fetchall()
        previous = rows[0][1] if rows else b""
        for seq, _, text in rows:
            forged = text.replace("eve", "bob") if isinstance(text, str) else "{}"
            hash_ = link(previous, forged.encode())
            db.execute("UPDATE records SET record=?, previous=?, hash=? WHERE seq=?", (forged, previous, hash_, seq))
            previous = hash_
        db.execute("DELETE FROM records WHERE seq > ?", (keep,))
        if rows:
            mark = seal(HEAD, rows[-1][0], previous, "2026-01-02T03:04:05Z", key.sign)
            db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", mark)
        db.commit()
        db.close()

    def roll_back(self) -> None:
        """One of the databases, with the key or without; of both together the machine knows nothing."""
        names = [self._chance.choice((AUDIT_FILE, STATE_FILE)), KEY_FILE]
        self._replace(names[: self._chance.randint(1, 2)], self._old)

    def remove(self) -> None:
        self._replace(self._chance.sample((AUDIT_FILE, KEY_FILE, STATE_FILE), self._chance.randint(1, 2)), None)

    def _replace(self, names: list[str], source: Path | None) -> None:
        for name in names:
            for path in self.state.glob(f"{name}*"):
                path.unlink()
            for path in source.glob(f"{name}*") if source is not None else ():
                shutil.copy2(path, self.state / path.name)

    def unseal(self) -> None:
        change(self.state, "DELETE FROM seals")
        self.cut()

    def add(self) -> None:
        change(self.state, "INSERT INTO records SELECT max(seq) + 1, hash, record, hash FROM records")

    def forge(self) -> None:
        """Put in, or over another record, one that acknowledges a gap, or counts and tells what nobody found."""
        forged = self._chance.choice(
            (
                AuditRecord(at=SystemClock().now(), action="audit.acknowledge"),
                AuditRecord(at=SystemClock().now(), action="audit.broken", outcome="error", detail="nothing to see"),
            )
        )
        seq = self.some()
        db = connect(self.state)
        row = db.execute("SELECT previous FROM records WHERE seq = ?", (seq,)).fetchone()
        if row is not None:
            made = chain(seq, row[0], forged)
            db.execute(
                "UPDATE records SET record = ?, hash = ? WHERE seq = ?", (made.text.decode(), made.hash, made.seq)
            )
        db.commit()
        db.close()

    def cut_at_a_head(self) -> None:
        """Use a head that the trail holds itself as its end, and as what was noted."""
        db = connect(self.state)
        rows = db.execute("SELECT record FROM records WHERE instr(record, '\"audit.head\"') ORDER BY seq").fetchall()
        heads = [read_head(json.loads(text)["detail"]) for (text,) in rows[:-1]]
        if heads and (head := self._chance.choice(heads)) is not None:
            mark = head.seal
            db.execute("DELETE FROM records WHERE seq > ?", (mark.seq,))
            db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", mark._replace(kind=HEAD))
            noted = connect(self.state, STATE_FILE)
            row = (mark.seq, mark.hash, mark.at, mark.signature, head.key.raw)
            noted.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", row)
            noted.commit()
            noted.close()
        db.commit()
        db.close()

    def begin_anew(self) -> None:
        """Take away the trail, its key and what was noted of it, as if there had been none."""
        self._replace([AUDIT_FILE, KEY_FILE], None)
        db = connect(self.state, STATE_FILE)
        db.execute("DELETE FROM audit_head")
        db.commit()
        db.close()

    def forget(self) -> None:
        db = connect(self.state, STATE_FILE)
        statements = (
            "DELETE FROM audit_head",
            "UPDATE audit_head SET seq = seq - 1",
            "UPDATE audit_head SET hash = x'00'",
        )
        db.execute(self._chance.choice(statements))
        db.commit()
        db.close()


async def tamper(certificates: Certificates, directory: Path, seed: int) -> tuple[int, list[str]]:
    """Return how often something was changed, and what went wrong: not told, told without reason, told twice."""
    chance = random.Random(seed)
    state, old = directory / "state", directory / "old"
    await start(certificates, state, chance.randint(0, 60))
    shutil.copytree(state, old)
    await start(certificates, state, chance.randint(1, 60))
    changed, wrong, gaps = 0, [], list[str]()
    for _ in range(3):
        before = content(state)
        way = chance.choice(Tampering(state, old, chance).ways)
        way()
        is_changed = content(state) != before
        changed += is_changed
        if way.__name__ == "begin_anew":
            # A trail that is gone tells no gaps of before; that it is gone sounds the same each time.
            gaps = []
        now = await start(certificates, state, chance.randint(1, 30))
        if is_changed != bool(set(now) - set(gaps)):
            wrong.append(f"seed {seed}: {way.__name__} {'not told' if is_changed else 'told without reason'}")
        if sorted(await start(certificates, state, 1)) != sorted(now):
            wrong.append(f"seed {seed}: {way.__name__} told twice, or forgotten")
        gaps = now
        noted = read_noted(state / STATE_FILE)
        report = verify_trail(state / AUDIT_FILE, load_audit_key(state).public_key, None, noted)
        if bool(report.findings) != bool(gaps):
            wrong.append(f"seed {seed}: verify does not name {way.__name__}")
    return changed, wrong


async def go_through(certificates: Certificates, directory: Path, count: int) -> tuple[float, float, float]:
    """Return how long a hub that serves takes to go through a large trail, how late its loop was, and is otherwise."""
    clock = SystemClock()
    store = AuditStore(directory / AUDIT_FILE, load_audit_key(directory), clock)
    made = [
        AuditRecord(at=clock.now(), action="session.open", principal="ann", node_id="web-1", detail="x" * 100)
    ] * 5000
    for _ in range(count // len(made)):
        store.append(made)
    store.close()
    async with OmnyShellHub(hub_config(certificates, state_dir=directory)) as hub:
        check, begun = hub.audit.check, time.monotonic()
        late = await lateness(lambda: check is not None and not check.is_done)
        seconds = time.monotonic() - begun
        idle_until = time.monotonic() + seconds
        return seconds, late, await lateness(lambda: time.monotonic() < idle_until)


async def lateness(goes_on: Callable[[], bool]) -> float:
    """Return by how much a loop is late in 99 of 100 cases."""
    seen = [0.0]
    while goes_on():
        before = time.monotonic()
        await asyncio.sleep(NAP)
        seen.append(time.monotonic() - before - NAP)
    return sorted(seen)[int(len(seen) * 0.99)]


async def all_seeds(certificates: Certificates, directory: Path, count: int) -> tuple[int, list[str]]:
    changed, wrong = 0, list[str]()
    for seed in range(count):
        place = directory / f"seed-{seed}"
        more, found = await tamper(certificates, place, seed)
        changed, wrong = changed + more, wrong + found
        shutil.rmtree(place)
    return changed, wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--records", type=int, default=500_000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with workplace() as (directory, certificates):
        changed, wrong = asyncio.run(all_seeds(certificates, directory, options.seeds))
        for problem in wrong:
            print(problem, flush=True)
        seconds, late, idle = asyncio.run(go_through(certificates, directory / "large", options.records))
    report(
        "attacks.audit_trail",
        Figure(
            "random deletions, edits, forgeries and rollbacks of the audit's files between starts",
            "each is told once at the next start, named by verify from then on, and nothing else is",
            f"{options.seeds} trails, {changed} changes; {len(wrong)} otherwise",
            not wrong,
        ),
        Figure(
            "a large audit trail is gone through while the hub serves",
            f"in 99 of 100 cases the loop is later by at most {LAG_GOAL * 1000:g} ms",
            f"{options.records} records in {seconds:.0f} s, late by {late * 1000:.1f} ms, idle {idle * 1000:.1f} ms",
            late - idle <= LAG_GOAL,
        ),
    )


if __name__ == "__main__":
    main()
