"""What an embedder or the command line decides about a node."""

from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.model.nodes import DEFAULT_MAX_SESSIONS
from omnyshell.protocol.limits import HEARTBEAT_INTERVAL
from omnyshell.services.dial import HubAccess
from omnyshell.services.exposer.targets import TargetPatterns, TargetPolicy
from omnyshell.services.node.commands import CommandPolicy
from omnyshell.services.node.environment import REFUSED_VARIABLES
from omnyshell.services.node.keeping import Keeping


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """A node's settings; times in seconds."""

    node_id: str
    access: HubAccess
    state_dir: Path
    """Where the node's UID and the list of its children are kept."""

    display_name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    max_sessions: int = DEFAULT_MAX_SESSIONS
    commands: CommandPolicy = field(default_factory=CommandPolicy)
    refused_variables: tuple[str, ...] = REFUSED_VARIABLES
    """Patterns of names that requests may not set in the environment of what they run."""

    targets: TargetPolicy = field(default_factory=TargetPatterns)
    """Where tunnels on this node may lead; by default to its own loopback only."""

    is_service: bool = False
    """Whether a refused credential is tried again, instead of ending the node."""

    heartbeat_interval: float = HEARTBEAT_INTERVAL
    keeping: Keeping = field(default_factory=Keeping)
    """What becomes of sessions whose client or hub is gone."""
