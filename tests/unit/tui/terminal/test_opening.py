"""How a session is asked for: as whom, and where."""

from typing import Any, cast

import pytest

from omnyshell.errors import ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.model.sessions import DetachedSessionInfo, PtySpec
from omnyshell.tui.terminal import opening
from omnyshell.tui.terminal.opening import OpenSpec

BESIDE = "11111111-0000-4000-8000-000000000000"


class FakeClient:
    """A node with one session in a directory, which some directories refuse."""

    def __init__(self, cwd: str | None = None, refused: Exception | None = None, listing: Exception | None = None):
        self.cwd = cwd
        self.refused = refused
        self.listing = listing
        self.asked: list[tuple[str, str | None, str]] = []

    async def list_sessions(self, node_id: str) -> tuple[DetachedSessionInfo, ...]:
        if self.listing is not None:
            raise self.listing
        found = {"sessionId": BESIDE, "shortId": "11111111", "nodeId": node_id, "ownerUserId": "ann"}
        created = {"createdAt": "2026-01-01T00:00:00Z"} | ({"currentCwd": self.cwd} if self.cwd else {})
        return (DetachedSessionInfo.from_wire(found | created),)

    async def open_shell(self, node_id: str, *, cwd: str | None, user: str, **_: Any) -> str:
        self.asked.append((node_id, cwd, user))
        if self.refused is not None and cwd is not None:
            raise self.refused
        return "a session"

    async def open_session(self, node_id: str, *, cwd: str | None, user: str, **more: Any) -> str:
        return await self.open_shell(node_id, cwd=cwd, user=user, **more)


async def opened(client: FakeClient, **spec: Any) -> list[tuple[str, str | None, str]]:
    assert await OpenSpec(node_id="n1", **spec).open(cast("Any", client), PtySpec()) == "a session"
    return client.asked


@pytest.mark.parametrize("spec", [{}, {"command": "id"}, {"command": "id", "pty": False}])
async def test_a_session_is_of_the_user_that_was_named(spec: dict[str, Any]) -> None:
    assert await opened(FakeClient(), user="ann", cwd="/srv", **spec) == [("n1", "/srv", "ann")]
    assert await opened(FakeClient(), **spec) == [("n1", None, "")]


async def test_one_that_is_split_off_starts_where_the_other_is_now() -> None:
    assert await opened(FakeClient("/srv/app"), beside=BESIDE, user="ann") == [("n1", "/srv/app", "ann")]


@pytest.mark.parametrize(
    "client",
    [FakeClient(), FakeClient("/x", listing=OmnyShellException("not yours"))],
)
async def test_where_that_is_not_known_it_starts_at_home(client: FakeClient) -> None:
    assert await opened(client, beside=BESIDE) == [("n1", None, "")]


async def test_a_node_that_does_not_say_where_it_is_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "ASKING", 0)
    assert await opened(FakeClient("/srv", listing=TimeoutError()), beside=BESIDE) == [("n1", None, "")]


async def test_a_directory_that_cannot_be_entered_is_not_insisted_on() -> None:
    gone = SessionRejectedException("There is no such directory", code=ErrorCodes.BAD_REQUEST)
    assert await opened(FakeClient("/gone", gone), beside=BESIDE) == [("n1", "/gone", ""), ("n1", None, "")]
    nobody = SessionRejectedException("'ann' may not become 'bea'", code=ErrorCodes.NOT_AUTHORIZED)
    with pytest.raises(SessionRejectedException, match="may not become"):
        await opened(FakeClient("/srv", nobody), beside=BESIDE)
    with pytest.raises(SessionRejectedException, match="no such directory"):
        await opened(FakeClient(refused=gone), cwd="/gone")
