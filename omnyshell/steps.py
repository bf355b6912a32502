"""Debug lines that tell the life of links, logins, sessions, channels and tunnels: what `--log-level debug` adds.

Each line names one step in plain words, with the ids of its link, session or tunnel as fields. Fields never hold
payload, commands or secrets.
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
"""The fields that a step, or any log call with `extra`, may have. Empty ones are left out."""


def step(logger: logging.Logger, text: str, **fields: object) -> None:
    """Log a step; `fields` are among `FIELDS`. Where debug lines are off, this only checks the level."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(text, extra={**fields, "is_step": True}, stacklevel=2)
