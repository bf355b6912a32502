"""What the tests of the hub share."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub


@pytest.fixture
async def hub(certificates: Certificates, caplog: pytest.LogCaptureFixture) -> AsyncIterator[OmnyShellHub]:
    """A hub that must not log a traceback whatever its peers do."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with OmnyShellHub(hub_config(certificates)) as started:
        yield started
    assert problems == []
    assert [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR] == []
