"""What tests over real connections share."""

import pytest
from support.deadline import DEADLINE

from omnyshell.services.exposer import dialing
from omnyshell.services.hub.nodes import questions
from omnyshell.services.hub.sessions import broker, relayed_requests
from omnyshell.services.hub.tunnels import connection


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody be late because the machine is slow; a test of who is late has its own times."""
    for module, name in (
        (dialing, "DIAL_TIMEOUT"),
        (connection, "CONNECT_TIMEOUT"),
        (questions, "ANSWER_TIMEOUT"),
        (relayed_requests, "RELAYED_REQUEST_TIMEOUT"),
        (broker, "SESSION_OPEN_TIMEOUT"),
    ):
        monkeypatch.setattr(module, name, DEADLINE)
