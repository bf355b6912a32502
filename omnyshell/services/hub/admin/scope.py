"""What administration works on, and how a refusal is said."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.ids import IdFactory, PrincipalId, is_node_id
from omnyshell.model.grammars import SETTINGS, is_role
from omnyshell.model.principals import MAX_USER_NAME, is_user_name
from omnyshell.protocol.messages import ControlMessage
from omnyshell.security.authenticators import Authenticator, principal_of
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.event_bus import EventBus
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer, Peers
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.truth.changes import AnyChange
from omnyshell.services.hub.truth.log import TruthLog
from omnyshell.services.hub.truth.records import EnrolledPrincipal
from omnyshell.services.hub.tunnels.broker import TunnelBroker

MAX_SECONDS = 100 * 365 * 86400
MAX_ROLE = 128
MAX_TEXT = 256
MAX_ROLES = 64
MAX_LABELS = 16_384
"""Characters of a name, of a text that is shown, and of all labels together; roles of a principal."""

SHOWN = 64
"""Characters of a wrong name that are repeated."""


class AdminRefusedException(OmnyShellException):
    """A request of an admin cannot be done; `code` says why in a word."""

    default_code = ErrorCodes.BAD_REQUEST


class Plan(NamedTuple):
    """An action that was checked: audited first, then its changes are made, then the rest is done."""

    action: str
    fields: dict[str, str]
    do: Callable[[], ControlMessage | None]
    """Does what is no change of what is held true, and returns the answer, or None where that comes later."""

    changes: tuple[AnyChange, ...] = ()
    """What is appended to the log, in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminScope:
    """The parts of a hub that admins act on."""

    log: TruthLog
    store: EnrolmentStore
    enrolled: EnrolledAuthenticator
    owners: NodeOwners
    nodes: NodeRegistry
    sessions: SessionRouter
    peers: Peers[Any]
    broker: HubBroker
    eviction: Eviction
    locks: Locks
    tunnels: TunnelBroker
    audit: AuditLog
    bus: EventBus
    questions: NodeQuestions
    certificate: HubCertificate
    clock: Clock
    new_id: IdFactory
    configured: Callable[[], Authenticator]
    """What the hub's configuration grants."""

    started_at: datetime

    def logged_in(self) -> Iterator[Peer]:
        """Yield the connections that have logged in, oldest first."""
        return iter(sorted((peer for peer in self.peers if peer.is_logged_in), key=lambda peer: peer.connected_at))

    def known_principal(self, name: str) -> EnrolledPrincipal:
        """Return a principal of the database. Raises `AdminRefusedException`, telling where else it is known."""
        found = self.store.principal(name)
        if found is not None:
            return found
        if principal_of(self.configured(), PrincipalId(name)) is not None:
            text = f"'{name[:SHOWN]}' is granted by the hub's configuration: change it there, it takes effect at once"
            raise AdminRefusedException(text)
        raise AdminRefusedException(f"there is no principal '{name[:SHOWN]}'", code="not_found")

    def check_new_name(self, name: str) -> None:
        """Check the name of a user to be. Raises `AdminRefusedException`."""
        if not is_user_name(name):
            raise AdminRefusedException(f"a name has 1 to {MAX_USER_NAME} characters, without spaces and colons")
        if principal_of(self.configured(), PrincipalId(name)) is not None:
            raise AdminRefusedException(f"'{name}' is granted by the hub's configuration already")

    def after(self, field: str, seconds: int | None) -> datetime | None:
        """Return the end of what is granted for so long; None for good. Raises `AdminRefusedException`."""
        check_seconds(field, seconds)
        return self.clock.now() + timedelta(seconds=seconds) if seconds is not None else None


def check_seconds(field: str, seconds: int | None, *, least: int = 1) -> int | None:
    """Return a time for which something is granted. Raises `AdminRefusedException` for none that can be."""
    if seconds is not None and not least <= seconds <= MAX_SECONDS:
        raise AdminRefusedException(f"{field} must be {least} to {MAX_SECONDS} (100 years)")
    return seconds


def with_roles(
    known: EnrolledPrincipal, roles: frozenset[str], ends: datetime | None, now: datetime
) -> EnrolledPrincipal:
    """Return a principal with these roles instead of its own; where they end, beside those that it has.

    Raises `AdminRefusedException` for roles that end and are none, or are its for good already.
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
    """Return roles as a set. Raises `AdminRefusedException` for too many, and for one that no list could hold."""
    result = frozenset(roles)
    if len(result) > MAX_ROLES:
        raise AdminRefusedException(f"a principal has at most {MAX_ROLES} roles")
    for role in result:
        if not is_role(role) or len(role) > MAX_ROLE or " " in role:
            text = f"a role has 1 to {MAX_ROLE} characters, without spaces and commas"
            raise AdminRefusedException(f"'{role[:SHOWN]}' is no role: {text}")
    return result


def check_text(field: str, text: str) -> str:
    """Return a text that is only shown. Raises `AdminRefusedException` for one that is too long."""
    if len(text) > MAX_TEXT:
        raise AdminRefusedException(f"{field} has at most {MAX_TEXT} characters")
    return text


def check_node(node_id: str | None, labels: Mapping[str, str]) -> None:
    """Check a node id, where there is one, and labels for it. Raises `AdminRefusedException`."""
    if node_id is not None and not is_node_id(node_id):
        raise AdminRefusedException("a node id consists of letters, digits, '_', '.' and '-'")
    if sum(map(len, (*labels, *labels.values()))) > MAX_LABELS or "" in labels:
        raise AdminRefusedException("the labels are too many, or one has no name")
    if not SETTINGS.fits(labels):
        raise AdminRefusedException(f"they must be {SETTINGS.rule}")
