from datetime import UTC, datetime, timedelta

import pytest

from omnyshell.security.credentials import LoginContext


class FakeClock:
    def __init__(self):
        self.elapsed = 0.0

    def now(self):
        return datetime(2031, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def monotonic(self):
        return 1000.0 + self.elapsed

    def advance(self, seconds):
        self.elapsed += seconds


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def context():
    return LoginContext(nonce="Zm9vYmFyLW5vbmNl", role="client", spki_sha256=b"\x07" * 32)
