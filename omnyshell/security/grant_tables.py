"""Reads `[[grants]]` of `hub.toml`, strictly: a typing mistake must neither grant a right nor lose a denial."""

import re
from collections.abc import Mapping

from omnyshell.model.grammars import is_login, is_principal, is_role
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.options.toml_tables import Table
from omnyshell.options.toml_values import instead_of
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import EVERYTHING, OF_USERS, OWN_NAME, Grant

_KEYS = ("roles", "principals", "nodes", "labels", "rights", "deny", "logins")

_RIGHTS = (*Action, EVERYTHING)

_PATTERN = re.compile(r"[A-Za-z0-9_.*?-]+")
"""A node id in which `*` stands for any characters and `?` for one."""

FOR_WHOM = f'a grant says for whom: roles, principals, or principals = ["{EVERYTHING}"] for everybody'
NARROWS = "name users, or leave it out to narrow nothing"
WHICH = f"a grant says which rights; known are {', '.join(_RIGHTS)}"
WHERE = f'a grant says where: nodes, labels, or nodes = ["{EVERYTHING}"] for every node'


def read_grant(values: Mapping[str, object], name: str) -> Grant:
    """Read one `[[grants]]`. Raises `ConfigException`, whose `keys` locate the mistake."""
    table = Table(values, _KEYS, "a grant")
    grant = Grant(
        rights=_rights(table),
        roles=frozenset(table.texts("roles", _role_flaw, if_empty=FOR_WHOM)),
        principals=frozenset(table.texts("principals", _principal_flaw, if_empty=FOR_WHOM)),
        nodes=table.texts("nodes", _place_flaw, if_empty=WHERE),
        labels=table.text_map("labels", if_empty=WHERE),
        deny=table.flag("deny"),
        logins=frozenset(table.texts("logins", _login_flaw, if_empty=NARROWS)),
        name=name,
    )
    _check_selectors(table, grant)
    return grant


def _check_selectors(table: Table, grant: Grant) -> None:
    if not grant.roles and not grant.principals:
        raise table.error("roles", FOR_WHOM)
    if not grant.nodes and not grant.labels:
        raise table.error("nodes", WHERE)
    if LOCAL_EXPOSER in grant.nodes and grant.labels:
        raise table.error("labels", f"{LOCAL_EXPOSER} has no labels: give it a grant of its own")
    if set(grant.nodes) == {LOCAL_EXPOSER} and Action.EXPOSE not in grant.rights:
        raise table.error("rights", f"of {LOCAL_EXPOSER}, only the right {Action.EXPOSE} is ever asked")
    if grant.logins and (grant.deny or grant.rights.isdisjoint(OF_USERS)):
        raise table.error("logins", f"logins narrow what a grant gives of {', '.join(OF_USERS)}, and nothing else")


def _rights(table: Table) -> frozenset[Action]:
    names = table.texts("rights", _right_flaw, if_empty=WHICH)
    if not names:
        raise table.error("rights", WHICH)
    return frozenset(Action) if EVERYTHING in names else frozenset(map(Action, names))


def _right_flaw(name: str) -> str:
    return "" if name in _RIGHTS else f"is no right{instead_of(name, _RIGHTS)}"


def _role_flaw(name: str) -> str:
    return "" if is_role(name) else "is no role: it has a comma, or nothing that is seen"


def _login_flaw(name: str) -> str:
    return "" if name == OWN_NAME or is_login(name) else "is no name of a user"


def _principal_flaw(name: str) -> str:
    return "" if is_principal(name) else "is no name of a principal"


def _place_flaw(text: str) -> str:
    is_place = text == LOCAL_EXPOSER or _PATTERN.fullmatch(text)
    return "" if is_place else f"is no pattern of node ids, as 'web-*', and not {LOCAL_EXPOSER}"
