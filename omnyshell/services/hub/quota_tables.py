"""Reads `[[quotas]]` of `hub.toml`, strictly: a typing mistake must neither remove a limit nor set one."""

from collections.abc import Mapping

from omnyshell.model.grammars import is_principal, is_role
from omnyshell.options.toml_tables import Table
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, Resource

_KEYS = ("principals", "roles", *Resource)

FOR_WHOM = f'a quota says for whom: principals, roles, or principals = ["{EVERYBODY}"] for everybody'
WHICH = f"a quota says which limits; known are {', '.join(Resource)}"


def read_quota(values: Mapping[str, object], _number: int) -> Allowance:
    """Read one `[[quotas]]`. Raises `ConfigException`, whose `keys` locate the mistake."""
    table = Table(values, _KEYS, "a quota")
    principals = frozenset(table.texts("principals", _principal_flaw, if_empty=FOR_WHOM))
    roles = frozenset(table.texts("roles", _role_flaw, if_empty=FOR_WHOM))
    if not principals and not roles:
        raise table.error("principals", FOR_WHOM)
    limits = {
        resource: table.whole_number(resource, 1 if resource is Resource.REQUESTS else 0)
        for resource in Resource
        if resource in values
    }
    if not limits:
        raise table.error("principals", WHICH)
    return Allowance(limits, principals, roles)


def _principal_flaw(name: str) -> str:
    return "" if is_principal(name) else "is no name of a principal"


def _role_flaw(name: str) -> str:
    return "" if is_role(name) else "is no role: it has a comma, or nothing that is seen"
