"""Reads `[[grants]]` of `hub.toml`: strict, so that a mistake neither gives nor fails to deny."""

import re
from collections.abc import Callable, Mapping

from omnyshell.errors import ConfigException
from omnyshell.model.grammars import is_principal, is_role
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import EVERYTHING, Grant

_KEYS = ("roles", "principals", "nodes", "labels", "rights", "deny")

_PATTERN = re.compile(r"[A-Za-z0-9_.*?-]+")
"""A node id in which `*` stands for any characters and `?` for one."""

FOR_WHOM = f'a grant says for whom: roles, principals, or principals = ["{EVERYTHING}"] for everybody'
WHERE = f'a grant says where: nodes, labels, or nodes = ["{EVERYTHING}"] for every node'


def read_grant(table: Mapping[str, object], name: str) -> Grant:
    """Read one `[[grants]]`. Raises `ConfigException`, whose `option` is the key that is wrong."""
    for key in table:
        if key not in _KEYS:
            raise _wrong(key, f"there is no key '{key}' in a grant; known are {', '.join(_KEYS)}")
    grant = Grant(
        rights=_rights(table),
        roles=frozenset(_texts(table, "roles", is_role, "no role: it has a comma, or nothing that is seen")),
        principals=frozenset(_texts(table, "principals", is_principal, "no name of a principal")),
        nodes=_texts(table, "nodes", _is_place, f"no pattern of node ids, as 'web-*', and not {LOCAL_EXPOSER}"),
        labels=_labels(table),
        deny=_flag(table, "deny"),
        name=name,
    )
    _check_selectors(grant)
    return grant


def _check_selectors(grant: Grant) -> None:
    if not grant.roles and not grant.principals:
        raise _wrong("roles", FOR_WHOM)
    if not grant.nodes and not grant.labels:
        raise _wrong("nodes", WHERE)
    if LOCAL_EXPOSER in grant.nodes and grant.labels:
        raise _wrong("labels", f"{LOCAL_EXPOSER} has no labels: give it a grant of its own")
    if set(grant.nodes) == {LOCAL_EXPOSER} and Action.EXPOSE not in grant.rights:
        raise _wrong("rights", f"of {LOCAL_EXPOSER}, only the right {Action.EXPOSE} is ever asked")


def _rights(table: Mapping[str, object]) -> frozenset[Action]:
    known = (*Action, EVERYTHING)
    names = _texts(table, "rights", lambda name: name in known, f"no right; known are {', '.join(known)}")
    if not names:
        raise _wrong("rights", f"a grant says which rights; known are {', '.join(known)}")
    return frozenset(Action) if EVERYTHING in names else frozenset(map(Action, names))


def _texts(table: Mapping[str, object], key: str, is_right: Callable[[str], bool], wrong: str) -> tuple[str, ...]:
    """Read a list of texts; one that is given must hold something."""
    if key not in table:
        return ()
    value = table[key]
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise _wrong(key, f"'{key}' must be a list of texts, and not an empty one")
    for item in value:
        if not is_right(item):
            raise _wrong(key, f"'{item}' is {wrong}")
    return tuple(value)


def _labels(table: Mapping[str, object]) -> dict[str, str]:
    if "labels" not in table:
        return {}
    value = table["labels"]
    if not isinstance(value, dict) or not value or not all(isinstance(item, str) for item in value.values()):
        raise _wrong("labels", "'labels' must be a table of texts, as { env = \"prod\" }, and not an empty one")
    return dict(value)


def _flag(table: Mapping[str, object], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(key, f"'{key}' must be true or false")
    return value


def _is_place(text: str) -> bool:
    return text == LOCAL_EXPOSER or _PATTERN.fullmatch(text) is not None


def _wrong(key: str, text: str) -> ConfigException:
    error = ConfigException(text)
    error.option = key
    return error
