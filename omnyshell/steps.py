"""Debug lines that tell the life of links, logins, sessions, channels and tunnels: what `--log-level debug` adds.

Each says one step in plain words, and as fields the ids that lead from it to others. Payload, commands and secrets are
never among them.
"""

import logging

FIELDS = (
    "peer",
    "role",
    "principal",
    "address",
    "node_id",
    "session_id",
    "tunnel_id",
    "channel",
    "node_channel",
    "request",
    "mode",
    "state",
    "pid",
    "code",
    "reason",
    "detail",
)
"""What a step, or any log call with `extra`, may give. An empty text says nothing and is left out."""


def step(logger: logging.Logger, text: str, **fields: object) -> None:
    """Log a step with these of `FIELDS`. Where debug lines are off, this costs a look at the level."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(text, extra={**fields, "is_step": True}, stacklevel=2)
