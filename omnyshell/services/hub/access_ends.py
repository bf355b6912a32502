"""Ends expired credentials and roles, with the connections and sessions that depend on them, and audits that."""

import logging
from collections.abc import Iterable

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.schema import write_timestamp
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator
from omnyshell.services.hub.enrolment.store import Ended, EnrolmentStore
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.truth.changes import together
from omnyshell.services.hub.truth.log import TruthLog

logger = logging.getLogger("omnyshell.hub")


class AccessEnds:
    """Looks for expired credentials and roles. Call `tick` regularly."""

    def __init__(
        self,
        *,
        log: TruthLog,
        enrolled: EnrolledAuthenticator,
        store: EnrolmentStore,
        eviction: Eviction,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._log = log
        self._enrolled = enrolled
        self._store = store
        self._eviction = eviction
        self._audit = audit
        self._clock = clock
        self._owes_ends, self._could_not_tell = True, False

    def tick(self) -> None:
        """End what has expired. The first call also audits what expired while no hub ran."""
        try:
            expired = self._enrolled.expire()
        except OmnyShellException as exc:
            logger.error("credentials and roles whose time is up may go on: %s", exc)
            return
        for name in expired:
            self._eviction.enforce_for(name)
        if expired or self._owes_ends:
            self._tell_ends()

    def _tell_ends(self) -> None:
        self._owes_ends = False
        try:
            ends = self._store.ended(self._clock.now())
        except OmnyShellException as exc:
            self._cannot_tell(exc)
            return
        if ends:
            forgetting = together(*(each.change for each in ends))
            self._log.append(forgetting).then(lambda _: self._told(ends), self._cannot_tell)

    def _told(self, ends: Iterable[Ended]) -> None:
        self._could_not_tell = False
        for ended in ends:
            logger.info("the %s of %s has ended", ended.what, ended.principal)
            at = write_timestamp(ended.at)
            self._audit.record("access.ended", principal=ended.principal, detail=f"{ended.what} until {at}")

    def _cannot_tell(self, problem: OmnyShellException) -> None:
        # The expiry is in force already; audit it as soon as the log takes the change.
        self._owes_ends = True
        logger.log(logging.DEBUG if self._could_not_tell else logging.ERROR, "ends cannot be noted yet: %s", problem)
        self._could_not_tell = True
