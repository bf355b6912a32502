"""What a change of what the hub holds true is, and how changes look at the tables."""

import json
from datetime import datetime

import msgspec

from omnyshell.errors import OmnyShellException
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.services.hub.ground.state_file import StateFile, texts

FIRST_LEVEL = 1
"""The level of the changes of version 0.2.0, which says none."""


class ChangeRefusedException(OmnyShellException):
    """A change does not fit what is held true by now; `code` says which: `id_taken`, `used`, `changed`, `done`."""

    default_code = "changed"


class Change(msgspec.Struct, frozen=True, tag=True, kw_only=False, forbid_unknown_fields=True):
    """One change; it is part of a `Transaction`."""

    @property
    def whose(self) -> str:
        """The principal who can do more or less by it; empty for nobody."""
        return ""

    @property
    def known_since(self) -> int:
        """The least `LEVEL` of a version that knows it, with the fields that it has."""
        return FIRST_LEVEL

    def check(self) -> None:
        """Check what its declaration does not say of its values, as another hub may have made it.

        Raises `ValueError`.
        """

    def apply(self, file: StateFile) -> None:
        """Do it, inside a transaction of the file.

        Raises `ChangeRefusedException` where it does not fit, `ConfigException` where the file cannot be used.
        """
        raise NotImplementedError


def require(fits: object, problem: str, code: str = "changed") -> None:
    """Raise `ChangeRefusedException` where something does not fit."""
    if not fits:
        raise ChangeRefusedException(problem, code=code)


def json_list(members: frozenset[str]) -> str:
    """Return a set as a column holds it."""
    return json.dumps(sorted(members))


def is_json_list(stored: object, members: frozenset[str]) -> bool:
    """Tell whether a column holds that set; a damaged one holds none."""
    try:
        return texts(stored) == members
    except (ValueError, RecursionError):
        return False


def are_ends(rows: list[tuple[object, object]], ends: dict[str, datetime]) -> bool:
    """Tell whether rows of roles and ends say that; a row that is damaged says nothing."""
    readable = {(role, end) for role, end in rows if isinstance(role, str) and _is_moment(end)}
    return readable == {(role, write_timestamp(end)) for role, end in ends.items()}


def _is_moment(stored: object) -> bool:
    try:
        return isinstance(stored, str) and bool(read_timestamp(stored))
    except ValueError:
        return False


def moment_or_none(moment: datetime | None) -> str | None:
    """Return a time as a column holds it."""
    return write_timestamp(moment) if moment is not None else None
