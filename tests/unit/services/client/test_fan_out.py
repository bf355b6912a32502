"""A command on many nodes, whose output cannot be written any more."""

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import cast

import pytest

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.fan_out import FleetCommand, FleetListener, Outcome, run_on_nodes
from omnyshell.services.client.output import OutputChunk
from omnyshell.services.client.states import ExitStatus


class Session:
    """One that writes for ever."""

    def __init__(self, open_sessions: set["Session"]) -> None:
        self._open = open_sessions

    async def __aenter__(self) -> "Session":
        self._open.add(self)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._open.discard(self)

    def eof(self) -> None:
        """Nothing."""

    async def __aiter__(self) -> AsyncIterator[OutputChunk]:
        while True:
            await asyncio.sleep(0)
            yield OutputChunk(DataOpcode.STDOUT, b"x\n")

    async def wait(self) -> ExitStatus:
        raise AssertionError


class Client:
    def __init__(self) -> None:
        self.open_sessions: set[Session] = set()

    async def open_session(self, _node_id: str, **_options: object) -> Session:
        return Session(self.open_sessions)


class Full(FleetListener):
    def __init__(self, error: OSError) -> None:
        self._error = error

    async def output(self, _node_id: str, _chunk: OutputChunk) -> None:
        raise self._error

    async def ended(self, _outcome: Outcome) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), OSError(errno.EBADF, "closed"), BrokenPipeError(errno.EPIPE, "gone")]
)
async def test_output_that_cannot_be_written_is_one_error_and_ends_all(error: OSError) -> None:
    client = Client()
    nodes = [f"n{number}" for number in range(9)]
    with pytest.raises(OSError, match=error.strerror) as raised:
        await run_on_nodes(cast("OmnyShellClient", client), nodes, FleetCommand(command="yes"), Full(error), at_once=5)
    assert raised.value is error
    assert client.open_sessions == set()
