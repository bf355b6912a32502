"""Finds the session that a reference names (`sessionRef` in docs/protocol.md#detached-sessions)."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from omnyshell.errors import SessionRejectedException
from omnyshell.ids import matches_ref, normal_id

NOT_FOUND = "not_found"
AMBIGUOUS = "ambiguous"


class Named(Protocol):
    """An object with an id that references can name."""

    @property
    def id(self) -> str:
        """The full id."""


S = TypeVar("S", bound=Named)


def find_session(candidates: Iterable[S], ref: str) -> S:
    """Return the only candidate whose id is `ref` or begins with it; hyphens and case do not matter.

    Raises `SessionRejectedException`: `not_found` (also for an empty reference), or `ambiguous`.
    """
    matches = [found for found in candidates if matches_ref(found.id, ref)]
    exact = [found for found in matches if normal_id(found.id) == normal_id(ref)]
    if len(exact) == 1 or len(matches) == 1:
        return (exact or matches)[0]
    if matches:
        raise SessionRejectedException("Several sessions begin so; give more of the id", code=AMBIGUOUS)
    raise SessionRejectedException("There is no such session", code=NOT_FOUND)
