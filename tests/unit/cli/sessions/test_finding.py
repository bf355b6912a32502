"""Which session a word means, or none, and what is said where that is open."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.sessions import finding
from omnyshell.cli.sessions.finding import choose, named
from omnyshell.errors import ConfigException
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.services.client.everywhere import FoundSessions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def session(node: str, ref: str, state: SessionState = SessionState.DETACHED) -> DetachedSessionInfo:
    return DetachedSessionInfo(
        session_id=f"{ref}-0000-4000-8000-000000000000",
        short_id=ref,
        node_id=node,
        owner_user_id="ann",
        created_at=NOW - timedelta(minutes=3),
        state=state,
    )


FIRST, SECOND = session("n1", "aaaa0001"), session("n2", "aaaa0002")
THIRD, TAKEN = session("n2", "bbbb0003"), session("n3", "cccc0004", SessionState.ATTACHED)
FOUND = FoundSessions((FIRST, SECOND, THIRD, TAKEN), ())


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "can_ask", lambda: False)


def meant(word: str | None, found: FoundSessions = FOUND) -> tuple[str, str]:
    place = choose(finding._meant(found, word), word)
    assert place.owner == "ann", "whose it is goes along"
    return place.node, place.ref


@in_one_test(
    ("word", "one"),
    [("aaaa0001", FIRST), ("AAAA-0002", SECOND), ("b", THIRD), ("cccc0004", TAKEN), ("n1", FIRST), ("n3", TAKEN)],
)
def test_a_word_is_the_beginning_of_an_id_or_a_node_that_has_one(word: str, one: DetachedSessionInfo) -> None:
    assert meant(word) == (one.node_id, one.session_id)


def test_the_only_one_needs_no_name_and_a_detached_one_comes_before_what_is_attached_elsewhere() -> None:
    assert meant(None, FoundSessions((FIRST, TAKEN), ())) == (FIRST.node_id, FIRST.session_id)
    assert meant(None, FoundSessions((TAKEN,), ())) == (TAKEN.node_id, TAKEN.session_id)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("aaaa", "'aaaa' may mean 2 sessions: name one of aaaa0001 on n1, aaaa0002 on n2"),
        (None, "there are 3 sessions: name one of aaaa0001 on n1"),
        ("n2", "'n2' may mean 2 sessions: name one of aaaa0002 on n2, bbbb0003 on n2"),
        ("dddd", "no session begins with 'dddd', and no node of that name has one"),
    ],
)
def test_what_is_open_is_said_with_what_to_name(word: str | None, says: str) -> None:
    with pytest.raises(ConfigException) as raised:
        meant(word)
    assert says in str(raised.value)


def test_where_there_is_none_a_word_helps_nobody() -> None:
    with pytest.raises(ConfigException, match="there is no session"):
        meant(None, FoundSessions((), ()))
    assert named(FOUND, "n1") == []


@pytest.mark.parametrize(
    ("answer", "one"), [("1", FIRST), ("2", SECOND), ("0", None), ("3", None), ("-1", None), ("", None), ("x", None)]
)
def test_a_choice_is_one_of_those_that_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, one: DetachedSessionInfo | None
) -> None:
    monkeypatch.setattr(finding, "can_ask", lambda: True)
    monkeypatch.setattr(finding, "_answer", lambda _question: answer)
    if one is None:
        with pytest.raises(ConfigException):
            meant("aaaa")
    else:
        assert meant("aaaa") == (one.node_id, one.session_id)
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[:3] for line in shown[1:]] == [["1.", "n1", "aaaa0001"], ["2.", "n2", "aaaa0002"]]


def test_a_node_cannot_list_a_session_whose_id_is_taken_for_the_name_of_another_node() -> None:
    others, hostile = session("cafe", "bbbb0001"), session("evil", "cafe0001")
    with pytest.raises(ConfigException, match="name one of cafe0001 on evil, bbbb0001 on cafe"):
        meant("cafe", FoundSessions((others, hostile), ()))
    with pytest.raises(ConfigException, match="node 'cafe' did not answer"):
        meant("cafe", FoundSessions((hostile,), ("cafe",)))


def test_nodes_that_did_not_answer_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    finding.tell_silent(FoundSessions((), ("n7", "n8")))
    assert "no answer from n7, n8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "whose"), [({}, ""), ({"all": True}, None), ({"of": "bob"}, "bob"), ({"of": "bob", "all": True}, "wrong")]
)
def test_whose_sessions_are_meant(given: dict[str, object], whose: str | None) -> None:
    options = SimpleNamespace(**{"all": False, "of": None, "node": "n1", "session": "s"} | given)
    if whose == "wrong":
        with pytest.raises(ConfigException, match="exclude each other"):
            finding.whose(options)
        return
    assert finding.whose(options) == whose
    if whose is not None:
        # With its node and its owner nothing has to be looked for.
        assert finding.place_of(options) == ("n1", "s", whose)
