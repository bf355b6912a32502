"""Who becomes whom on a machine: decides, and does nothing.

A table, `[users]` of a node's file, leads from a principal (`ann`), from a role (`role:dba`) and from everybody (`*`)
to names of users. `{principal}` is the user of the principal's own name. That and what stands for everybody lead to
people's accounts alone: not to root, a system account, the node's user, or one without a shell.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

EVERYBODY, OWN_NAME, ROLE = "*", "{principal}", "role:"
FIRST_PERSON = 1000
"""The least number of a person's account; those below are root's and the system's."""

NOBODY = 65534
NO_USER = 0xFFFFFFFF
"""What the calls that change a user take for "none": -1."""

MOST_NAME = 32
MOST_SHOWN = 16
NOT_SHELLS = ("nologin", "false", "true", "sync", "halt", "shutdown")

IMPOSSIBLE_NAME = "Nobody can be called so"
"""Why nothing is asked, or answered, of a name that cannot be one."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
_INSIDE = _LETTERS | frozenset("0123456789-.")
_HOSTILE = frozenset(":/,\\")

Table = Mapping[str, Sequence[str]]


class RefusedError(Exception):
    """A program that is not started; the text says why."""


class Account(NamedTuple):
    """A user as the system's database has them."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


class Asker(NamedTuple):
    """For whom a program is, as hub and node say."""

    principal: str
    roles: Sequence[str] = ()
    wanted: str = ""
    """The user that is asked for; the first that the principal may become where it is empty."""

    logins: Sequence[str] = ()
    """The users to which the hub narrows this; it does not where there are none."""


def is_persons_name(text: str) -> bool:
    """Tell whether a principal can be a user of the same name: as `useradd` takes names, in plain small letters."""
    return 0 < len(text) <= MOST_NAME and text[0] in _LETTERS and _INSIDE.issuperset(text)


def is_user_name(text: str) -> bool:
    """Tell whether a table can name a user so: domains' users have other signs in their names, but none is a number."""
    is_plain = text.isascii() and text.isprintable() and " " not in text and _HOSTILE.isdisjoint(text)
    return 0 < len(text) <= 4 * MOST_NAME and is_plain and text[0] not in "-+~*{" and not text.isdecimal()


def is_person(account: Account, node_user: int) -> bool:
    """Tell whether an account can be had without being named for a principal or a role."""
    is_free = FIRST_PERSON <= account.uid < NO_USER and account.uid not in (NOBODY, node_user)
    # Where none is said, a login takes the system's own.
    return is_free and (not account.shell or is_shell(account.shell))


def is_shell(path: str) -> bool:
    """Tell whether one can log in with this: a program that is there, and not one that turns people away.

    To name a device, or what is nowhere, as an account's shell is a way to shut it.
    """
    return path.rpartition("/")[2] not in NOT_SHELLS and os.path.isfile(path) and os.access(path, os.X_OK)


def candidates(table: Table, asker: Asker) -> Iterator[tuple[str, bool]]:
    """Yield the users to whom a table leads: for the principal, then for its roles, then for everybody.

    With each, tell whether it was named, so that it need not be a person's.
    """
    principal, named = asker.principal, asker.principal not in (EVERYBODY, "")
    # Users' names have no colon, so none of them is a role.
    keys = [principal] if named and not principal.startswith(ROLE) else []
    roles = set(asker.roles)
    keys += [key for key in table if key.startswith(ROLE) and key.removeprefix(ROLE) in roles]
    for key in (*keys, EVERYBODY):
        for user in table.get(key, ()):
            if user != OWN_NAME:
                yield user, key != EVERYBODY
            elif is_persons_name(principal):
                yield principal, False


def choose(table: Table, asker: Asker, find: Callable[[str], Account | None], node_user: int) -> Account:
    """Return the user whom somebody becomes. `find` looks a name up in the system's database.

    Raises `RefusedError`, which says why nobody, or not the one that was asked for.
    """
    found = list(candidates(table, asker))
    names = list(dict.fromkeys(user for user, _ in found))
    if not found:
        raise RefusedError(f"[users] of this node names no user for '{shown(asker.principal)}', nor for their roles")
    if asker.wanted:
        found = [(user, is_named) for user, is_named in found if user == asker.wanted]
    if not found:
        may = ", ".join(names[:MOST_SHOWN])
        raise RefusedError(f"'{shown(asker.principal)}' may not become '{shown(asker.wanted)}' here, but: {may}")
    if asker.logins:
        found = [(user, is_named) for user, is_named in found if user in asker.logins]
    if not found:
        what = f"'{shown(asker.wanted)}'" if asker.wanted else f"{', '.join(names[:MOST_SHOWN])}"
        raise RefusedError(f"The hub's grants let '{shown(asker.principal)}' not become {what} here")
    return _first(found, find, node_user)


def _first(found: Sequence[tuple[str, bool]], find: Callable[[str], Account | None], node_user: int) -> Account:
    why = ""
    for user, is_named in found:
        account = find(user)
        flaw = _flaw(user, account, node_user, is_named=is_named)
        if account is not None and not flaw:
            return account
        why = why or flaw
    raise RefusedError(why)


def _flaw(user: str, account: Account | None, node_user: int, *, is_named: bool) -> str:
    if account is None or account.name != user or not is_user_name(user):
        return f"There is no user '{shown(user)}' on this machine"
    if not 0 <= account.uid < NO_USER or not 0 <= account.gid < NO_USER:
        return f"The user '{user}' has a number that nobody can have"
    if not is_named and not is_person(account, node_user):
        kept = "root, system accounts, the node's user and those without a shell"
        return f"'{user}' is none to become by '{EVERYBODY}' or '{OWN_NAME}': {kept} are named in [users] or not had"
    return ""


def shown(text: str) -> str:
    """Return a name as it is repeated in a sentence."""
    return "".join(char if char.isprintable() else "?" for char in text[: 2 * MOST_NAME])


def table_of(value: object) -> dict[str, tuple[str, ...]]:
    """Return the table that a file has, where it has one. Raises `ValueError`, whose text says what is wrong."""
    if not isinstance(value, dict) or not value:
        raise ValueError("'users' must be a table of users by principal, as [users] with ann = \"ann\"")
    return {key: _users_of(key, said) for key, said in value.items()}


def _users_of(key: str, said: object) -> tuple[str, ...]:
    users = [said] if isinstance(said, str) else said
    if not isinstance(users, list) or not users or not all(isinstance(user, str) for user in users):
        raise ValueError(f"'{key}' in [users] must name a user, or a list of users")
    if key.startswith(ROLE) and not key.removeprefix(ROLE):
        raise ValueError(f"'{key}' in [users] names no role")
    if not key or not key.isprintable() or key == OWN_NAME:
        raise ValueError(f"'{shown(key)}' in [users] is no principal's name")
    for user in users:
        if user != OWN_NAME and not is_user_name(user):
            raise ValueError(f"'{shown(user)}' for '{key}' in [users] is no user's name")
    return tuple(users)
