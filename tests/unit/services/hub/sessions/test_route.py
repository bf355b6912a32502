"""A session's states: which follow each other, and what the log tells of it."""

import logging
from datetime import UTC, datetime
from itertools import product

import pytest
from support.fake_peers import FakePeer
from support.in_one_test import in_one_test

from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.services.hub.sessions.route import Session, SessionRoute

FOLLOWS = {
    (SessionState.OPENING, SessionState.OPEN),
    (SessionState.OPENING, SessionState.CLOSED),
    (SessionState.OPEN, SessionState.DETACHED),
    (SessionState.OPEN, SessionState.CLOSED),
}


def route_in(state: SessionState) -> SessionRoute:
    session = Session("s", "n1", "ann", SessionMode.SHELL, datetime(2026, 1, 2, tzinfo=UTC), state=state)
    return SessionRoute(session, FakePeer("ann-1", "admin"), 5, FakePeer("box-1", "node"), 9, "s", 0.0)  # type: ignore[arg-type]


@in_one_test(("before", "after"), list(product(SessionState, SessionState)))
def test_a_session_becomes_what_can_follow_and_nothing_else(
    before: SessionState, after: SessionState, caplog: pytest.LogCaptureFixture
) -> None:
    route = route_in(before)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "omnyshell.hub"):
        if (before, after) in FOLLOWS:
            route.becomes(after, "what happened", "why")
            assert route.session.state is after
            (line,) = caplog.records
            assert (line.getMessage(), line.session_id, line.reason) == ("what happened", "s", "why")  # type: ignore[attr-defined]
        else:
            with pytest.raises(RuntimeError, match=f"is {before} cannot become {after}"):
                route.becomes(after, "what happened")
            assert (route.session.state, caplog.records) == (before, [])
