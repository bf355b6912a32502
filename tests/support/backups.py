"""Backups that cost little to make, and peers that have saved what they need to come back."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.stack import Certificates, access, connected_client, within

from omnyshell import (
    ConfigException,
    HubAccess,
    HubAddress,
    NodeConfig,
    OmnyShellClient,
    OmnyShellNode,
    PrincipalId,
    SystemClock,
)
from omnyshell.model.admin import InviteKind
from omnyshell.protocol.messages.admin import (
    InviteCreate,
    InviteCreated,
    KeyAdd,
    NodeLabelsSet,
    PrincipalAdd,
    PrincipalRoles,
)
from omnyshell.security.credentials import PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.sealed_stream import Passphrase, SealingStream
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.hub.audit.query import verify_trail
from omnyshell.services.hub.audit.store import AuditReader, load_audit_key
from omnyshell.services.hub.audit.witness import read_noted
from omnyshell.services.hub.backup import backup
from omnyshell.services.hub.backup.archive import Entry, Manifest, entry, write_archive
from omnyshell.services.hub.backup.backup import BackupFile
from omnyshell.services.hub.backup.maker import BackupSigner
from omnyshell.services.hub.backup.restore import Target, restore as restore_into
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


class QuickPassphrase(Passphrase):
    """One that costs nothing to try."""

    def key_for(self, random: bytes) -> bytes:
        return hashlib.sha256(random + self._passphrase).digest()


SECRET = QuickPassphrase(b"correct horse")
CLOCK = SystemClock()


def by_key(certificates: Certificates, port: int, name: str, key: Ed25519PrivateKey) -> HubAccess:
    provider = PublicKeyCredentialProvider(PrincipalId(name), key)
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=provider, ca=certificates.ca)


async def enrol(admin: AdminClient, name: str, role: str, key: Ed25519PrivateKey) -> None:
    await admin.do(PrincipalAdd(request_id="", principal=name, roles=(role,)))
    await admin.do(KeyAdd(request_id="", principal=name, public_key=key.public_key.to_base64()))


ADMINS, USERS = 30, 20
LABELS = {"allow-roles": "developer"}


@asynccontextmanager
async def node_by_key(access_: HubAccess, state: Path, name: str) -> AsyncIterator[OmnyShellNode]:
    node = OmnyShellNode(NodeConfig(node_id=name, access=access_, state_dir=state, run_as_node_user=True))
    running = asyncio.create_task(node.run())
    try:
        await within(node.registered.wait())
        yield node
    finally:
        node.stop()
        await within(running)


def settings_of(certificates: Certificates) -> dict[str, Path]:
    return {"cert": certificates.cert, "key": certificates.key}


def back_up(certificates: Certificates, state: Path, target: Path, **changes: Any) -> Manifest:
    return backup.back_up(state, settings_of(certificates), BackupFile(target, SECRET, **changes), CLOCK)


def restore(source: Path, state: Path, config: Path | None = None, unlock: Passphrase = SECRET, **changes: Any) -> None:
    replace = changes.pop("replace", False)
    restore_into(source, unlock, Target(state, config, replace=replace), CLOCK, **changes)


def findings(state: Path) -> tuple[Any, ...]:
    noted = read_noted(state / STATE_FILE)
    return verify_trail(state / AUDIT_FILE, load_audit_key(state).public_key, None, noted).findings


def texts(state: Path) -> list[str]:
    with AuditReader(state / AUDIT_FILE) as reader:
        return [chained.text.decode() for chained in reader.records()]


def listed(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def refused(source: Path, place: Path, match: str, unlock: Passphrase = SECRET, **changes: Any) -> None:
    """Check that nothing is restored, and nothing changed."""
    before = listed(place)
    arguments: dict[str, Any] = {"config": place / "files", **changes}
    with pytest.raises(ConfigException, match=match):
        restore(source, place / "new", unlock=unlock, **arguments)
    assert listed(place) == before


def archive(
    certificates: Certificates,
    place: Path,
    files: dict[str, Path],
    entries: tuple[Entry, ...] | None = None,
    **changes: Any,
) -> Path:
    """Write what somebody who knows the passphrase may write, with a key of a hub."""
    signer = BackupSigner(certificates.cert, certificates.key)
    listed = entries if entries is not None else tuple(entry(name, path) for name, path in files.items())
    said = {"version": "0", "maker": signer.maker, "created_at": "", "files": listed, **changes}
    sign = said.pop("sign", signer.sign)
    with (place / "archive").open("wb") as file:
        write_archive(SealingStream(file, SECRET), Manifest(**said), files, sign)
    return place / "archive"


class Work:
    """What clients do without end, and what the hub has said to be done."""

    def __init__(self) -> None:
        self.added: set[str] = set()
        self.commands = 0

    async def administer(self, admin: AdminClient, who: int) -> None:
        for number in itertools.count():
            name = f"p{who}.{number}"
            await admin.do(PrincipalAdd(request_id="", principal=name, roles=("developer",)))
            self.added.add(name)
            await admin.do(NodeLabelsSet(request_id="", node_id=f"node{who}", labels={"n": str(number)}))
            await admin.do(PrincipalRoles(request_id="", principal=name, roles=("developer", f"r{number}")))
            invite = InviteCreate(request_id="", kind=InviteKind.NODE, node_id=f"node{who}-{number}")
            await admin.ask(invite, InviteCreated)

    async def use(self, client: OmnyShellClient) -> None:
        while True:
            await client.execute("busy", "true")
            self.commands += 1


async def at_work(stack: AsyncExitStack, certificates: Certificates, port: int, work: Work) -> list[asyncio.Task[None]]:
    """Connect `ADMINS` and `USERS`, and have them work: on a node `busy`, which takes developers."""
    admins = [AdminClient(access(certificates, port, "admin")) for _ in range(ADMINS)]
    users = [connected_client(certificates, port, "dev") for _ in range(USERS)]
    entering: list[Coroutine[Any, Any, Any]] = [stack.enter_async_context(one) for one in (*admins, *users)]
    ready = await asyncio.gather(*entering)
    doing = [work.administer(admin, number) for number, admin in enumerate(ready[:ADMINS])]
    doing += [work.use(client) for client in ready[ADMINS:]]
    return [asyncio.create_task(one) for one in doing]
