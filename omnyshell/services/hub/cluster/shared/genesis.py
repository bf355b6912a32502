"""The beginning of a shared log: what a hub holds, as the changes that make the same tables elsewhere."""

from collections.abc import Iterator

from omnyshell.model.schema import read_timestamp
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.state_file import StateFile, blob, text
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddInvite,
    AddPrincipal,
    AnyChange,
    ClaimNode,
    Once,
    PutLock,
    SetLabels,
    Transaction,
    together,
)
from omnyshell.services.hub.truth.member_changes import AddMember

LARGEST = 128 * 1024
"""Bytes of one transaction, about: what the engine takes as one record is several times that."""


def genesis(file: StateFile, founder: AddMember) -> list[Transaction]:
    """Return the transactions of a hub's tables, the founder's membership first; the same tables give the same ones.

    Where a log is begun in place of one that is lost, the other members stay members.

    Damaged rows are left out, as they grant nothing. Raises `ConfigException` if the file cannot be used.
    """
    made = [together(founder)]
    changes: list[AnyChange] = []
    size = 0
    for change in (*_members(file, founder), *_changes(file)):
        changes.append(change)
        size += len(together(change).encode())
        if size >= LARGEST:
            made.append(together(*changes))
            changes, size = [], 0
    return [*made, together(*changes)] if changes else made


def _members(file: StateFile, founder: AddMember) -> list[AnyChange]:
    rows = file.read("the member", _member, "SELECT hub, key, added_at FROM members ORDER BY hub")
    return [row for row in rows if row.hub != founder.hub]


def _member(hub: object, key: object, added_at: object) -> AddMember:
    return AddMember(text(hub), blob(key), read_timestamp(text(added_at)))


def _changes(file: StateFile) -> Iterator[AnyChange]:
    store = EnrolmentStore(file)
    yield from (AddPrincipal(row) for row in store.principals())
    yield from (AddCredential(row) for row in store.credentials())
    yield from (AddInvite(row) for row in store.invites())
    yield from (SetLabels(node_id, labels) for node_id, labels in sorted(store.node_labels().items()))
    owners = file.read("the node id", _owner, "SELECT node_id, principal FROM node_owners ORDER BY node_id")
    yield from (ClaimNode(*owner) for owner in owners)
    yield from (PutLock(lock) for lock in LockStore(file).locks())
    yield from (Once(id_) for id_ in file.read("what was done once", text, "SELECT id FROM once ORDER BY id"))


def _owner(node_id: object, principal: object) -> tuple[str, str]:
    return text(node_id), text(principal)
