"""Judges logins: checks credentials, slows down guessing, and audits both (docs/protocol.md#handshake)."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from omnyshell.clock import Clock
from omnyshell.errors import AuthException, ErrorCodes
from omnyshell.model.principals import Principal
from omnyshell.protocol.messages import AuthRequest
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import (
    Authenticator,
    Evidence,
    as_now,
    can_list,
    evidence_of,
    is_beyond_guessing,
    principal_of,
)
from omnyshell.security.credentials import (
    Credential,
    LoginContext,
    SecurityKeyCredential,
    UnknownMethodException,
    credential_from_request,
)
from omnyshell.security.login_limit import SUMMARY_PERIOD, LoginLimiter, Subject, Suppressed, Verdict
from omnyshell.security.public_keys import fingerprint
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.key_counters import KeyCounters
from omnyshell.services.hub.peers.proofs import ProofRules
from omnyshell.sums import Summed, Sums

AsNow = Callable[[Principal, Evidence | None], Principal | None]
"""Returns the present principal of an earlier login, or None if its credential is no longer valid.

Other credentials of the principal do not count, as this one may have been stolen. Without evidence the principal is
looked up by name, with the roles of all its credentials.
"""

logger = logging.getLogger("omnyshell.hub")

MOST_LOCKED_OUT = 1_000
"""How many pairs of principal and address of locked logins are counted separately."""

_Login = tuple[str, str]
"""A principal and an address."""


class LoginRefusal(Enum):
    """How to answer a refused login."""

    WRONG = auto()
    """With `auth.fail`."""

    UNKNOWN_METHOD = auto()
    """With a fatal `error`."""

    LIMITED = auto()
    """Not at all: the address, or the principal, has too many failed logins."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The login is accepted."""

    principal: Principal
    evidence: Evidence | None
    """What it was accepted for, if that can be checked again."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """The credential is right, but the principal has too many connections, or the hub takes no logins now."""

    why: str
    code: ErrorCodes = ErrorCodes.CAPACITY_EXCEEDED


class LoginGate:
    """Judges the logins of a hub."""

    def __init__(
        self,
        config: HubConfig,
        *,
        authenticator: Authenticator,
        proofs: ProofRules,
        counters: KeyCounters,
        locks: Locks,
        audit: AuditLog,
        metrics: HubMetrics,
        clock: Clock,
        why_no_more: Callable[[Principal], str],
        why_nobody: Callable[[], str] = lambda: "",
    ) -> None:
        """`why_no_more` returns why a principal gets no further connection; "" if it does.

        `why_nobody` returns why the hub cannot know any more whose credentials are good; "" if it does.
        """
        self._clock = clock
        self._authenticator = authenticator
        self._locks = locks
        self._proofs = proofs
        self._counters = counters
        self._limit = config.login_limit
        self._limiter = LoginLimiter(config.login_limit, clock)
        self.timeout = config.login_timeout
        """Seconds that a new connection may take to log in."""

        self._audit = audit
        self._metrics = metrics
        self._why_no_more = why_no_more
        self._why_nobody = why_nobody
        self._locked_out: Sums[_Login, _Login] = Sums(SUMMARY_PERIOD, MOST_LOCKED_OUT)

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on. Another limit of failed logins begins anew."""
        self.timeout = config.login_timeout
        if config.login_limit != self._limit:
            self._limit, self._limiter = config.login_limit, LoginLimiter(config.login_limit, self._clock)

    def judge(self, request: AuthRequest, context: LoginContext, address: str) -> Accepted | LoginRefusal | NotNow:
        """Return who logged in, or how to refuse the login.

        From an address with too many failed logins, only credentials that cannot be guessed are checked. A token chosen
        by a person is then refused unseen: right and wrong ones get the same answer, after the same time.
        """
        try:
            credential = credential_from_request(request)
            if self._is_held_back(credential, address):
                return LoginRefusal.LIMITED
            principal = self._authenticator.authenticate(credential, context)
        except UnknownMethodException:
            refusal = self.failed(request.principal, address, "unknown method")
            return LoginRefusal.UNKNOWN_METHOD if refusal is LoginRefusal.WRONG else refusal
        except AuthException:
            return self.failed(request.principal, address, "wrong credential")
        if problem := self._proofs.problem(credential):
            return self.failed(request.principal, address, problem)
        if self._locks.of_login(principal) is not None:
            return self._refuse_locked(principal, address)
        if why := self._why_nobody():
            return self._not_now(principal, address, NotNow(why, ErrorCodes.ENGINE_AWAY))
        if why := self._why_no_more(principal):
            return self._not_now(principal, address, NotNow(why))
        self._proofs.taken(credential)
        self._metrics.logins += 1
        # An unknown role is arbitrary text of the peer's, so it is not audited.
        role = context.role if context.role in (Role.CLIENT, Role.NODE) else ""
        evidence = evidence_of(credential)
        self._audit.record("auth.ok", alike=(role, evidence), principal=principal.id, address=address, detail=role)
        if isinstance(credential, SecurityKeyCredential):
            self._look_at_counter(credential, address)
        return Accepted(principal, evidence)

    @property
    def can_list(self) -> bool:
        """Whether all principals that can log in can be listed."""
        return can_list(self._authenticator)

    def standing(self) -> AsNow:
        """Return a function that judges earlier logins by the present credentials; do not keep it."""

        def granted(was: Principal, evidence: Evidence | None) -> Principal | None:
            if evidence is not None:
                return as_now(self._authenticator, evidence, was) if self._proofs.upholds(evidence) else None
            return principal_of(self._authenticator, was.id) if self.can_list else was

        def standing(was: Principal, evidence: Evidence | None) -> Principal | None:
            now = granted(was, evidence)
            return now if now is not None and self._locks.of_login(now) is None else None

        return standing

    def summarize(self, now: float) -> None:
        """Audit the sums of unanswered failures that are due; `now` on the monotonic clock."""
        self._tell(self._locked_out.take(now), self._limiter.take_suppressed(now))

    def flush(self) -> None:
        """Audit all sums."""
        self._tell(self._locked_out.flush(), self._limiter.take_suppressed())

    def _tell(self, locked_out: Iterable[Summed[_Login, _Login]], suppressed: Iterable[Suppressed]) -> None:
        for _, count, login in locked_out:
            self._record_locked(*login, f"{count} more attempts")
        for sum_ in suppressed:
            logger.warning("%d more logins from %s were not answered", sum_.count, sum_.key)
            field = "address" if sum_.subject is Subject.ADDRESS else "principal"
            self._audit.record(
                "auth.fail", "denied", reason="limited", detail=f"{sum_.count} more attempts", **{field: sum_.key}
            )

    def _not_now(self, principal: Principal, address: str, refusal: NotNow) -> NotNow:
        self._audit.record(
            "auth.limited",
            "denied",
            principal=principal.id,
            address=address,
            reason=refusal.code,
            detail=refusal.why,
        )
        return refusal

    def _look_at_counter(self, credential: SecurityKeyCredential, address: str) -> None:
        """Tell where the counter of a hardware token went back: then there is another one with its key."""
        before = self._counters.note(credential.public_key.identity, credential.counter)
        if before is None:
            return
        who, key = str(credential.principal), fingerprint(credential.public_key)
        detail = f"counter {credential.counter} after {before}, of the hardware key {key}: it may have been copied"
        self._audit.record("auth.counter", "error", principal=who, address=address, detail=detail)
        logger.warning("login of %r from %s: %s", who, address, detail, extra={"principal": who, "address": address})

    def _refuse_locked(self, principal: Principal, address: str) -> LoginRefusal:
        """Refuse a locked login whose credential is right, so it counts as no guess.

        The first is audited, later ones as a sum.
        """
        self._metrics.login_failures += 1
        login = (str(principal.id), address)
        if self._locked_out.note(login, login, self._clock.monotonic()):
            lock = self._locks.of_login(principal)
            self._record_locked(*login, told(lock) if lock is not None else "")
            logger.warning("login of %r from %s refused: it is locked", *login)
        return LoginRefusal.WRONG

    def _record_locked(self, principal: str, address: str, detail: str) -> None:
        self._audit.record("auth.fail", "denied", principal=principal, address=address, reason="locked", detail=detail)

    def _is_held_back(self, credential: Credential, address: str) -> bool:
        """Tell whether a credential is refused unseen because of failed logins from its address."""
        if is_beyond_guessing(self._authenticator, credential) or not self._limiter.address_blocked(address):
            return False
        self._metrics.login_failures += 1
        return True

    def failed(self, principal: str, address: str, reason: str) -> LoginRefusal:
        """Count and audit a wrong credential; returns how to refuse it."""
        self._metrics.login_failures += 1
        claimed = principal[:LONGEST_NAME]
        if self._limiter.record_failure(address, principal) is Verdict.CLOSE:
            return LoginRefusal.LIMITED
        self._audit.record("auth.fail", "denied", principal=claimed, address=address, reason=reason)
        logger.warning(
            "login of %r from %s refused: %s",
            claimed,
            address,
            reason,
            extra={"principal": claimed, "address": address},
        )
        return LoginRefusal.WRONG
