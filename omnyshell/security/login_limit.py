"""Limits on failed logins, by address and by principal (docs/protocol.md#handshake). No I/O; time comes from a clock.

How a hub uses it, for each connection:

1. A credential that cannot be guessed (`authenticators.is_beyond_guessing`) is judged, whatever has failed before. 2.
For any other, ask `address_blocked(address)` first. True: close with 1013, answer nothing. 3. A credential that is
right is let in, whatever has failed for its principal elsewhere. 4. One that is wrong: `record_failure(address,
principal)` says whether to answer it or to close with 1013. 5. Regularly call `take_suppressed()`: failures that were
not answered are not audited one by one, but as counts by address and by principal.
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException
from omnyshell.networks import bounded, network_of
from omnyshell.sums import Sums

MAX_ENTRIES = 10_000
"""How many addresses, and how many principals, are remembered; the least recently used one makes room."""

FIRST_PENALTY = 60.0
MAX_PENALTY = 600.0
QUIET_PERIOD = 600.0
"""Seconds without a failure, after a block has ended, that halve the next penalty."""

SUMMARY_PERIOD = 10.0
"""Seconds over which failures of one key that were not answered are summed up."""

DEFAULT_LIMIT = "10/min"

_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LIMIT = re.compile(r"([0-9]{1,6})/(s|min|h)")
_ENOUGH = 1 - 1e-6


class Verdict(Enum):
    """What to do about a failed login."""

    ANSWER = auto()
    """Answer `auth.fail`, close with 4401."""
    CLOSE = auto()
    """Answer nothing, close with 1013."""


class Subject(Enum):
    """The kind of key that failures are counted by."""

    ADDRESS = "address"
    PRINCIPAL = "principal"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """How many failures of one key were not answered. An empty key is the sum of all keys beyond `MAX_ENTRIES`.

    An IPv6 address is given as its /64 network.
    """

    subject: Subject
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class LoginLimit:
    """A number of failed logins in a number of seconds; a count of 0 means no limit."""

    count: int
    period: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10/min`, `5/s`, `100/h`, or `0` for no limit. Raises `ConfigException`."""
        text = text.strip()
        if text == "0":
            return cls(0, FIRST_PENALTY)
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ConfigException(f"a login limit is written as 10/min, 5/s, 100/h, or 0 for none: not {text!r}")
        return cls(int(match.group(1)), _PERIODS[match.group(2)])


@dataclass(slots=True)
class _Entry:
    """One key. `allowance` is how many more failures are answered, as of `counted_at`."""

    allowance: float
    counted_at: float
    blocked_until: float
    penalty: float = FIRST_PENALTY


class _Table:
    """The failures of one kind of key, the least recently touched first."""

    def __init__(self, subject: Subject, limit: LoginLimit) -> None:
        self._subject = subject
        self._limit = limit
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._suppressed: Sums[str, None] = Sums(SUMMARY_PERIOD, MAX_ENTRIES)

    def refuses(self, key: str, now: float) -> bool:
        """Tell whether the key is blocked; if so, count a suppressed failure."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.blocked_until:
            return False
        self._entries.move_to_end(key)
        self._suppressed.add(key, None, now)
        return True

    def charge(self, key: str, now: float) -> None:
        """Count an answered failure; the one that uses the allowance up blocks the key."""
        entry = self._entry(key, now)
        quiet = now - max(entry.counted_at, entry.blocked_until)
        entry.penalty = max(FIRST_PENALTY, entry.penalty / 2 ** min(quiet // QUIET_PERIOD, 16))
        rate = self._limit.count / self._limit.period
        entry.allowance = min(self._limit.count, entry.allowance + (now - entry.counted_at) * rate) - 1
        entry.counted_at = now
        if entry.allowance < _ENOUGH:
            entry.blocked_until = now + max(entry.penalty, (1 - entry.allowance) / rate)
            entry.penalty = min(MAX_PENALTY, entry.penalty * 2)

    def take_suppressed(self, now: float | None) -> list[Suppressed]:
        taken = self._suppressed.take(now) if now is not None else self._suppressed.flush()
        return [Suppressed(self._subject, key or "", count) for key, count, _ in taken]

    def _entry(self, key: str, now: float) -> _Entry:
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
            return entry
        if len(self._entries) >= MAX_ENTRIES:
            self._entries.popitem(last=False)
        entry = self._entries[key] = _Entry(self._limit.count, now, now)
        return entry


class LoginLimiter:
    """Blocks addresses that keep failing, and stops answering failures for principals that are being guessed at.

    Each key has an allowance that refills at the limit's rate. The failure that uses it up is still answered, and
    starts a block: a minute at first (longer only where the limit's rate is lower than one a minute), twice as
    long each further time, up to ten minutes; each ten quiet minutes halve the next one. Failures that are not
    answered cost nothing, so that nobody prolongs another's block.

    IPv6 addresses count by /64, IPv4-mapped ones as IPv4.
    """

    def __init__(self, limit: LoginLimit, clock: Clock) -> None:
        self._enabled = limit.count > 0
        self._clock = clock
        self._addresses = _Table(Subject.ADDRESS, limit)
        self._principals = _Table(Subject.PRINCIPAL, limit)

    def address_blocked(self, address: str) -> bool:
        """Tell whether to close a connection without looking at its credential; True counts as a suppressed failure."""
        return self._enabled and self._addresses.refuses(network_of(address), self._clock.monotonic())

    def record_failure(self, address: str, principal: str) -> Verdict:
        """Count a wrong credential, and say whether it is answered.

        It is not answered if its address was blocked since it connected, or while its principal is blocked.
        """
        if not self._enabled:
            return Verdict.ANSWER
        now = self._clock.monotonic()
        address_key, principal_key = network_of(address), bounded(principal)
        if self._addresses.refuses(address_key, now):
            return Verdict.CLOSE
        self._addresses.charge(address_key, now)
        if self._principals.refuses(principal_key, now):
            return Verdict.CLOSE
        self._principals.charge(principal_key, now)
        return Verdict.ANSWER

    def take_suppressed(self, now: float | None = None) -> list[Suppressed]:
        """Return the counts of unanswered failures that are due at `now`, or all if it is None, and reset them."""
        return self._addresses.take_suppressed(now) + self._principals.take_suppressed(now)
