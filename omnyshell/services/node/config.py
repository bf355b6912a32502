"""What an embedder or the command line decides about a node."""

from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.model.nodes import DEFAULT_MAX_SESSIONS
from omnyshell.protocol.limits import HEARTBEAT_INTERVAL
from omnyshell.services.dial import HubAccess
from omnyshell.services.exposer.targets import NoTargets, TargetPatterns, TargetPolicy
from omnyshell.services.node.environment import REFUSED_VARIABLES
from omnyshell.services.node.processes.commands import CommandPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What a session without a client may cost. Times in seconds."""

    auto_detach: bool = True
    """Whether a shell outlives the loss of its client or hub."""

    auto_detach_timeout: float = 1800.0
    exec_timeout: float = 60.0
    """How long a command that can be resumed outlives it."""

    block_timeout: float = 60.0
    """How long a shell waits for its client when the replay buffer is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """A node's settings; times in seconds."""

    node_id: str
    """The name by which users reach it; the hub gives each to the principal that registered it first."""

    access: HubAccess
    """Its login takes the role `node`, or `admin`."""

    state_dir: Path
    """Where the node's UID and the list of its children are kept."""

    display_name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """What the node says of itself; `allow-roles` lists the roles that may use it."""

    max_sessions: int = DEFAULT_MAX_SESSIONS
    """How many may have a client at a time; detached ones do not count."""

    commands: CommandPolicy = field(default_factory=CommandPolicy)
    """Which processes may be started; for this machine's own backend alone."""

    refused_variables: tuple[str, ...] = REFUSED_VARIABLES
    """Patterns of names that requests may not set in the environment of what they run."""

    targets: TargetPolicy | None = None
    """Where tunnels on this node may lead; if not said, to its own loopback, and nowhere if commands are restricted."""

    is_service: bool = False
    """Whether a refused credential is tried again, instead of ending the node."""

    heartbeat_interval: float = HEARTBEAT_INTERVAL
    keeping: Keeping = field(default_factory=Keeping)
    """What becomes of sessions whose client or hub is gone."""

    @property
    def reachable(self) -> TargetPolicy:
        """Where tunnels may lead, said or not."""
        if self.targets is not None:
            return self.targets
        return NoTargets() if self.commands.is_restricted else TargetPatterns()
