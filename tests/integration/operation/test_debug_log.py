"""`--log-level debug` tells the life of a session, from link to end, and nothing of what went through it."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.screen_reader import Screen
from support.stack import Certificates, access, connected_client, stack, within

from omnyshell import AuthException, ClientConfig, OmnyShellClient, PtySpec, SessionMode, SessionRejectedException
from omnyshell.log_format import formatter
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.services.dial import HubAccess
from omnyshell.steps import FIELDS

SIZE = PtySpec(cols=80, rows=24)
SECRETS = ("typed-secret", "said-secret", "variable-secret", "admin-token", "wrong-token")
ALWAYS_THERE = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "message", "asctime"}


def steps(caplog: pytest.LogCaptureFixture, logger: str, **fields: object) -> list[str]:
    """What a part said, where the fields are these."""
    return [
        record.message
        for record in caplog.records
        if record.name == logger and all(getattr(record, name, None) == value for name, value in fields.items())
    ]


def first(caplog: pytest.LogCaptureFixture, logger: str, text: str) -> Any:
    return next(record for record in caplog.records if (record.name, record.message) == (logger, text))


def in_order(said: list[str], *wanted: str) -> bool:
    rest = iter(said)
    return all(step in rest for step in wanted)


async def test_a_session_can_be_followed_through_hub_and_node(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "omnyshell")
    async with stack(certificates, tmp_path) as (hub, _, client):
        shell = await within(
            client.open_session("n1", mode=SessionMode.SHELL, pty=SIZE, env={"LC_X": "variable-secret"})
        )
        screen = Screen(shell)
        await shell.write(b"echo said-''secret # typed-secret\n")
        await screen.shows(b"said-secret\r\n")
        await within(shell.detach(60))
        again = await within(client.resume("n1", shell.id, pty=SIZE))
        await within(client.kill_session("n1", shell.id))
        assert again.id == shell.id
        with pytest.raises(SessionRejectedException):
            await within(client.open_session("n1", command="true", cwd="/not/there"))
        refused = OmnyShellClient(ClientConfig(access=_wrong(certificates, hub.port)))
        with pytest.raises(AuthException):
            await within(refused.connect())
    at_hub = steps(caplog, "omnyshell.hub", session_id=shell.id)
    assert in_order(at_hub, "session asked of the node", "session open", "detaching asked of the node")
    assert in_order(at_hub, "session open", "session detached")
    assert in_order(steps(caplog, "omnyshell.hub", node_id="n1"), "resume asked of the node", "session open")
    assert in_order(
        steps(caplog, "omnyshell.node", session_id=shell.id),
        *("session asked for", "session running", "client left", "session taken up", "session ending"),
        "session ended",
    )
    by_hub = first(caplog, "omnyshell.hub", "session asked of the node")
    by_node = first(caplog, "omnyshell.node", "session asked for")
    assert by_hub.node_channel == by_node.channel > 0
    peer = by_hub.peer
    assert in_order(steps(caplog, "omnyshell.hub", peer=peer), "link open", "logged in", "session asked of the node")
    assert in_order(steps(caplog, "omnyshell.hub"), "registration asked for", "node registered")
    assert in_order(steps(caplog, "omnyshell.hub"), "login refused", "link closed")
    assert "request passed on" in steps(caplog, "omnyshell.hub", detail="session.kill")
    assert in_order(steps(caplog, "omnyshell.link", role="client"), "dialling", "login refused")
    _says_no_more_than_it_may(caplog)


def _says_no_more_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    for record in caplog.records:
        if record.name.startswith("omnyshell") and record.levelno == logging.DEBUG:
            assert set(vars(record)) - ALWAYS_THERE <= {*FIELDS, "is_step"}
    for is_json in (True, False):
        lines = [formatter(is_json=is_json).format(record) for record in caplog.records]
        assert not [line for line in lines for secret in SECRETS if secret in line]


def _wrong(certificates: Certificates, port: int) -> HubAccess:
    right = access(certificates, port, "admin")
    return replace(right, credentials=TokenCredentialProvider(right.credentials.principal, "wrong-token"))


async def test_without_debug_lines_a_session_leaves_none(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "omnyshell")
    async with stack(certificates, tmp_path) as (hub, _, _), connected_client(certificates, hub.port) as client:
        await within(client.execute("n1", "true"))
    assert not [record for record in caplog.records if record.levelno < logging.INFO]


@pytest.mark.parametrize("is_json", [True, False])
def test_fields_follow_a_step_and_a_field_is_one_word(*, is_json: bool) -> None:
    record = logging.LogRecord("omnyshell.hub", logging.DEBUG, "", 0, "session open", (), None)
    record.peer, record.reason, record.session_id, record.other = "p1", 'a "b" =\x1b', "", "hidden"
    record.is_step = True
    line = formatter(is_json=is_json).format(record)
    if is_json:
        said = json.loads(line)
        assert (said["peer"], said["message"]) == ("p1", "session open")
        assert not {"session_id", "other"} & set(said)
    else:
        assert line.endswith(r'session open peer=p1 reason="a \"b\" =\u001b"')
