"""Plans of admins' actions, their refusal, and checks of admins' input."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.ids import is_node_id
from omnyshell.model.grammars import SETTINGS, is_role
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import AdminResult
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.changes import AnyChange
from omnyshell.services.hub.truth.records import EnrolledPrincipal

MAX_SECONDS = 100 * 365 * 86400
MAX_ROLE = 128
MAX_TEXT = 256
MAX_ROLES = 64
MAX_LABELS = 16_384
"""Limits: characters of a name, of a text for display, and of all labels together; roles of a principal."""

SHOWN = 64
"""Characters of a wrong name that an error quotes."""


class AdminRefusedException(OmnyShellException):
    """A request of an admin cannot be done; `code` is the reason."""

    default_code = ErrorCodes.BAD_REQUEST


class Plan(NamedTuple):
    """A checked action. It is audited first, then its changes are made, then `do` is called."""

    action: str
    fields: dict[str, str]
    do: Callable[[], ControlMessage | None]
    """Does all that is no change in the log, and returns the answer, or None if that comes later."""

    changes: tuple[AnyChange, ...] = ()
    """The changes that are appended to the log, in one transaction."""

    meanwhile: str = ""
    """What is said where they are refused as the hubs' engine is away: what can be done at once, or need not be."""


Reads = Mapping[type[ControlMessage], Callable[[Any], ControlMessage | Answer[ControlMessage]]]
"""Functions that answer read requests, by the request's type; where other hubs are asked, not at once."""

Plans = Mapping[type[ControlMessage], Callable[[Any, Peer], Plan]]
"""Functions that plan a request of an admin, by the request's type. Planning changes nothing."""


class AdminMember(Protocol):
    """A handler of some of the admins' requests.

    Its functions may raise `OmnyShellException`, which becomes the answer.
    """

    @property
    def reads(self) -> Reads:
        """The read requests that it answers."""

    @property
    def plans(self) -> Plans:
        """The requests that it plans."""


def done(action: str, fields: dict[str, str], request_id: str, change: Callable[[], None]) -> Plan:
    """Return a plan without changes in the log; `change` is called to do it."""

    def do() -> ControlMessage:
        change()
        return AdminResult(request_id=request_id, ok=True)

    return Plan(action, fields, do)


def changed(action: str, fields: dict[str, str], request_id: str, *changes: AnyChange) -> Plan:
    """Return a plan of changes in the log."""
    answer = AdminResult(request_id=request_id, ok=True)
    return Plan(action, fields, lambda: answer, changes)


def end_after(clock: Clock, field: str, seconds: int | None) -> datetime | None:
    """Return when something granted for `seconds` expires; None if it does not. Raises `AdminRefusedException`."""
    check_seconds(field, seconds)
    return clock.now() + timedelta(seconds=seconds) if seconds is not None else None


def check_seconds(field: str, seconds: int | None, *, least: int = 1) -> int | None:
    """Return a duration in seconds, checked. Raises `AdminRefusedException` for one that is out of range."""
    if seconds is not None and not least <= seconds <= MAX_SECONDS:
        raise AdminRefusedException(f"{field} must be {least} to {MAX_SECONDS} (100 years)")
    return seconds


def with_roles(
    known: EnrolledPrincipal, roles: frozenset[str], ends: datetime | None, now: datetime
) -> EnrolledPrincipal:
    """Return a principal with these roles instead of its own, or, if `ends` is given, in addition to its own.

    Raises `AdminRefusedException` if `ends` is given and there are no roles, or it has them without expiry already.
    """
    if ends is None:
        return replace(known, roles=roles, timed_roles={})
    if not roles:
        raise AdminRefusedException("which roles are for a time? name one at least")
    timed = dict.fromkeys(sorted(roles - known.roles), ends)
    if not timed:
        raise AdminRefusedException(f"'{known.principal}' has {','.join(sorted(roles))} already, without an end")
    going_on = {role: end for role, end in known.timed_roles.items() if now < end}
    made = replace(known, timed_roles=going_on | timed)
    check_roles(made.roles_at(now))
    return made


def check_roles(roles: Iterable[str]) -> frozenset[str]:
    """Return roles as a set. Raises `AdminRefusedException` for too many, and for names that are not valid."""
    result = frozenset(roles)
    if len(result) > MAX_ROLES:
        raise AdminRefusedException(f"a principal has at most {MAX_ROLES} roles")
    for role in result:
        if not is_role(role) or len(role) > MAX_ROLE or " " in role:
            text = f"a role has 1 to {MAX_ROLE} characters, without spaces and commas"
            raise AdminRefusedException(f"'{role[:SHOWN]}' is no role: {text}")
    return result


def check_text(field: str, text: str) -> str:
    """Return a text for display. Raises `AdminRefusedException` if it is too long."""
    if len(text) > MAX_TEXT:
        raise AdminRefusedException(f"{field} has at most {MAX_TEXT} characters")
    return text


def check_node(node_id: str | None, labels: Mapping[str, str]) -> None:
    """Check a node id, if given, and labels for it. Raises `AdminRefusedException`."""
    if node_id is not None and not is_node_id(node_id):
        raise AdminRefusedException("a node id consists of letters, digits, '_', '.' and '-'")
    if sum(map(len, (*labels, *labels.values()))) > MAX_LABELS or "" in labels:
        raise AdminRefusedException("the labels are too many, or one has no name")
    if not SETTINGS.fits(labels):
        raise AdminRefusedException(f"they must be {SETTINGS.rule}")
