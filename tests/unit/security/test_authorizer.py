from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import (
    ALLOW_ROLES_LABEL,
    BEYOND_A_LABEL,
    OWN_MACHINE,
    Action,
    NodeResource,
    RoleBasedAuthorizer,
    with_decisions,
)

PEOPLE = (("alice", frozenset({"dev"})), ("root", frozenset({"admin"})), ("bob", frozenset({"dev"})))


def labels(roles):
    return {"zone": "eu"} if roles is None else {"zone": "eu", ALLOW_ROLES_LABEL: roles}


@in_one_test(
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


@in_one_test("action", list(Action))
def test_a_listed_role_means_everything_but_public_ports_and_sessions_of_others(action):
    authorizer, node = RoleBasedAuthorizer(), NodeResource("n1", labels("dev"))
    found = authorizer.decide(Principal("alice", frozenset({"dev"})), action, node)
    assert (found.allowed, found.needed) == ((True, ()) if action not in BEYOND_A_LABEL else (False, ("admin",)))
    assert authorizer.decide(Principal("root", frozenset({"admin"})), action, NodeResource("n1")).allowed
    assert not authorizer.decide(Principal("alice", frozenset({"dev"})), action, OWN_MACHINE).allowed


@in_one_test(
    ("node", "hub", "why", "needed"),
    [
        (None, None, "the node has no allow-roles", ("admin",)),
        ("", None, "the node's allow-roles lists none of the roles", ("admin",)),
        ("ops,dba", None, "the node's allow-roles lists none of the roles", ("dba", "ops")),
        ("ops,dba", "dba", "the node's allow-roles lists none of the roles", ("dba",)),
        ("ops,admin", None, "the node's allow-roles lists none of the roles", ("ops",)),
        ("dev", "ops", "the hub's allow-roles lists none of the roles", ("admin",)),
        ("dev,ops", "ops,dba", "the hub's allow-roles lists none of the roles", ("ops",)),
    ],
)
def test_a_refusal_says_why_and_which_role_alone_would_do(node, hub, why, needed):
    resource = NodeResource("n1", labels(node), labels(hub))
    found = RoleBasedAuthorizer().decide(Principal("alice", frozenset({"dev"})), Action.SHELL, resource)
    assert (found.allowed, found.why, found.needed) == (False, why, needed)
    for role in needed:
        assert RoleBasedAuthorizer().decide(Principal("bob", frozenset({role})), Action.SHELL, resource).allowed


@given(st.lists(st.text(max_size=80), max_size=30))
def test_what_a_node_names_is_told_bounded_and_printable(names):
    node = NodeResource("n1", {ALLOW_ROLES_LABEL: ",".join(names)})
    found = RoleBasedAuthorizer().decide(Principal("alice"), Action.SHELL, node)
    assert found.why.isascii()
    assert 1 <= len(found.needed) <= 8
    for role in found.needed:
        assert role.isprintable()
        assert " " not in role
        assert 0 < len(role) <= 64


class Opening:
    """An embedder's authorizer of version 0.1."""

    def __init__(self, *allowed):
        self.allowed = allowed

    def may_open(self, principal, node_labels, hub_labels):
        return principal.id in self.allowed and node_labels == {"a": "b"} and hub_labels == {"c": "d"}


@in_one_test("action", list(Action))
def test_an_authorizer_of_version_0_1_goes_on_and_opens_no_public_port_by_itself(action):
    authorizer = with_decisions(Opening("alice", "root"))
    node = NodeResource("n1", {"a": "b"}, {"c": "d"})
    alice, root, bob = (Principal(name, roles) for name, roles in PEOPLE)
    assert authorizer.decide(alice, action, node).allowed is (action not in BEYOND_A_LABEL)
    assert authorizer.decide(root, action, node).allowed
    assert not authorizer.decide(root, action, NodeResource("n1")).allowed
    assert not authorizer.decide(bob, action, node).allowed
    assert not authorizer.decide(alice, action, OWN_MACHINE).allowed
    assert authorizer.decide(root, Action.EXPOSE, OWN_MACHINE).allowed


def test_an_authorizer_that_decides_is_taken_as_it_is():
    authorizer = RoleBasedAuthorizer()
    assert with_decisions(authorizer) is authorizer
