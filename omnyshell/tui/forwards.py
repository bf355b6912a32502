"""Forwards among the sessions: to a hub they are some, to people they are not."""

from collections.abc import Iterator

from omnyshell.model.live import LiveSession
from omnyshell.model.sessions import SessionMode
from omnyshell.services.client.live.state import HubState


def is_forward(item: object) -> bool:
    """Tell whether an item of a panel is a forward."""
    return isinstance(item, LiveSession) and item.mode is SessionMode.FORWARD


def forwards_of(state: HubState) -> Iterator[LiveSession]:
    """Yield the forwards."""
    return (session for session in state.sessions.values() if session.mode is SessionMode.FORWARD)


def sessions_of(state: HubState) -> Iterator[LiveSession]:
    """Yield the sessions that are no forwards."""
    return (session for session in state.sessions.values() if session.mode is not SessionMode.FORWARD)
