"""The settings of a node, from an embedder or the command line."""

from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.model.nodes import DEFAULT_MAX_SESSIONS
from omnyshell.protocol.limits import HEARTBEAT_INTERVAL
from omnyshell.services.dial import HubAccess
from omnyshell.services.exposer.targets import NoTargets, TargetPatterns, TargetPolicy
from omnyshell.services.node.environment import REFUSED_VARIABLES
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.restriction.policy import CommandPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long sessions are kept without a client, and what of their output. Times in seconds."""

    auto_detach: bool = True
    """Whether a shell outlives the loss of its client or hub."""

    auto_detach_timeout: float = 1800.0
    exec_timeout: float = 60.0
    """How long a command that can be resumed outlives the loss of its client or hub."""

    history: int = 10_000
    """How many lines are kept of each shell that left its screen at the top; 0 for none."""

    history_memory: int = 64
    """MiB that these lines may take, of all shells together."""

    block_timeout: float = 60.0
    """How long a shell waits for its client when the replay buffer is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """A node's settings; times in seconds."""

    node_id: str
    """The name by which users reach it; a name belongs to the principal that registered it first."""

    access: HubAccess
    """How to reach the hub; the login needs the role `node` or `admin`."""

    state_dir: Path
    """Where the node's UID and the list of its children are kept."""

    display_name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels by which the node describes itself; `allow-roles` lists the roles that may use it."""

    max_sessions: int = DEFAULT_MAX_SESSIONS
    """How many may have a client at a time; detached ones do not count."""

    commands: CommandPolicy = field(default_factory=CommandPolicy)
    """Which processes may be started; applies only to this machine's own backend."""

    refused_variables: tuple[str, ...] = REFUSED_VARIABLES
    """Patterns of names that requests may not set in the environment of what they run."""

    targets: TargetPolicy | None = None
    """Where tunnels on this node may lead. If None: to its own loopback, or nowhere if commands are restricted."""

    drain_limit: float | None = None
    """After how much silence the output of a command is given up that has ended, while a process that it started keeps
    it open; None for never."""

    keeper: bool = False
    """Whether a keeper starts sessions, a process of its own beside the node."""

    users_file: Path | None = None
    """The file whose table `[users]` says who becomes which user of this machine; it takes a keeper."""

    limits_file: Path | None = None
    """The file that says what one session may take of the machine; it takes a keeper."""

    run_as_node_user: bool = False
    """Whether everything that is started is the node's user's also where that is root, which has to be said."""

    ssh_include: Path | None = None
    """A file of sshd's settings that hold for sessions of ssh as well."""

    files: FilesPolicy = field(default_factory=FilesPolicy)
    """Which files may be copied, and which way."""

    allow_agent: bool = False
    """Whether clients may have programs at the node ask their ssh-agents."""

    is_service: bool = False
    """Whether the node retries after a refused credential, instead of ending."""

    heartbeat_interval: float = HEARTBEAT_INTERVAL
    keeping: Keeping = field(default_factory=Keeping)
    """How long sessions are kept whose client or hub is gone."""

    @property
    def reachable(self) -> TargetPolicy:
        """The policy for tunnels' targets: `targets`, or its default."""
        if self.targets is not None:
            return self.targets
        return NoTargets() if self.commands.is_restricted else TargetPatterns()
