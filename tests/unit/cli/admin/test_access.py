"""How `omnyshell access` says as whom one may do something."""

import argparse
import json

import pytest

from omnyshell.cli.admin import rights
from omnyshell.model.admin import RightInfo
from omnyshell.protocol.messages.admin import AccessResponse


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, as_json: bool, **more: object) -> str:
    right = RightInfo.from_wire({"right": "exec", "allowed": True, "why": "grant 1 gives it to the role web", **more})
    answer = AccessResponse(request_id="r", node_id="n", principal="ann", known=True, online=True, rights=(right,))
    monkeypatch.setattr(rights, "ask", lambda *_: answer)
    assert rights.explain(argparse.Namespace(node="n", who=None, json=as_json)) == 0
    return capsys.readouterr().out


def test_as_whom_a_right_is_given_is_said_beside_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given, of_users = "grant 1 gives it to the role web", "n itself says by its [users]"
    for narrowed, why, is_of_users in (
        ({}, given, False),
        ({"narrowed": True, "logins": ["deploy"]}, f"{given}, as deploy alone", True),
        ({"narrowed": True, "logins": ["deploy", "www"]}, f"{given}, as deploy or www alone", True),
        ({"narrowed": True}, f"{given}, as nobody: grants name no user", False),
        ({"narrowed": True, "logins": ["a\x1b[2J"]}, f"{given}, as a\ufffd[2J alone", True),
    ):
        text = said(monkeypatch, capsys, as_json=False, **narrowed)
        assert text.splitlines()[2].split(maxsplit=2) == ["exec", "yes", why]
        assert (of_users in text) is is_of_users, narrowed
        (told,) = json.loads(said(monkeypatch, capsys, as_json=True, **narrowed))["rights"]
        assert {key: told[key] for key in ("narrowed", "logins") if key in told} == narrowed
