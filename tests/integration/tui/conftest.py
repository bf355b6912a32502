"""What pictures must not depend on, and what all consoles read alike."""

import math
import time
from collections.abc import Iterator

import pytest
from support.cheaper_consoles import cheaper_consoles
from textual.notifications import Notification

from omnyshell.tui import notices
from omnyshell.tui.screens import node, overview


@pytest.fixture(scope="session", autouse=True)
def _cheaper_consoles() -> Iterator[None]:
    with cheaper_consoles():
        yield


@pytest.fixture(autouse=True)
def _one_place_and_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    # However long keys take on a busy machine, what they had told is there when a test looks.
    monkeypatch.setattr(notices, "SEEN_AFTER", math.inf)
    # An hour: less than none, for one that is shown again, would have Textual's timer run round without a pause.
    monkeypatch.setattr(Notification, "time_left", 3600.0)
    # Nobody waits long for what has changed to be looked at.
    for screens in (overview, node):
        monkeypatch.setattr(screens, "SHORTEST_PERIOD", 0.01)
    yield
    monkeypatch.undo()
    time.tzset()
