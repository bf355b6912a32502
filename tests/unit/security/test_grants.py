"""Grants of the hub: what they mean together, in any order; and that a mistake in one is never taken for something."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, strategies as st
from msgspec import structs
from support.in_one_test import in_one_test

from omnyshell import ConfigException, RoleBasedAuthorizer
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import ALLOW_ROLES_LABEL, OWN_MACHINE, Action, NodeResource
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import EVERYTHING, Grant, GrantAuthorizer

ROLES = ("admin", "dba", "dev", "ops")
NAMES = ("ann", "bob")
NODES = ("db-1", "web-1", "web-2")
PATTERNS = ("*", "db-*", "web-?", "web-1", "@local", "*-1")
LABELS = st.dictionaries(st.sampled_from(("env", "zone")), st.sampled_from(("prod", "test")), max_size=2)

principals = st.builds(Principal, st.sampled_from(NAMES), st.frozensets(st.sampled_from(ROLES), max_size=2))
actions = st.sampled_from(list(Action))
allow_roles = st.dictionaries(st.just(ALLOW_ROLES_LABEL), st.sampled_from(("dev", "ops,dba", "")), max_size=1)
resources = st.builds(
    lambda node_id, own, hubs, roles, ceiling: NodeResource(node_id, own | roles, hubs | ceiling),
    st.sampled_from(NODES),
    LABELS,
    LABELS,
    allow_roles,
    allow_roles,
) | st.just(OWN_MACHINE)
grants = st.builds(
    Grant,
    rights=st.frozensets(actions, min_size=1),
    roles=st.frozensets(st.sampled_from(ROLES), max_size=2),
    principals=st.frozensets(st.sampled_from((*NAMES, EVERYTHING)), max_size=1),
    nodes=st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple),
    labels=LABELS,
    deny=st.booleans(),
)
some_grants = st.lists(grants, max_size=5)
open_ports = st.fixed_dictionaries({"open_local_tunnels": st.booleans(), "open_node_tunnels": st.booleans()})


def decide(given_grants, principal, action, node, **open_ones):
    return GrantAuthorizer(RoleBasedAuthorizer(), given_grants, **open_ones).decide(principal, action, node)


@given(some_grants, principals, actions, resources, open_ports)
def test_a_deny_beats_whatever_allows(found, principal, action, node, open_ones):
    denies = [grant for grant in found if grant.deny and action in grant.rights]
    if any(grant.concerns(principal) and grant.covers(node) for grant in denies):
        assert not decide(found, principal, action, node, **open_ones).allowed


@given(some_grants, principals, actions, resources, open_ports)
def test_their_order_means_nothing(found, principal, action, node, open_ones):
    orders = permutations(found) if len(found) < 5 else (found, found[::-1])
    assert len({decide(order, principal, action, node, **open_ones).allowed for order in map(list, orders)}) == 1


@given(some_grants, grants, principals, actions, resources, open_ports)
def test_adding_a_deny_allows_nothing_and_removing_an_allow_neither(found, more, principal, action, node, open_ones):
    before = decide(found, principal, action, node, **open_ones).allowed
    after = decide([*found, more], principal, action, node, **open_ones).allowed
    assert after <= before if more.deny else after >= before


@given(some_grants, principals, actions, resources, open_ports)
def test_without_grants_it_is_as_the_roles_say(found, principal, action, node, open_ones):
    by_role = RoleBasedAuthorizer().decide(principal, action, node)
    mine = decide([grant for grant in found if not grant.concerns(principal)], principal, action, node)
    assert mine.allowed == by_role.allowed
    if action is not Action.EXPOSE:
        assert decide([], principal, action, node, **open_ones).allowed == by_role.allowed


@given(some_grants, principals, actions, resources, LABELS)
def test_a_node_cannot_answer_the_hubs_labels_with_its_own(found, principal, action, node, claimed):
    """What the hub says of a key, the node can neither turn into a grant nor out of a deny."""
    own = {key: value for key, value in claimed.items() if key in node.hub_labels}
    not_said = {key: value for key, value in node.labels.items() if key not in node.hub_labels}
    honest = structs.replace(node, labels=not_said)
    lying = structs.replace(honest, labels={**honest.labels, **own})
    assert decide(found, principal, action, lying).allowed <= decide(found, principal, action, honest).allowed


@given(some_grants, principals, resources)
def test_a_public_port_takes_a_grant_or_an_admin(found, principal, node):
    if decide(found, principal, Action.EXPOSE, node).allowed and not principal.is_admin:
        gives = [grant for grant in found if not grant.deny and Action.EXPOSE in grant.rights]
        assert any(grant.concerns(principal) and grant.covers(node) for grant in gives)


@given(some_grants, principals, actions, resources)
def test_each_role_that_is_named_would_do(found, principal, action, node):
    refused = decide(found, principal, action, node)
    if not refused.allowed:
        for role in refused.needed:
            assert decide(found, Principal("new", frozenset({role})), action, node).allowed


@given(some_grants, principals, actions, resources, open_ports)
def test_it_always_says_why(found, principal, action, node, open_ones):
    decision = decide(found, principal, action, node, **open_ones)
    assert decision.why
    assert not (decision.allowed and decision.needed)


def test_the_rules_of_version_0_1_for_public_ports():
    dev, node = Principal("ann", frozenset({"dev"})), NodeResource("n1", {ALLOW_ROLES_LABEL: "dev"})
    assert not decide([], dev, Action.EXPOSE, node).allowed
    assert decide([], dev, Action.EXPOSE, node, open_node_tunnels=True).allowed
    assert not decide([], dev, Action.EXPOSE, NodeResource("n1"), open_node_tunnels=True).allowed
    assert not decide([], dev, Action.EXPOSE, OWN_MACHINE, open_node_tunnels=True).allowed
    assert decide([], Principal("bob"), Action.EXPOSE, OWN_MACHINE, open_local_tunnels=True).allowed
    assert not decide([], dev, Action.EXPOSE, node, open_local_tunnels=True).allowed
    # A grant of less than that does not open a port.
    commands = Grant(rights=frozenset({Action.SHELL, Action.EXEC}), principals=frozenset({"bob"}), nodes=("*",))
    assert not decide([commands], Principal("bob"), Action.EXPOSE, node, open_node_tunnels=True).allowed


@in_one_test(
    ("deny", "own", "hubs", "covers"),
    [
        (False, "prod", None, True),
        (False, None, "prod", True),
        (False, "prod", "test", False),
        (False, "test", "prod", True),
        (False, None, None, False),
        (True, "prod", None, True),
        (True, None, "prod", True),
        (True, "prod", "test", True),
        (True, "test", "prod", True),
        (True, "test", None, False),
    ],
)
def test_labels_of_hub_and_node(deny, own, hubs, covers):
    labels = [{"env": value} if value is not None else {} for value in (own, hubs)]
    grant = Grant(rights=frozenset(Action), roles=frozenset({"dev"}), labels={"env": "prod"}, deny=deny)
    assert grant.covers(NodeResource("n1", *labels)) is covers


@in_one_test(
    ("pattern", "node_id", "covers"),
    [
        ("web-*", "web-1", True),
        ("web-*", "web-", True),
        ("web-*", "Web-1", False),
        ("web-*", "xweb-1", False),
        ("web-?", "web-12", False),
        ("web.1", "web-1", False),
        ("*", "web-1", True),
    ],
)
def test_patterns_are_of_the_whole_id(pattern, node_id, covers):
    grant = Grant(rights=frozenset(Action), roles=frozenset({"dev"}), nodes=(pattern,))
    assert grant.covers(NodeResource(node_id)) is covers


@pytest.mark.parametrize(("deny", "covers"), [(False, False), (True, True)])
def test_ones_own_machine_is_named_to_be_given_and_meant_by_everything_in_a_deny(deny, covers):
    grant = Grant(rights=frozenset({Action.EXPOSE}), roles=frozenset({"dev"}), nodes=("*",), deny=deny)
    assert grant.covers(OWN_MACHINE) is covers
    assert replace(grant, nodes=("@local",)).covers(OWN_MACHINE)
    assert not replace(grant, nodes=(), labels={"env": "prod"}).covers(OWN_MACHINE)
    assert not replace(grant, nodes=("web-*",)).covers(OWN_MACHINE)


GOOD = {"roles": ["web"], "nodes": ["web-*"], "rights": ["exec"]}


def test_a_table_is_read():
    table = {"principals": ["ann"], "labels": {"env": "prod"}, "rights": ["*"], "deny": True, "nodes": ["*", "a"]}
    assert read_grant(table, "grant 2") == Grant(
        rights=frozenset(Action),
        principals=frozenset({"ann"}),
        nodes=("*", "a"),
        labels={"env": "prod"},
        deny=True,
        name="grant 2",
    )
    assert not read_grant(GOOD, "g").deny


@in_one_test("key", ["roles", "principals", "nodes", "rights"])
def test_a_text_stands_for_a_list_of_one(key):
    text = "exec" if key == "rights" else "web"
    assert read_grant(GOOD | {key: text}, "g") == read_grant(GOOD | {key: [text]}, "g")


@in_one_test(
    ("changes", "key", "words"),
    [
        ({"role": ["web"]}, "role", "there is no key 'role' in a grant; did you mean 'roles'"),
        ({"rights": None}, "rights", "says which rights"),
        ({"rights": []}, "rights", "is empty: a grant says"),
        ({"rights": ["exce"]}, "rights", "'exce' is no right; did you mean 'exec'"),
        ({"rights": 1}, "rights", "a list of texts"),
        ({"rights": ["exec", 1]}, "rights", "a list of texts"),
        ({"roles": None}, "roles", "for whom"),
        ({"roles": []}, "roles", "is empty: a grant says"),
        ({"roles": ["a,b"]}, "roles", "'a,b' is no role"),
        ({"roles": [""]}, "roles", "is no role"),
        ({"principals": [""]}, "principals", "is no name of a principal"),
        ({"principals": ["a\nb"]}, "principals", "is no name of a principal"),
        ({"nodes": None}, "nodes", "says where"),
        ({"nodes": []}, "nodes", "is empty: a grant says"),
        ({"nodes": ["web 1"]}, "nodes", "'web 1' is no pattern"),
        ({"nodes": ["[ab]"]}, "nodes", "is no pattern"),
        ({"nodes": ["@remote"]}, "nodes", "is no pattern"),
        ({"labels": {}}, "labels", "is empty: a grant says"),
        ({"labels": {"env": 1}}, "labels", "'env' in 'labels' must be text"),
        ({"labels": "env=prod"}, "labels", "a table of texts"),
        ({"deny": "yes"}, "deny", "true or false"),
        ({"nodes": ["@local"], "labels": {"env": "prod"}}, "labels", "has no labels"),
        ({"nodes": ["@local"]}, "rights", "only the right expose"),
    ],
)
def test_a_mistake_in_a_table_is_named(changes, key, words):
    table = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(ConfigException, match=words) as caught:
        read_grant(table, "g")
    assert caught.value.keys[0] == key
