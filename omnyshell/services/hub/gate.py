"""Who gets in: judges credentials, slows down guessing, and audits both (wire protocol sections 2 and 9)."""

import logging
from enum import Enum, auto

from omnyshell.errors import AuthException
from omnyshell.model.principals import Principal
from omnyshell.protocol.messages import AuthRequest
from omnyshell.security.authenticators import Authenticator, Evidence, upholds
from omnyshell.security.credentials import LoginContext, UnknownMethodException, credential_from_request
from omnyshell.security.login_limit import LoginLimiter, Subject, Verdict
from omnyshell.services.hub.audit import LONGEST_NAME, AuditLog
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.proofs import ProofRules

logger = logging.getLogger("omnyshell.hub")

SUMMARY_PERIOD = 10.0
"""Seconds over which unanswered failures are summed up in the audit."""


class Refusal(Enum):
    """How a refused login is answered."""

    WRONG = auto()
    """With `auth.fail`."""

    UNKNOWN_METHOD = auto()
    """With a fatal `error`."""

    LIMITED = auto()
    """Not at all: the address, or the guessed principal, has failed too often."""


class LoginGate:
    """Judges each login of a hub."""

    def __init__(
        self,
        authenticator: Authenticator,
        limiter: LoginLimiter,
        proofs: ProofRules,
        audit: AuditLog,
        metrics: HubMetrics,
    ) -> None:
        self.authenticator = authenticator
        self.proofs = proofs
        self.limiter = limiter
        self._audit = audit
        self._metrics = metrics
        self._next_summary = 0.0

    def judge(self, request: AuthRequest, context: LoginContext, address: str) -> Principal | Refusal:
        """Return who logged in, or how to refuse. A limited address is refused before its credential is looked at."""
        if self.limiter.address_blocked(address):
            self._metrics.login_failures += 1
            return Refusal.LIMITED
        try:
            credential = credential_from_request(request)
            principal = self.authenticator.authenticate(credential, context)
        except UnknownMethodException:
            self.failed(request.principal, address, "unknown method")
            return Refusal.UNKNOWN_METHOD
        except AuthException:
            return self.failed(request.principal, address, "wrong credential")
        if problem := self.proofs.problem(credential):
            return self.failed(request.principal, address, problem)
        self.proofs.taken(credential)
        self._metrics.logins += 1
        self._audit.record("auth.ok", principal=principal.id, address=address, detail=context.role)
        return principal

    def upholds(self, evidence: Evidence, principal: Principal) -> bool:
        """Tell whether an earlier login would be let in still."""
        return upholds(self.authenticator, evidence, principal) and self.proofs.upholds(evidence)

    def audit_suppressed(self, now: float) -> None:
        """Audit, once in a while and in sum, the failures that were not answered; `now` on the monotonic clock."""
        if now < self._next_summary:
            return
        self._next_summary = now + SUMMARY_PERIOD
        for sum_ in self.limiter.take_suppressed():
            field = "address" if sum_.subject is Subject.ADDRESS else "principal"
            self._audit.record(
                "auth.fail", "denied", reason="limited", detail=f"{sum_.count} more attempts", **{field: sum_.key}
            )

    def failed(self, principal: str, address: str, reason: str) -> Refusal:
        """Count and audit a wrong credential; returns how to refuse it."""
        self._metrics.login_failures += 1
        claimed = principal[:LONGEST_NAME]
        if self.limiter.record_failure(address, principal) is Verdict.CLOSE:
            return Refusal.LIMITED
        self._audit.record("auth.fail", "denied", principal=claimed, address=address, reason=reason)
        logger.warning(
            "login of %r from %s refused: %s",
            claimed,
            address,
            reason,
            extra={"principal": claimed, "address": address},
        )
        return Refusal.WRONG
