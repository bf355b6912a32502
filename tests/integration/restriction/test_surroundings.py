"""Attacks on what is around a restricted program: home, directory, variables' values, tunnels, flawed rules."""

from pathlib import Path
from typing import Any

import pytest
from support.ports import free_range
from support.stack import Certificates, connected_client, hub_config, running_node, stack, within

from omnyshell import (
    OmnyShellClient,
    OmnyShellHub,
    PtySpec,
    SessionRejectedException,
    TunnelRejectedException,
)
from omnyshell.services.exposer.targets import TargetPatterns
from omnyshell.services.node.environment import Account
from omnyshell.services.node.restriction import environment
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.rule import CommandRule


async def refusal(client: OmnyShellClient, **request: Any) -> SessionRejectedException:
    with pytest.raises(SessionRejectedException) as rejected:
        await within(client.open_session("n1", **request))
    return rejected.value


async def run(client: OmnyShellClient, *args: str, **more: Any) -> str:
    return (await within(client.execute("n1", args=args, **more))).stdout.decode()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    who = Account("somebody", str(home), "/bin/sh")
    monkeypatch.setattr(environment, "account", lambda: who)
    return home


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
async def test_a_home_that_others_can_write_is_nobodys_home(
    certificates: Certificates, tmp_path: Path, home: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    policy = CommandPolicy(("env", "pwd"))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        for is_open in (False, True, False):
            # Each run is judged by how things are then.
            home.chmod(mode if is_open else 0o700)
            wanted = "/" if is_open else str(home)
            caplog.clear()
            assert await run(client, "pwd") == f"{wanted}\n"
            assert f"HOME={wanted}\n" in await run(client, "env")
            assert ("get / for their home" in caplog.text) is is_open
            assert ("others can" in caplog.text and str(home) in caplog.text) is is_open
            assert any("get / for their home" in text for text in policy.warnings()) is is_open
        home.chmod(mode)
        assert (await refusal(client, args=["pwd"], cwd=str(home))).code == "not_authorized"
        home.rmdir()
        assert await run(client, "pwd") == "/\n"


async def test_a_directory_that_others_can_write_refuses_the_run(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "a" / "srv"
    directory.mkdir(parents=True)
    rule = CommandRule(program="/bin/pwd", directory=str(directory))
    policy = CommandPolicy(rules=(rule,))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        for at in (directory, directory.parent):
            assert await run(client, "/bin/pwd") == f"{directory}\n"
            before = at.stat().st_mode & 0o7777
            at.chmod(0o777)
            refused = await refusal(client, args=["/bin/pwd"])
            assert refused.code == "not_authorized"
            assert "does not trust the directory" in str(refused)
            assert str(at) not in str(refused)
            assert f"others can write {at}" in caplog.text
            assert any("lets nothing run now: its directory" in text for text in policy.warnings())
            at.chmod(before)
        (directory.parent / "real").mkdir()
        directory.rmdir()
        directory.symlink_to("real")
        assert await run(client, "/bin/pwd") == f"{directory.parent}/real\n"


OUTSIDE = (
    *(
        "../../../tmp/evil",
        "/etc/shadow",
        ":/tmp/fifo",
        ":UTC",
        "a/b",
        "..",
        "a..b",
        "x" * 257,
        "\n",
        "a\x1bb",
        "é",
        "\t",
    ),
    *("\x7f", "\u202e"),
)


async def test_a_variable_has_no_value_that_leads_anywhere(certificates: Certificates, tmp_path: Path) -> None:
    rule = CommandRule(program="env", environment=("TZ", "APP_ZONE=[A-Z]*/[A-Z]*", "APP_DATA=/srv/*", "APP_EMPTY="))
    policy = CommandPolicy(rules=(rule,))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        for value in ("UTC", "", "CET-1CEST,M3.5.0", "x" * 256, "a b:c"):
            assert f"TZ={value}\n" in await run(client, "env", env={"TZ": value})
        for name, value in (("APP_ZONE", "Europe/Berlin"), ("APP_DATA", "/srv/x/y"), ("APP_EMPTY", "")):
            assert f"{name}={value}\n" in await run(client, "env", env={name: value})
        wrong = [("TZ", value) for value in OUTSIDE]
        wrong += [("APP_ZONE", "Europe"), ("APP_ZONE", "/A/B"), ("APP_ZONE", "A/B/../C"), ("APP_ZONE", "A/B\n")]
        wrong += [
            ("APP_DATA", "/etc/x"),
            ("APP_DATA", "/srv/../etc"),
            ("APP_DATA", "/srv/" + "x" * 256),
            ("APP_EMPTY", "x"),
        ]
        for name, value in wrong:
            refused = await refusal(client, args=["env"], env={name: value})
            assert refused.code == "bad_request", (name, value)
            assert f"The variable {name} has a value" in str(refused)
        # What no rule lists is left out, whatever it is.
        assert "LANGUAGE" not in await run(client, "env", env={"LANGUAGE": "/x", "TZDIR": "../x"})


async def test_what_is_typed_meets_no_shell_on_pipes_or_a_terminal(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that no kernel runs is not given to a shell instead."""
    mark, tool = tmp_path / "mark", tmp_path / "tool"
    tool.write_text(f"echo x > {mark}\n")
    tool.chmod(0o755)
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy((f"{tool} *",))) as (_, _, client):
        for request in ({}, {"pty": PtySpec()}):
            assert (await refusal(client, args=[str(tool)], **request)).code == "bad_request"
    assert not mark.exists()


async def test_a_pattern_that_cannot_be_understood_opens_nothing(certificates: Certificates, tmp_path: Path) -> None:
    for pattern in ("*", "", "./tool", "echo 'x", "ec?o *", "/bin/../bin/echo *"):
        state = tmp_path / f"state{pattern.encode().hex()}"
        async with stack(certificates, state, commands=CommandPolicy((pattern,))) as (_, _, client):
            for request in ({"command": "echo x"}, {"args": ["./tool"]}, {"args": ["/bin/echo"]}, {"args": ["*"]}):
                assert (await refusal(client, **request)).code == "not_authorized", (pattern, request)


async def test_a_restricted_node_has_no_tunnels_unless_targets_are_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    policy = CommandPolicy(("uptime",))
    named = {"commands": policy, "targets": TargetPatterns(["localhost:9"])}
    async with (
        OmnyShellHub(hub_config(certificates, tunnel_ports=free_range())) as hub,
        running_node(certificates, hub.port, tmp_path / "a", commands=policy),
        running_node(certificates, hub.port, tmp_path / "b", "n2", **named),
        connected_client(certificates, hub.port) as client,
    ):
        with pytest.raises(TunnelRejectedException) as rejected:
            await within(client.open_tunnel("n1", target_port=22))
        assert rejected.value.code == "unsupported"
        await within(client.open_tunnel("n2", target_port=9))
        features = {node.node_id: set(node.capabilities.features) for node in await within(client.list_nodes())}
        assert {node for node, names in features.items() if "tunnel" in names} == {"n2"}
        shells = {node.node_id: node.capabilities.shells for node in await within(client.list_nodes())}
        assert shells == {"n1": (), "n2": ()}
