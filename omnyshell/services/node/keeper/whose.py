"""Who becomes whom, as a node's file says it and a keeper is told it."""

import pwd
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from omnyshell.errors import ConfigException, ErrorCodes, SessionRejectedException
from omnyshell.keeper import users
from omnyshell.options.toml_file import TomlFile
from omnyshell.services.node.backend import Asker, ShellRequest

USERS = "users"
"""The key of the table."""


def users_from_table(value: object, file: TomlFile) -> dict[str, tuple[str, ...]]:
    """Read the table `[users]`, as the keeper will. Raises `ConfigException` that names file and line."""
    try:
        return users.table_of(value)
    except ValueError as exc:
        raise file.error((USERS,), str(exc)) from exc


def check_users(value: object) -> None:
    """Raise `ConfigException` where this cannot be a table `[users]`."""
    try:
        users.table_of(value)
    except ValueError as exc:
        raise ConfigException(str(exc)) from exc


def whose_field(request: ShellRequest) -> bytes:
    """Return for whom a request is, as the keeper is told. Raises `SessionRejectedException` for an impossible name."""
    return _field(Asker(request.principal, request.roles, request.logins), request.user)


def admitted_field(asker: Asker, user: str) -> bytes:
    """Return who wants what runs as a user, as the keeper is told. Raises `SessionRejectedException` as above."""
    return _field(asker, user)


def _field(asker: Asker, user: str) -> bytes:
    logins = _listed(asker.logins)
    parts = (asker.principal, _listed(asker.roles), user, logins)
    # Where nobody is listed, nothing would be narrowed.
    if any("\n" in part or "\0" in part for part in parts) or (asker.logins and not logins):
        raise SessionRejectedException(users.IMPOSSIBLE_NAME, code=ErrorCodes.BAD_REQUEST)
    return "\n".join(parts).encode(errors="surrogatepass")


def _listed(names: Iterable[str]) -> str:
    """Join names; one that would be several is left out."""
    return ",".join(sorted(name for name in names if "," not in name))


def check_both(table: object, *, as_node: bool) -> None:
    """Raise `ConfigException` where both are asked for: that who asks becomes somebody, and nobody does."""
    if table and as_node:
        raise ConfigException("both [users] and run-as-node-user are given: say one").about("run_as_node_user")


class Meaning(NamedTuple):
    """One user to whom a line of `[users]` leads."""

    who: str
    """A principal, a role as `role:NAME`, or `*` for everybody."""

    user: str
    flaw: str
    """Why nobody becomes that user; empty where they do."""


def meanings(table: Mapping[str, Sequence[str]]) -> list[Meaning]:
    """Return to whom each line of a table leads on this machine, in the order of the table."""
    return [Meaning(who, user, _flaw(who, user)) for who, named in table.items() for user in named]


def _flaw(who: str, user: str) -> str:
    if user == users.OWN_NAME:
        return ""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return "there is no such user"
    account = users.Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)
    # The node's own user is known to its keeper alone.
    if who == users.EVERYBODY and not users.is_person(account, users.NO_USER):
        return "not for everybody: name it for a principal or a role"
    return ""
