"""What a node answers is never larger than a hub takes, whatever its users' processes are called and paint."""

import logging
from typing import Any, cast
from unittest.mock import MagicMock

import msgspec
import pytest
from support.in_one_test import in_one_test
from support.truth_logs import BEGIN

from omnyshell.model.sessions import DetachedSessionInfo, SessionMode, SessionState
from omnyshell.protocol import messages as m
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.limits import MAX_MESSAGE_TO_HUB
from omnyshell.services.node.screens.pump import Painting
from omnyshell.services.node.sessions.answers import SessionAnswers
from omnyshell.services.node.sessions.fitting import LARGEST_SCREEN, LARGEST_TEXT, fitting, shortened
from omnyshell.services.node.sessions.usage_reader import UsageReader
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.painter import MOST_LINKS
from omnyshell.terminal.painting.snapshot import paint
from omnyshell.transport.connection import OmnyShellConnection

LINKS = [f"\x1b]8;;http://{letter * 2000}\x1b\\{letter}" for letter in "abcdefgh"]


def session(number: int, cwd: str) -> DetachedSessionInfo:
    return DetachedSessionInfo(
        session_id=f"{number:043}",
        short_id=f"{number:08}",
        node_id="n1",
        owner_user_id="ann",
        mode=SessionMode.SHELL,
        created_at=BEGIN,
        state=SessionState.ATTACHED,
        current_command=shortened("\x01" * 256),
        current_cwd=shortened(cwd),
    )


def listed(infos: tuple[DetachedSessionInfo, ...]) -> int:
    return len(encode_control(m.NodeDetachedSessionsResponse(request_id="1" * 64, sessions=infos)))


@in_one_test("letter", ["\x01", "\x7f", "a", "\u00e9", "\U0001f600", '"', "\\"])
def test_a_directory_with_any_name_takes_a_bounded_part_of_a_message(letter: str) -> None:
    cut = shortened(letter * 4095) or ""
    assert len(msgspec.json.encode(cut)) <= LARGEST_TEXT + 2
    assert (letter * 4095).startswith(cut)
    assert shortened("/srv/" + "a" * 300) == "/srv/" + "a" * 300


@pytest.mark.parametrize("count", [200, 1000, 3000])
def test_no_session_is_hidden_by_those_of_who_has_many_in_directories_with_long_names(count: int) -> None:
    infos = fitting([session(number, "\x01" * 4095) for number in range(count)])
    assert len(infos) == count
    assert listed(infos) < MAX_MESSAGE_TO_HUB


def test_a_list_that_is_too_long_by_its_sessions_alone_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.node.sessions.fitting.LARGEST_LIST", 10_000)
    infos = fitting([session(number, "/") for number in range(200)])
    assert 20 < len(infos) < 200
    assert listed(infos) < 10_200


def test_a_screen_full_of_links_is_painted_without_most_of_them() -> None:
    """A link of 2 KB in each of 1920 cells, each other than the one before it."""
    screen = Emulator(80, 24)
    screen.feed("".join(LINKS[number % len(LINKS)] for number in range(80 * 24)).encode())
    painted = paint(screen)
    assert len(painted) < MOST_LINKS + 80 * 24 * 20
    again = Emulator(80, 24)
    again.feed(painted)
    assert again.display == screen.display
    assert paint(again).count(b"http://") == painted.count(b"http://") > 100


def test_after_the_last_link_that_is_painted_no_cell_has_a_link_of_another() -> None:
    screen = Emulator(80, 24)
    screen.feed("".join(LINKS[number % len(LINKS)] for number in range(80 * 24)).encode())
    again = Emulator(80, 24)
    again.feed(paint(screen))
    for mine, theirs in zip(screen.rows, again.rows, strict=True):
        shown = {(style.look.link, was.look.link) for style, was in zip(theirs.styles, mine.styles, strict=True)}
        assert all(link in ("", was) for link, was in shown)


@pytest.mark.parametrize(("size", "ok"), [(LARGEST_SCREEN, True), (0, False)])
def test_a_screen_that_is_too_large_is_said_to_be(size: int, ok: bool) -> None:
    sessions, said = MagicMock(), list[Any]()
    shell = MagicMock(id="abcd", etag="abcd-1", exit=None)
    shell.admit = lambda _asker, answered: answered("")
    shell.when_seen = lambda action: action(Painting(b"x" * size, is_too_large=not size), "abcd-1")
    sessions.shells_of = lambda _: [shell]
    answers = SessionAnswers(sessions, "n1", UsageReader(object()))
    ask = m.NodeSessionScreenRequest(request_id="1", principal="ann", session_ref="abcd", etag="")
    answers.handlers[m.NodeSessionScreenRequest](ask, said.append)
    (answer,) = said
    assert answer.ok is ok
    assert ok or "too large" in answer.message
    assert len(encode_control(answer)) < MAX_MESSAGE_TO_HUB


@pytest.mark.parametrize(("size", "sent"), [(1000, True), (MAX_MESSAGE_TO_HUB, False)])
def test_no_answer_whatever_ends_the_connection_by_its_size(
    size: int, sent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    link = MagicMock(is_open=True)
    answer = m.NodeDetachedSessionKillResponse(request_id="1", message="x" * size)
    with caplog.at_level(logging.ERROR, "omnyshell.node"):
        OmnyShellConnection.reply(cast("Any", MagicMock(link=link)), answer)
    assert (link.send_urgent.call_count, bool(caplog.records)) == ((1, False) if sent else (0, True))
