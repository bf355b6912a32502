"""Who becomes whom, as a node's file says it and a keeper is told it."""

from collections.abc import Iterable

from omnyshell.errors import ConfigException, ErrorCodes, SessionRejectedException
from omnyshell.keeper import users
from omnyshell.options.toml_file import TomlFile
from omnyshell.services.node.backend import ShellRequest

USERS = "users"
"""The key of the table."""


def users_from_table(value: object, file: TomlFile) -> dict[str, tuple[str, ...]]:
    """Read the table `[users]`, as the keeper will. Raises `ConfigException` that names file and line."""
    try:
        return users.table_of(value)
    except ValueError as exc:
        raise file.error((USERS,), str(exc)) from exc


def whose_field(request: ShellRequest) -> bytes:
    """Return for whom a request is, as the keeper is told. Raises `SessionRejectedException` for an impossible name."""
    parts = (request.principal, _listed(request.roles), request.user, _listed(request.logins))
    if any("\n" in part or "\0" in part for part in parts):
        raise SessionRejectedException("Nobody can be called so", code=ErrorCodes.BAD_REQUEST)
    return "\n".join(parts).encode(errors="surrogatepass")


def _listed(names: Iterable[str]) -> str:
    """Join names; one that would be several is left out."""
    return ",".join(sorted(name for name in names if "," not in name))


def check_both(table: object, *, as_node: bool) -> None:
    """Raise `ConfigException` where both are asked for: that who asks becomes somebody, and nobody does."""
    if table and as_node:
        raise ConfigException("both [users] and run-as-node-user are given: say one").about("run_as_node_user")
