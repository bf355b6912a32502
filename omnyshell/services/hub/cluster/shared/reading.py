"""What a record of the hubs' log changes, if its hub may write that."""

from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.members.signing import opened
from omnyshell.services.hub.cluster.order.order import Stored
from omnyshell.services.hub.truth.changes import Transaction, UnknownChangeException
from omnyshell.services.hub.truth.member_changes import MemberKnows

NOT_AGREED = "it makes changes of level {level}, and not all hubs have said that they know more than level {known}"

AFTER_ANOTHER = "it was written behind another record {before} than this hub has applied: the engine has lost some"


class AfterAnotherException(ValueError):
    """A hub wrote a record behind another one than there is here."""


def read_change(members: Members, generation: str, stored: Stored, hub: str, before: bytes) -> Transaction:
    """Return what a hub's record changes, which is the same at hubs of all versions.

    `before` is the digest of the record before it.

    Raises `UnknownChangeException` for what only a newer version knows, and each member has said that it does: nothing
    behind it can be applied here. Raises `ValueError` for what counts for no hub, as `AfterAnotherException` where that
    is so for all who know this record before it.
    """
    key = members.key_of(hub)
    if key is None:
        raise ValueError("that hub is no member")
    record = opened(stored.data, key, generation, stored.seq, hub)
    if record.after and record.after != before:
        raise AfterAnotherException(AFTER_ANOTHER.format(before=stored.seq - 1))
    try:
        transaction = Transaction.decode(record.body)
    except UnknownChangeException as exc:
        _check_agreed(members, exc.level)
        raise
    _check_agreed(members, transaction.level)
    if any(isinstance(change, MemberKnows) and change.hub != hub for change in transaction.changes):
        raise ValueError("it says what another hub knows")
    return transaction


def _check_agreed(members: Members, level: int) -> None:
    """Raise `ValueError` where members do not know a level: nobody may stop others by what they cannot read."""
    if level > members.level:
        raise ValueError(NOT_AGREED.format(level=level, known=members.level))
