import pytest

from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import ALLOW_ROLES_LABEL, RoleBasedAuthorizer


def labels(roles):
    return {"zone": "eu"} if roles is None else {"zone": "eu", ALLOW_ROLES_LABEL: roles}


@pytest.mark.parametrize(
    ("roles", "node", "hub", "allowed"),
    [
        ({"dev"}, "dev", None, True),
        ({"dev"}, "ops, dev ,", None, True),
        ({"dev"}, "ops", None, False),
        ({"dev"}, "developer", None, False),
        ({"dev"}, "Dev", None, False),
        ({"dev"}, None, None, False),
        ({"dev"}, "", None, False),
        ({"dev"}, " , ", None, False),
        (set(), "dev", None, False),
        ({""}, ",", None, False),
        ({"node"}, "dev", None, False),
        ({"dev"}, "dev", "dev", True),
        ({"dev"}, "dev", "ops", False),
        ({"dev"}, "ops", "dev", False),
        ({"dev"}, None, "dev", False),
        ({"dev"}, "dev", "", False),
        ({"dev", "ops"}, "dev", "ops", True),
        ({"admin"}, None, None, True),
        ({"admin"}, "dev", "ops", True),
        ({"admin"}, "", "", True),
    ],
)
def test_access(roles, node, hub, allowed):
    principal = Principal("alice", frozenset(roles))
    assert ALLOW_ROLES_LABEL == "allow-roles"
    assert RoleBasedAuthorizer().may_open(principal, labels(node), labels(hub)) is allowed


def test_a_hub_that_sets_no_labels_leaves_it_to_the_node():
    assert RoleBasedAuthorizer().may_open(Principal("alice", frozenset({"dev"})), labels("dev"), {})
