"""Every request of a client under every choice of rights, with peers that know the wire alone."""

from dataclasses import replace
from typing import Any

import pytest
from support.raw_admin import ask
from support.raw_peer import RawPeer, logged_in, registered
from support.rights import (
    CHOICES,
    CLIENT,
    OF_MODES,
    ONES_OWN,
    QUESTIONS,
    RIGHTS,
    all_that_is_allowed,
    answering_node,
    config_of,
    grant,
    listed,
    may_ask,
    may_expose,
    may_open,
    told_live,
)
from support.stack import OPEN_TUNNELS, Certificates, until

from omnyshell import OmnyShellHub
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import Action, Decision, NodeResource
from omnyshell.services.hub.access.rights import RIGHTS_TAKEN


def test_the_matrix_has_every_request_that_takes_a_right() -> None:
    asked = {"session.open", "tunnel.open.request", *(f"sessions.{what}.request" for what in QUESTIONS)}
    assert {declared.TYPE for declared in RIGHTS_TAKEN} == asked
    assert set(RIGHTS) == {action.value for action in Action}


@pytest.mark.parametrize("by_deny", [False, True])
async def test_every_request_under_every_choice_of_rights(certificates: Certificates, by_deny: bool) -> None:
    """The rights are given one by one; or all of them, and the others denied."""
    people = {f"p{number}": chosen for number, chosen in enumerate(CHOICES)}
    grants = []
    for name, chosen in people.items():
        others = [right for right in RIGHTS if right not in chosen]
        if by_deny:
            grants.append(grant(principals=[name], rights=["*"]))
            grants += [grant(principals=[name], rights=others, deny=True)] if others else []
        elif chosen:
            grants.append(grant(roles=[f"role-{name}"], rights=list(chosen)))
    tokens = [f"{name}:{name}-token:role-{name}" for name in people]
    async with (
        OmnyShellHub(config_of(certificates, grants, *tokens)) as hub,
        answering_node(certificates, hub),
    ):
        for name, chosen in people.items():
            async with logged_in(certificates, hub.port, "client", name, CLIENT) as client:
                found, said = await all_that_is_allowed(client)
                assert {key for key, (right, ok) in found.items() if ok != (right in chosen)} == set(), (name, chosen)
                assert await listed(client) == (["n1"] if chosen else [])
                assert await told_live(client) == (["n1"] if chosen else [])
                # Only who may know the node is told what it takes.
                assert all(("role" in text or "grant" in text) == bool(chosen) for text in said), said
                if chosen:
                    access = await ask(client, "admin.access.request", "admin.access.response", nodeId="n1")
                    assert {found["right"] for found in access["rights"] if found["allowed"]} == set(chosen)
                else:
                    refused = await ask(client, "admin.access.request", nodeId="n1")
                    assert refused["code"] == "not_found"
        refused = [record for record in hub.audit if "not_auth" in record.reason or record.reason == "Not authorized"]
        assert {record.detail.split()[0] for record in refused} == set(ONES_OWN) - OF_MODES


async def test_who_may_not_know_a_node_is_told_what_the_original_said(certificates: Certificates) -> None:
    labels = {"allow-roles": "dba", "env": "prod"}
    config = config_of(certificates, [], "dev:dev-token:developer")
    async with OmnyShellHub(config) as hub, answering_node(certificates, hub, labels=labels):
        async with logged_in(certificates, hub.port, "client", "dev") as client:
            for what in ("kill", "detach", "screen"):
                assert await may_ask(client, what) == (False, "Not authorized")
            assert await may_ask(client, "list") == (False, "")
            _, text = await may_open(client, {"mode": "shell"}, 1)
            assert text == "Not authorized to open a shell on 'n1'"
            assert await may_expose(client) == (False, "Not authorized to open a public port on 'n1'")
        hub.reload(replace(config, list_all_nodes=True))
        async with logged_in(certificates, hub.port, "client", "dev", CLIENT) as client:
            assert await listed(client) == await told_live(client) == ["n1"]
            for what in ("kill", "detach", "screen", "list"):
                assert await may_ask(client, what) == (
                    False, "Not authorized: it takes the role dba (you have developer)"
                )  # fmt: skip
            _, text = await may_open(client, {"mode": "shell"}, 1)
            assert text == "Not authorized to open a shell on 'n1': it takes the role dba (you have developer)"


async def test_what_a_node_names_as_roles_is_told_bounded_and_printable(certificates: Certificates) -> None:
    hostile = ["x" * 5000, "run\x1b[2J", "a b", "\u202eevil", "ok", *(f"role-{number}" for number in range(50))]
    config = config_of(certificates, [], "dev:dev-token", list_all_nodes=True)
    async with (
        OmnyShellHub(config) as hub,
        answering_node(certificates, hub, labels={"allow-roles": ",".join(hostile)}),
        logged_in(certificates, hub.port, "client", "dev", CLIENT) as client,
    ):
        _, text = await may_open(client, {"mode": "shell"}, 1)
        assert text.isprintable()
        assert len(text) < 300
        assert "it takes the role ok or role-0 or" in text
        assert text.endswith("(you have none)")
        access = await ask(client, "admin.access.request", "admin.access.response", nodeId="n1")
        assert str(access).isprintable()


