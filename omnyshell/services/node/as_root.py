"""A node that runs as root starts nothing as root unless its settings say so (docs/security.md#users)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.ids import NodeId, is_node_id
from omnyshell.paths import state_dir, user_path
from omnyshell.security.files import read_private, write_private
from omnyshell.security.uid_store import UidStore

HOW = "write [users] into its file, or run-as-node-user = true for sessions of root's"
REFUSED = f"This node runs as root, and nothing says whose its sessions are: {HOW}"
AS_BEFORE = f"all sessions are root's, as with version 0.1, since nothing says whose they are: {HOW}"

HEADER = b"# The sessions of this node are root's only where its settings say so.\n"


class Whose(NamedTuple):
    """What a node makes of settings that say, or do not say, whose its sessions are."""

    refusal: str = ""
    """Why nothing is started as the node's user; empty where it is."""

    warning: str = ""
    """What is to be said at each start; empty where there is nothing."""


AS_SAID = Whose()
"""There is nothing to say: a node that is not root, or settings that say whose sessions are."""


def whose(mark: "Mark", *, is_root: bool, is_said: bool) -> Whose:
    """Judge a node's settings, of which `is_said` tells whether they say whose sessions are."""
    if is_said or not is_root:
        return AS_SAID
    return Whose(warning=AS_BEFORE) if mark.is_old else Whose(refusal=REFUSED, warning=REFUSED)


def whose_by_file(given: Mapping[str, Any], *, is_root: bool) -> Whose:
    """Judge a node by the options that its file gives. Raises `ConfigException` for a file without the node's id."""
    if not is_root or given.get("users") or given.get("run_as_node_user"):
        return AS_SAID
    id_, said = given.get("id"), given.get("state_dir")
    if id_ is None or not is_node_id(id_):
        raise ConfigException("the file does not say the node's 'id'")
    return whose(Mark(node_state(said, id_), id_), is_root=is_root, is_said=False)


def node_state(said: str | None, node_id: str) -> Path:
    """Return the state directory of a node, the usual one unless another is said."""
    return user_path(said) if said else state_dir() / "nodes" / node_id


class Mark:
    """A file in a node's state directory: sessions of this node were never root's without a word.

    A node that has run, but has no such file, dates from a version that asked nobody, and goes on so until its settings
    say something.
    """

    def __init__(self, directory: Path, node_id: str) -> None:
        self._path = directory / f"asks-whose-{node_id}"
        self._uid = UidStore.path_for_node(directory, NodeId(node_id))

    @property
    def is_old(self) -> bool:
        """Whether the node ran before, and was not asked then. Raises `ConfigException` for a file of others."""
        return self._uid.exists() and read_private(self._path) is None

    def begin(self, *, is_said: bool) -> None:
        """Create the file in a new state directory, before the node writes its UID there, or once settings say whose.

        Raises `ConfigException`.
        """
        if read_private(self._path) is None and (is_said or not self._uid.exists()):
            write_private(self._path, HEADER)
