"""`connect` with a session's id, where no node has that name, takes the session up."""

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from omnyshell.cli.sessions import connect, finding
from omnyshell.errors import ConfigException, ErrorCodes, SessionRejectedException

PLACE = finding.Place("db-1", "4721c3f6")


def options(history: int | None) -> SimpleNamespace:
    said = {"node": "4721c3f6", "user": None, "rest": [], "env": [], "cwd": None, "forward_agent": False}
    return SimpleNamespace(**said, escape="~", history=history)


@pytest.fixture(name="resumed")
def _resumed(monkeypatch: pytest.MonkeyPatch) -> Mock:
    resumed = Mock()
    unknown = SessionRejectedException("No such node", code=ErrorCodes.UNKNOWN_NODE)
    for name, value in {
        "access_from": Mock(),
        "guarding": lambda: nullcontext(None),
        "run": Mock(side_effect=[unknown, 0]),
        "run_session": Mock(),
        "resume_session": resumed,
    }.items():
        monkeypatch.setattr(connect, name, value)
    for name, found in {"find": Mock(), "named": Mock(), "choose": Mock(return_value=PLACE)}.items():
        monkeypatch.setattr(finding, name, found)
    return resumed


@pytest.mark.parametrize(("history", "lines"), [(None, 0), (200, 200)])
def test_it_has_the_lines_above_its_screen_first(history: int | None, lines: int, resumed: Mock) -> None:
    assert connect.connect(options(history)) == 0
    access = connect.access_from(options(history))
    resumed.assert_called_once_with(access, PLACE, None, lines, ord("~"))


@pytest.mark.usefixtures("resumed")
def test_fewer_than_no_lines_are_refused() -> None:
    with pytest.raises(ConfigException, match="'--history' must be at least 0 lines"):
        connect.connect(options(-1))