async def test_a_deny_binds_admins_at_nodes_and_leaves_them_the_hub(certificates: Certificates) -> None:
    config = config_of(certificates, [grant(principals=["*"], rights=["*"], deny=True)])
    async with (
        OmnyShellHub(config) as hub,
        answering_node(certificates, hub),
        logged_in(certificates, hub.port, "client", "admin", CLIENT) as admin,
    ):
        found, _ = await all_that_is_allowed(admin)
        assert not any(allowed for _, allowed in found.values())
        # It administers all the same, and sees what there is.
        assert await listed(admin) == await told_live(admin) == ["n1"]
        assert (await ask(admin, "admin.node.labels", nodeId="n1", labels={"env": "prod"}))["ok"]
        await admin.say("tunnel.open.request", {"requestId": "t", "nodeId": "@local", "targetPort": 80})
        assert (await admin.hear("tunnel.rejected"))["d"]["reason"] == "not_authorized"


async def test_the_options_that_bring_back_public_ports_of_version_0_1(certificates: Certificates) -> None:
    denied = grant(principals=["eve"], rights=["expose"], deny=True)
    config = config_of(certificates, [denied], "dev:dev-token:developer", "eve:eve-token:developer", **OPEN_TUNNELS)
    async with OmnyShellHub(config) as hub, answering_node(certificates, hub, labels={"allow-roles": "developer"}):
        for name, allowed in (("dev", True), ("eve", False)):
            async with logged_in(certificates, hub.port, "client", name) as client:
                assert (await may_expose(client))[0] is allowed
                await client.say("tunnel.open.request", {"requestId": "t", "nodeId": "", "targetPort": 80})
                answer = await client.hear()
                assert (answer["t"] == "tunnel.opened") is allowed


class Opening:
    """An embedder's authorizer of version 0.1."""

    def may_open(self, principal: Principal, node_labels: Any, hub_labels: Any) -> bool:
        return principal.id == "dev" and dict(node_labels) == {"env": "prod"} and dict(hub_labels) == {"a": "b"}


class Deciding:
    """One of this version."""

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        return Decision(allowed=action is Action.WATCH and node.node_id == "n1", why=f"as {principal.id} may")


class Failing:
    """One that does not come to a decision."""

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        raise LookupError(principal, action, node)


@pytest.mark.parametrize(
    ("authorizer", "allowed"),
    [(Opening(), {"shell", "exec", "watch", "kill"}), (Deciding(), {"watch"}), (Failing(), set())],
)
async def test_the_authorizer_of_an_embedder_decides_everywhere(
    certificates: Certificates, authorizer: Any, allowed: set[str]
) -> None:
    config = config_of(
        certificates, [], "dev:dev-token:x", authorizer=authorizer, node_labels={"n1": {"a": "b"}}
    )  # fmt: skip
    async with (
        OmnyShellHub(config) as hub,
        answering_node(certificates, hub, labels={"env": "prod"}),
        logged_in(certificates, hub.port, "client", "dev", CLIENT) as client,
    ):
        found, _ = await all_that_is_allowed(client)
        assert {right for right, ok in found.values() if ok} == allowed
        assert {right for right, ok in found.values() if not ok} == set(ONES_OWN) - allowed - OF_MODES
        assert await listed(client) == (["n1"] if allowed else [])


@pytest.mark.parametrize(
    ("shells", "features", "unserved"),
    [
        (["/bin/sh"], ["pty", "tunnel", "ssh", "sftp", "agent"], set()),
        ([], ["pty", "tunnel", "ssh", "sftp", "agent"], {"shell", "ssh"}),
        (["/bin/sh"], ["pty"], {"ssh", "files", "agent", "forward", "expose"}),
        ([], [], {"shell", "ssh", "files", "agent", "forward", "expose"}),
    ],
)
async def test_what_a_node_does_not_serve_is_said_beside_the_rights(
    certificates: Certificates, shells: list[str], features: list[str], unserved: set[str]
) -> None:
    explain = ("admin.access.request", "admin.access.response")
    async with (
        OmnyShellHub(config_of(certificates, [])) as hub,
        logged_in(certificates, hub.port, "client", "admin", CLIENT) as admin,
        registered(certificates, hub.port, "n1") as node,
    ):
        await node.say("node.capabilities", {"shells": shells, "features": features, "maxSessions": 5})
        await node.still_there()
        rights = (await ask(admin, *explain, nodeId="n1"))["rights"]
        assert {right["right"] for right in rights if right.get("unserved")} == unserved
        # A right is a right all the same.
        assert all(right["allowed"] for right in rights)


