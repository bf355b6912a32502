"""Grants that narrow whose sessions are."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import Action, NodeResource, RoleBasedAuthorizer
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import GrantAuthorizer

WEB = {"roles": ["web"], "nodes": ["web-*"], "rights": ["exec"]}
NODE = NodeResource("web-1", {"allow-roles": "developer"})


def logins(*tables: dict[str, object], roles: tuple[str, ...] = ("web",), action: Action = Action.EXEC) -> object:
    grants = [read_grant(table, "a grant") for table in tables]
    who = Principal(PrincipalId("ann"), frozenset(roles))
    return GrantAuthorizer(RoleBasedAuthorizer(), grants).logins(who, action, NODE)


def test_what_grants_narrow_adds_up_and_what_else_allows_it_narrows_nothing() -> None:
    narrow = WEB | {"logins": ["deploy"]}
    assert logins(narrow) == {"deploy"}
    assert logins(narrow, WEB | {"logins": ["{principal}"]}) == {"deploy", "ann"}
    assert logins(narrow, WEB) is None
    assert logins(narrow, roles=("web", "developer")) is None
    assert logins(narrow, roles=("web", "admin")) is None
    assert logins(WEB) is None
    assert logins(narrow | {"nodes": ["db-*"]}) is None
    assert logins(narrow | {"rights": ["*"]}, action=Action.SHELL) == {"deploy"}


@in_one_test(
    "change",
    [
        {"logins": []},
        {"logins": ["a b"]},
        {"logins": ["a,b"]},
        {"logins": ["x"], "deny": True},
        {"logins": ["x"], "rights": ["kill", "forward"]},
    ],
)
def test_logins_that_narrow_nothing_are_a_mistake(change: dict[str, object]) -> None:
    with pytest.raises(ConfigException, match="logins"):
        read_grant(WEB | change, "a grant")
