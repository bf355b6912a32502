"""What one change of one principal or node holds up a hub's loop, with few others about and with very many.

The hub's own objects, with principals in its state file, and with nodes that are connected as far as these know. The
state is in memory where the machine has such a place (`/dev/shm`): a disk takes the same time whoever else there is.
Times are the processor's, as other programs may want it too.
"""

import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.fake_peers import FakePeer
from support.raw_admin import b64
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub, PlatformInfo, Principal
from omnyshell.clock import SystemClock
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import CredentialKind, LockKind
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import admin as a
from omnyshell.security.authenticators import Evidence, hash_token
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.security.credentials import TOKEN_METHOD
from omnyshell.services.hub.admin.plans import Plan
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddPrincipal,
    AnyChange,
    ClaimNode,
    SetLabels,
    Transaction,
)
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal
from soak.machines import workplace
from soak.report import Figure, report

FEW, MANY = 10, 5_000
JOINS, TIMES = 1_000, 100
MOST, MOST_FOR_FILE, MOST_FOR_ALL = 5, 10, 100
"""Milliseconds that a change may take."""

EVERYTHING = "all that is live is judged anew, as after a reload"
"""Not one change: it is for comparison, and may take longer."""

EDIT = "a line of authorized_keys is edited"
"""All lines of the file are looked at; only what has changed is read and judged."""

SECRET = hash_token("token")


class ConnectedNode(FakePeer):
    """A node that is connected with a token of its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"n{number}", "node")
        self.link = SimpleNamespace(unfinished_message=0)
        self._who = Principal(PrincipalId(f"node:n{number}"), frozenset({"node"}))
        self.evidence = Evidence(self._who.id, TOKEN_METHOD, SECRET)  # type: ignore[assignment]


async def fill(directory: Path, count: int) -> None:
    records, now = HubRecords(directory), SystemClock().now()
    changes: list[AnyChange] = []
    for number in range(count):
        name, id_ = f"node:n{number}", f"n{number}"
        changes += [
            AddPrincipal(EnrolledPrincipal(principal=name, roles=frozenset({"node"}), created_at=now)),
            AddCredential(
                EnrolledCredential(
                    id=f"c{number}", principal=name, kind=CredentialKind.TOKEN, secret=SECRET, created_at=now
                )
            ),
            SetLabels(id_, {"allow-roles": "dev"}),
            ClaimNode(id_, name),
        ]
    records.log.append(Transaction(tuple(changes))).now()
    await records.aclose()


def connect(hub: OmnyShellHub, count: int) -> None:
    """Have nodes be connected, as far as the hub's objects know."""
    for number in range(count):
        peer = cast("Any", ConnectedNode(number))
        hub._peers.add(peer)
        hub._peers.logged_in(peer)
        hub._services.node_service.register(peer, register(number), 0)


def forget(hub: OmnyShellHub) -> None:
    for peer in hub._peers:
        hub._peers.discard(peer)


def register(number: int) -> m.NodeRegister:
    return m.NodeRegister(node_id=f"n{number}", platform=PlatformInfo(os="linux", arch="x64"))


