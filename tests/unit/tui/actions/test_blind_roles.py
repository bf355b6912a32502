"""Who is invited to see nothing."""

from support.console import node
from support.in_one_test import in_one_test

from omnyshell.tui.actions.administration import why_blind

NODES = (node("web-1", labels={"allow-roles": "ops,dba"}), node("web-2", labels={}))


@in_one_test(
    ("roles", "nodes", "is_warned"),
    [
        (("developer",), NODES, True),
        (("developer", "viewer"), NODES[1:], True),
        (("developer", "dba"), NODES, False),
        (("admin",), NODES, False),
        ((), NODES, False),
        (("developer",), (), False),
    ],
)
def test_a_role_that_no_node_lets_in_is_told(roles: tuple[str, ...], nodes: tuple, is_warned: bool) -> None:
    told = why_blind(roles, nodes)
    assert bool(told) is is_warned
    assert not told or f"No node has {', '.join(roles)} in its label allow-roles" in told
