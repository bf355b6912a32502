"""Debug lines that tell the life of links, logins, sessions, channels and tunnels: what `--log-level debug` adds.

Each line names one step in plain words, with the ids of its link, session or tunnel as fields. Fields never hold
payload, commands or secrets.
"""

import logging
from collections.abc import Collection, Mapping
from enum import Enum
from typing import TypeVar

State = TypeVar("State", bound=Enum)

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


def entered(
    to: State,
    before: State,
    following: Mapping[State, Collection[State]],
    what: str,
    logger: logging.Logger,
    **ids: object,
) -> State:
    """Return the state that `what` is in from now on, and log the change, with ids only.

    `following` has for each state those that may follow. Raises `RuntimeError` for one that cannot follow `before`.
    """
    if to not in following[before]:
        raise RuntimeError(f"a {what} cannot be {to.value} after it was {before.value}")
    step(logger, f"{what} {to.value}", **ids)
    return to