class Changes:
    """The changes, each of which is done many times, of another principal or node each time."""

    def __init__(self, hub: OmnyShellHub, count: int) -> None:
        self._services, self._count, self._hub = hub._services, count, hub
        self._plans = self._services.admin._plans
        self._admin = cast("Any", FakePeer("admin-1", "admin"))

    def plan(self, asked: Any, **fields: Any) -> Callable[[], object]:
        ask = asked(request_id="r", **fields)
        return lambda: self.carry_out(self._plans[asked](ask, self._admin))

    def carry_out(self, plan: Plan) -> object:
        if plan.changes:
            self._hub._records.log.append(Transaction(plan.changes)).now()  # type: ignore[union-attr]
        return plan.do()

    def all(self) -> Iterator[tuple[str, list[Callable[[], object]]]]:
        numbers = range(TIMES)
        yield "a user is added", [self.plan(a.PrincipalAdd, principal=f"u{i}", roles=("dev",)) for i in numbers]
        yield "a token is added", [self.plan(a.TokenAdd, principal=f"u{i}") for i in numbers]
        yield "a role is given", [self.plan(a.PrincipalRoles, principal=f"u{i}", roles=("ops",)) for i in numbers]
        for kind, name in ((LockKind.PRINCIPAL, "u"), (LockKind.NODE, "elsewhere")):
            yield f"a {kind} is locked", [self.plan(a.LockAdd, kind=kind, name=f"{name}{i}") for i in numbers]
            yield f"a {kind} is unlocked", [self.plan(a.LockRemove, kind=kind, name=f"{name}{i}") for i in numbers]
        yield "a user is revoked", [self.plan(a.PrincipalRevoke, principal=f"u{i}") for i in numbers]
        yield "a node is labelled", [self.labels(i) for i in numbers]
        yield "a node registers", [self.registers(i) for i in numbers]
        yield "a node leaves", [self.leaves(i) for i in numbers]
        yield EDIT, self.edits()
        yield EVERYTHING, [self._services._eviction.enforce for _ in range(10)]

    def labels(self, number: int) -> Callable[[], object]:
        labels = {"allow-roles": f"dev{number}"}
        return self.plan(a.NodeLabelsSet, node_id=f"n{number % self._count}", labels=labels)

    def edits(self) -> list[Callable[[], object]]:
        path = cast("Path", self._hub.config.state_dir) / "authorized_keys"
        keys = [Ed25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(self._count)]
        lines = [f"key{number} {b64(key)} dev" for number, key in enumerate(keys)]
        path.write_text("\n".join(lines))
        store = AuthorizedKeysStore.from_file(path)

        def edit(number: int) -> None:
            lines[number % self._count] += f",role{number}"
            path.write_text("\n".join(lines))

        def take_in() -> None:
            (name,) = store.reload()
            self._services._eviction.enforce_for(name)

        # The editor's work is not the hub's.
        return [Edited(partial(edit, number), take_in) for number in range(TIMES)]

    def registers(self, number: int) -> Callable[[], object]:
        peer = cast("Any", ConnectedNode(number % self._count))
        handler = self._services.node_service.register
        return lambda: handler(peer, register(number % self._count), 0)

    def leaves(self, number: int) -> Callable[[], object]:
        node = self._hub.nodes.find(f"n{number % self._count}")
        return lambda: self._services.node_service.left(cast("Any", node).peer) if node is not None else None

    def joins(self, token: str) -> list[Callable[[], object]]:
        invites = self._services.admin._invites

        def join(key: str) -> Plan:
            invite = self._hub._records.enrolments.invite_of(hash_token(token))  # type: ignore[union-attr]
            assert invite is not None
            ask = a.JoinRequest(token=token, public_key=key, signature="", suggested_id="image")
            plan = invites.use(ask, invite, "node")
            assert isinstance(self.carry_out(plan), a.JoinAccepted)
            return plan

        keys = (b64(Ed25519PrivateKey.generate().public_key().public_bytes_raw()) for _ in range(JOINS))
        return [lambda key=key: join(key) for key in keys]  # type: ignore[misc]


class Edited(NamedTuple):
    """Something that the hub takes in, and what is done before."""

    before: Callable[[], object]
    take_in: Callable[[], object]

    def __call__(self) -> object:
        return self.take_in()


def measure(calls: list[Callable[[], object]]) -> list[float]:
    taken = []
    for call in calls:
        if isinstance(call, Edited):
            call.before()
        began = time.thread_time()
        call()
        taken.append(time.thread_time() - began)
    return taken


async def times(certificates: Certificates, directory: Path, count: int) -> dict[str, list[float]]:
    await fill(directory, count)
    logging.getLogger("omnyshell").setLevel(logging.ERROR)
    config = hub_config(certificates, host="127.0.0.1", state_dir=directory)
    async with OmnyShellHub(config) as hub:
        connect(hub, count)
        changes = Changes(hub, count)
        found = {}
        for name, calls in changes.all():
            found[name] = measure(calls)
            await asyncio.sleep(0)
        made = cast("Any", changes.plan(a.InviteCreate, kind="node", ttl_seconds=3600, uses=JOINS, id_prefix="web-")())
        found["a machine joins by a fleet's invite"] = measure(changes.joins(made.token))
        forget(hub)
    return found


async def soak() -> list[Figure]:
    place = Path("/dev/shm")
    with workplace() as (_, certificates), tempfile.TemporaryDirectory(dir=place if place.is_dir() else None) as name:
        few = await times(certificates, Path(name) / "few", FEW)
        many = await times(certificates, Path(name) / "many", MANY)
    return [figure(change, few[change], taken) for change, taken in many.items()]


def figure(change: str, few: list[float], many: list[float]) -> Figure:
    before, after = statistics.median(few) * 1000, statistics.median(many) * 1000
    most = {EVERYTHING: MOST_FOR_ALL, EDIT: MOST_FOR_FILE}.get(change, MOST)
    return Figure(
        f"{change}, with {MANY} principals and nodes",
        f"at most {most:g} ms of processor time in the loop",
        f"{after:.2f} ms, with {FEW} {before:.2f} ms; worst of {len(many)} {max(many) * 1000:.1f} ms",
        after <= most,
    )


def main() -> None:
    report("one_change", *uvloop.run(asyncio.wait_for(soak(), 300)))


if __name__ == "__main__":
    main()
