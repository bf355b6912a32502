"""What a hub holds true, as tests write it: each change is a transaction of its own."""

from collections.abc import Sequence
from datetime import datetime

from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.truth.changes import (
    AddCredential,
    AddInvite,
    AddPrincipal,
    AnyChange,
    RemovePrincipal,
    SetPrincipal,
    Transaction,
)
from omnyshell.services.hub.truth.log import SqliteLog, TruthLog
from omnyshell.services.hub.truth.records import EnrolledCredential, EnrolledPrincipal, Invite


def put(log: TruthLog, changes: Sequence[AnyChange]) -> None:
    """Have a transaction applied at once."""
    log.append(Transaction(tuple(changes))).now()


def owners_in_memory() -> NodeOwners:
    """Whose node ids are, for a registry that is alone."""
    file = StateFile(None)
    return NodeOwners(file, SqliteLog(file))


class Enrolments(EnrolmentStore):
    """A store whose rows are written one by one."""

    def __init__(self, file: StateFile) -> None:
        self.log = SqliteLog(file)
        super().__init__(file)

    def put_principal(self, row: EnrolledPrincipal) -> None:
        """Add a principal, or replace what is said of it."""
        known = self.principal(row.principal)
        put(self.log, [AddPrincipal(row) if known is None else SetPrincipal(row, known)])

    def remove_principal(self, name: str) -> None:
        """Remove one, with its credentials."""
        put(self.log, [RemovePrincipal(name)])

    def put_credential(self, row: EnrolledCredential) -> None:
        """Add a credential, or replace the one with its id."""
        put(self.log, [AddCredential(row)])

    def put_invite(self, row: Invite) -> None:
        """Add an invite."""
        put(self.log, [AddInvite(row)])

    def take_ends(self, now: datetime) -> list[tuple[str, str, datetime]]:
        """Forget what has ended, and tell it."""
        ended = self.ended(now)
        put(self.log, [each.change for each in ended])
        return [(each.principal, each.what, each.at) for each in ended]
