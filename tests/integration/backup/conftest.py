"""A backup that all tests of them share."""

import asyncio
from pathlib import Path

import pytest
from support.backups import back_up
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub


@pytest.fixture(scope="module")
def made(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the state of a hub that has stopped, and a backup of it."""
    place = tmp_path_factory.mktemp("made")

    async def run() -> None:
        async with OmnyShellHub(hub_config(certificates, state_dir=place / "state")):
            pass

    asyncio.run(run())
    back_up(certificates, place / "state", place / "backup")
    return place
