"""What becomes of sessions whose client or hub is gone (docs/extensions.md#resume-offset)."""

from dataclasses import dataclass


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
