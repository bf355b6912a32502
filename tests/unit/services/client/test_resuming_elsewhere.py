"""When a client asks for its sessions again, and when it dials: hub and nodes say what a test has them say."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from support.stack import until, within

from omnyshell.errors import ErrorCodes, TransportException
from omnyshell.protocol.messages import SessionOpened, SessionRejected
from omnyshell.services.client import resumer as resuming
from omnyshell.services.client.resumer import Resumer
from omnyshell.transport.backoff import BackoffTimes

FOR_EVER = 600.0


class Session:
    """One that is suspended."""

    lost_by = None
    progress = 0

    def __init__(self, node_id: str) -> None:
        self.id = self.node_id = node_id
        self.is_suspended = True
        self.given_up = ""

    def resume_request(self, _features: object) -> str:
        return self.node_id

    def resumed(self, _channel: object, _opened: object) -> None:
        self.is_suspended = False

    def give_up(self, error: Exception) -> None:
        self.is_suspended, self.given_up = False, str(error)


class Connection:
    """A hub: `answers` is told of each attempt, by its node, and what answers it; `None` says nothing."""

    features = frozenset[str]()

    def __init__(self, answers: Callable[[str], Any]) -> None:
        self.asked = Counter[str]()
        self.closed = 0
        self.channels = self
        self._answers = answers
        self._handler: Any = None

    def open(self, handler: Any) -> "Connection":
        self._handler = handler
        return self

    id = 1

    def send(self, node_id: str, _channel: int) -> None:
        self.asked[node_id] += 1
        answer = self._answers(node_id)
        if answer is not None:
            asyncio.get_running_loop().call_soon(self._handler.message_received, answer)

    def close(self, *_reason: object) -> None:
        self.closed += 1


class Client:
    """What has the sessions; `dials` says how often it dialled."""

    def __init__(self, answers: Callable[[str], Any], *, has_untried: bool = False) -> None:
        self.connection: Connection | None = Connection(answers)
        self.dials = 0
        self._answers = answers
        self.resumer = Resumer(
            timeout=FOR_EVER,
            node_timeout=FOR_EVER,
            dial=cast("Any", self._dial),
            connection=lambda: cast("Any", self.connection),
            leave=lambda: False,
            has_untried=lambda: has_untried,
            on_state=lambda _state: None,
        )

    async def _dial(self) -> None:
        self.dials += 1
        self.connection = Connection(self._answers)

    def lose(self, *node_ids: str) -> list[Session]:
        sessions = [Session(node_id) for node_id in node_ids]
        for session in sessions:
            assert self.resumer.add(cast("Any", session))
        return sessions


@asynccontextmanager
async def client(answers: Callable[[str], Any], *, has_untried: bool = False) -> AsyncIterator[Client]:
    found = Client(answers, has_untried=has_untried)
    try:
        yield found
    finally:
        await found.resumer.close()


def opened(node_id: str) -> SessionOpened:
    return SessionOpened(session_id=node_id)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "SOON", 0.0)
    for times in ("TIMES", "NODE_TIMES"):
        monkeypatch.setattr(resuming, times, BackoffTimes(0.0, 0.0, 0.0, 0.0, 0.0))


async def test_a_node_that_does_not_answer_holds_up_no_other() -> None:
    absent = iter([True] * 20)

    def answers(node_id: str) -> Any:
        if node_id == "silent":
            return None
        is_absent = next(absent, False)
        return SessionRejected(reason=ErrorCodes.NODE_OFFLINE, message="") if is_absent else opened(node_id)

    async with client(answers) as there:
        silent, comes = there.lose("silent", "comes")
        await within(until(lambda: not comes.is_suspended))
        assert there.connection is not None
        assert there.connection.asked == {"silent": 1, "comes": 21}
        assert silent.is_suspended
    # Whoever was still asked for is left as it is, not ended.
    assert silent.given_up == "the client was closed"
    assert there.connection.closed == 21


async def test_a_session_that_is_suspended_meanwhile_is_asked_for_too() -> None:
    async with client(lambda node_id: None if node_id == "silent" else opened(node_id)) as there:
        there.lose("silent")
        await within(until(lambda: there.connection is not None and there.connection.asked["silent"] == 1))
        (later,) = there.lose("later")
        await within(until(lambda: not later.is_suspended))


async def test_what_fails_by_a_fault_of_the_program_is_not_hidden() -> None:
    def answers(_node_id: str) -> Any:
        raise LookupError("a fault")

    async with client(answers) as there:
        there.lose("n1")
        assert there.resumer._task is not None
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await within(there.resumer._task)


@pytest.mark.parametrize("has_untried", [True, False])
async def test_after_a_loss_that_follows_another_only_an_untried_hub_is_dialled_at_once(
    monkeypatch: pytest.MonkeyPatch, *, has_untried: bool
) -> None:
    monkeypatch.setattr(resuming, "TIMES", BackoffTimes(FOR_EVER, FOR_EVER, FOR_EVER))
    async with client(opened, has_untried=has_untried) as there:
        there.connection = None
        (first,) = there.lose("n1")
        await within(until(lambda: not first.is_suspended and not there.resumer.is_working))
        assert there.dials == 1
        there.connection = None
        (again,) = there.lose("n1")
        for _ in range(20):
            await asyncio.sleep(0)
        assert (there.dials, again.is_suspended) == ((2, False) if has_untried else (1, True))


async def test_where_the_hub_is_lost_again_the_sessions_are_asked_for_at_the_next_one() -> None:
    says: list[Any] = [None]
    async with client(lambda node_id: says[0] and opened(node_id)) as there:
        (session,) = there.lose("n1")
        await within(until(lambda: there.connection is not None and there.connection.asked["n1"] == 1))
        before, there.connection = there.connection, None
        says[0] = True
        assert before is not None
        before._handler.channel_lost(TransportException("lost"))
        await within(until(lambda: not session.is_suspended))
        assert there.dials == 1
