"""Requests of administrators, and what hubs of earlier versions know of them."""

from omnyshell.protocol.messages import admin
from omnyshell.protocol.messages.admin import AdminRequest

OF_0_1_0 = [
    "admin.audit.request",
    "admin.credential.revoke",
    "admin.hub.request",
    "admin.invite.create",
    "admin.invite.revoke",
    "admin.invites.request",
    "admin.key.add",
    "admin.node.labels",
    "admin.node.release",
    "admin.nodes.request",
    "admin.peer.drop",
    "admin.peers.request",
    "admin.principal.add",
    "admin.principal.revoke",
    "admin.principal.roles",
    "admin.principals.request",
    "admin.session.close",
    "admin.sessions.request",
    "admin.token.add",
    "admin.token.rotate",
    "admin.tunnel.close",
    "admin.tunnels.request",
]
"""What a hub of version 0.1.0 answers; it drops everything else without a word."""


def test_what_a_hub_of_0_1_0_does_not_answer_names_the_extension_that_it_is_of() -> None:
    declared = [found for found in vars(admin).values() if isinstance(found, type) and issubclass(found, AdminRequest)]
    asked = [found for found in declared if found is not AdminRequest and not _is_answer(found)]
    assert sorted(found.TYPE for found in asked if not found.NEEDS) == OF_0_1_0
    assert {found.TYPE: found.NEEDS for found in asked if found.NEEDS} == {
        "admin.access.request": "rights",
        "admin.audit.acknowledge": "audit-acknowledge",
        "admin.audit.page.request": "audit-of-hubs",
        "admin.hub.drain": "hubs",
        "admin.hub.draining.request": "hubs",
        "admin.hub.invite": "hub-members",
        "admin.hub.remove": "hub-members",
        "admin.locks.request": "locks",
        "admin.lock.add": "locks",
        "admin.lock.remove": "locks",
    }


def _is_answer(found: type[AdminRequest]) -> bool:
    return found.TYPE.endswith((".response", ".added", ".created", ".result"))
