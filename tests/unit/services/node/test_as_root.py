"""What a node that runs as root starts, and what it says, by what its settings and its state say."""

import itertools
import logging
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.services.node.as_root import AS_BEFORE, REFUSED
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.node import OmnyShellNode

REQUEST = ShellRequest(session_id="s", principal="ann", args=("/bin/true",))
NOT_STARTED = f"{ErrorCodes.NOT_AUTHORIZED}: {REFUSED}"
TABLE = list(itertools.product((True, False), repeat=5))


def node_of(state: Path, **settings: Any) -> OmnyShellNode:
    return OmnyShellNode(NodeConfig(node_id="n1", access=cast("Any", MagicMock()), state_dir=state, **settings))


def refusal_of(node: OmnyShellNode) -> str:
    """Why the node starts nothing; a keeper's part is to start it as others."""
    backend: Any = node._backend
    try:
        (backend if hasattr(backend, "prepared") else backend._local).prepared(REQUEST)
    except SessionRejectedException as exc:
        return f"{exc.code}: {exc.message}"
    return ""


def ran_before(state: Path) -> None:
    """Leave what any version leaves of a node that has run, and those from before the file of marks no more."""
    (state / "uid-node-n1.json").write_text("{}")


@pytest.mark.parametrize(("is_root", "keeper", "users", "as_node", "is_old"), TABLE)
async def test_root_starts_nothing_as_root_without_a_word(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_root: bool,
    keeper: bool,
    users: bool,
    as_node: bool,
    is_old: bool,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0 if is_root else 1000)
    if is_old:
        ran_before(tmp_path)
    file = tmp_path / "node.toml" if users else None
    node = node_of(tmp_path, keeper=keeper, users_file=file, run_as_node_user=as_node)
    is_unsaid = is_root and not users and not as_node
    assert refusal_of(node) == (NOT_STARTED if is_unsaid and not is_old else "")
    backend: Any = node._backend
    with caplog.at_level(logging.WARNING, "omnyshell.node"):
        local = backend if hasattr(backend, "prepared") else backend._local
        await local.begin()
    said = [record.message for record in caplog.records]
    assert said == ([AS_BEFORE if is_old else REFUSED] if is_unsaid else [])
    await local.aclose()


def test_a_state_from_before_goes_on_until_its_settings_say_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    ran_before(tmp_path)
    for _ in range(2):
        assert refusal_of(node_of(tmp_path)) == ""
    assert refusal_of(node_of(tmp_path, run_as_node_user=True)) == ""
    # Whoever takes that back does not get it for nothing.
    assert refusal_of(node_of(tmp_path)) == NOT_STARTED


def test_a_state_of_this_version_never_counts_as_one_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that a user's node has made, or one whose node was not started before it ran."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert refusal_of(node_of(tmp_path)) == ""
    ran_before(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert refusal_of(node_of(tmp_path)) == NOT_STARTED