async def test_as_whom_alone_grants_give_a_right_is_said_to_who_announced_it(certificates: Certificates) -> None:
    grants = [
        grant(roles=["web"], rights=["exec", "files", "kill"], logins=["www", "{principal}"]),
        grant(roles=["web"], rights=["exec"], logins=["deploy"]),
        grant(roles=["web"], rights=["watch"], logins=["www"]),
        grant(roles=["odd"], rights=["watch"]),
        grant(principals=["n o"], rights=["shell"], logins=["{principal}"]),
    ]
    config = config_of(certificates, grants, "web:web-token:web", "odd:odd-token:web,odd", "n o:no-token")
    explain = ("admin.access.request", "admin.access.response")
    narrowed = {"exec": ["deploy", "web", "www"], "files": ["web", "www"], "watch": ["www"]}

    async def told(peer: RawPeer, who: str) -> tuple[dict[str, Any], set[str]]:
        rights = (await ask(peer, *explain, nodeId="n1", principal=who))["rights"]
        users = {right["right"]: right.get("logins", []) for right in rights if "narrowed" in right}
        assert {right["right"] for right in rights if "logins" in right} <= users.keys()
        return users, {right["right"] for right in rights if "the node is too old to say whose" in right["why"]}

    async with (
        OmnyShellHub(config) as hub,
        logged_in(certificates, hub.port, "client", "admin", (*CLIENT, "logins")) as admin,
        logged_in(certificates, hub.port, "client", "web", CLIENT) as earlier,
    ):
        async with registered(certificates, hub.port, "n1", features=("logins",)):
            assert await told(admin, "web") == (narrowed, set())
            # What another grant gives without naming users is narrowed no more, and admins are not either.
            users = [login.replace("web", "odd") for login in narrowed["files"]]
            assert (await told(admin, "odd"))[0] == {"exec": ["deploy", *users], "files": users}
            assert await told(admin, "admin") == ({}, set())
            assert await told(admin, "n o") == ({"shell": []}, set())
            assert await told(earlier, "web") == ({}, set())
        await until(lambda: len(hub.nodes) == 0)
        async with registered(certificates, hub.port, "n1"):
            assert await told(admin, "web") == (narrowed, set(narrowed))
            assert await told(earlier, "web") == ({}, set(narrowed))
        await until(lambda: len(hub.nodes) == 0)
        assert await told(admin, "web") == (narrowed, set())


async def test_access_is_explained_to_admins_and_to_everybody_about_themselves(certificates: Certificates) -> None:
    give = grant(roles=["web"], nodes=["n*"], rights=["exec"])
    config = config_of(certificates, [give], "web:web-token:web,ops", "dev:dev-token:developer")
    explain = ("admin.access.request", "admin.access.response")
    async with (
        OmnyShellHub(config) as hub,
        logged_in(certificates, hub.port, "client", "admin", CLIENT) as admin,
        logged_in(certificates, hub.port, "client", "web", CLIENT) as web,
    ):
        async with answering_node(certificates, hub, labels={"allow-roles": "developer"}):
            of_web = await ask(admin, *explain, nodeId="n1", principal="web")
            assert of_web == await ask(web, *explain, nodeId="n1")
            assert of_web == await ask(web, *explain, nodeId="n1", principal="web")
            assert (of_web["known"], of_web["online"], of_web["roles"]) == (True, True, ["ops", "web"])
            assert [right["right"] for right in of_web["rights"]] == list(RIGHTS)
            why = {right["right"]: (right["allowed"], right["why"], right["needed"]) for right in of_web["rights"]}
            assert why["exec"] == (True, "grant 1 gives it to the role web", [])
            refused = "the node's allow-roles lists none of the roles, and no grant gives it"
            assert why["shell"] == (False, refused, ["developer"])
            assert why["expose"] == (False, "it is more than allow-roles gives, and no grant gives it", ["admin"])
            of_dev = await ask(admin, *explain, nodeId="n1", principal="dev")
            assert [right["allowed"] for right in of_dev["rights"]] == [True] * 8 + [False] * 2
            nobody = await ask(admin, *explain, nodeId="n1", principal="nobody")
            assert (nobody["known"], nobody["roles"]) == (False, [])
            local = await ask(web, *explain, nodeId="@local")
            assert [right["right"] for right in local["rights"]] == ["expose"]
            assert (await ask(web, explain[0], nodeId="n1", principal="dev"))["code"] == "not_authorized"
            # Without the node's own word, there are the grants and the hub's labels.
        await until(lambda: len(hub.nodes) == 0)
        offline = await ask(admin, *explain, nodeId="n1", principal="dev")
        assert (offline["online"], {right["allowed"] for right in offline["rights"]}) == (False, {False})
        for name, peer in (("n1", web), ("nowhere", web), ("nowhere", admin)):
            assert (await ask(peer, explain[0], nodeId=name))["code"] == "not_found"
        actions = [(record.principal, record.action, record.outcome) for record in hub.audit]
        assert ("web", "admin.access.request", "denied") in actions
        assert ("admin", "admin.read", "ok") in actions
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "web") as stranger:
        # One that did not announce `admin` gets no answer.
        await stranger.say(explain[0], {"requestId": "r", "nodeId": "@local"})
        await stranger.still_there()
        assert hub.metrics.frames_dropped == 1
