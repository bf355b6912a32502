"""This machine's node as a process that may not start."""

from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import LocalSetup
from omnyshell.tui.hub_places import ThisMachine


class Hub:
    """One that serves, without a thread."""

    has_failed = False

    def __init__(self, *_: object) -> None:
        self.is_started = False

    def start(self) -> None:
        self.is_started = True


def test_a_node_that_the_system_does_not_start_is_told_of_and_keeps_no_hub_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = LocalSetup(tmp_path)
    setup.node_log_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigException, match=str(setup.node_log_file)):
        LocalNode(setup).start()
    monkeypatch.setattr("omnyshell.tui.hub_places.EmbeddedHub", Hub)
    place = ThisMachine(setup)
    place.begin()
    assert isinstance(place._embedded, Hub)
    assert place._embedded.is_started
