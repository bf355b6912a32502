"""What a hub's settings mean for everybody."""

from pathlib import Path

from support.in_one_test import in_one_test

from omnyshell import HubConfig, PortRange, TokenAuthenticator
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import Grant
from omnyshell.services.hub.access.policy import only_admins_expose


class OfEmbedder:
    """An authorizer that may give anything."""

    def may_open(self, principal, node_labels, hub_labels):
        return True


def expose(**changes):
    return Grant(rights=frozenset({Action.EXPOSE}), roles=frozenset({"dev"}), nodes=("*",), **changes)


@in_one_test(
    ("settings", "only_admins"),
    [
        ({}, True),
        ({"tunnel_ports": None}, False),
        ({"open_node_tunnels": True}, False),
        ({"open_local_tunnels": True}, False),
        ({"grants": (expose(),)}, False),
        ({"grants": (expose(deny=True),)}, True),
        ({"grants": (Grant(rights=frozenset({Action.SHELL}), roles=frozenset({"dev"}), nodes=("*",)),)}, True),
        ({"authorizer": OfEmbedder()}, False),
    ],
)
def test_whether_none_but_admins_open_public_ports(settings, only_admins):
    given = {"tunnel_ports": PortRange(20_000, 20_010)} | settings
    config = HubConfig(cert=Path("c"), key=Path("k"), authenticator=TokenAuthenticator([]), **given)
    assert only_admins_expose(config) is only_admins
