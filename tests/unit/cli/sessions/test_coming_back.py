"""A session that is shown again after a suspension: it is painted, and a hub that is away is told."""

import asyncio
import os
import sys
from unittest.mock import Mock

import pytest
from support.stack import until

from omnyshell.cli.sessions import connect
from omnyshell.cli.sessions.connect import _Show
from omnyshell.services.client.states import LinkState


@pytest.fixture(name="shown")
async def _shown(monkeypatch: pytest.MonkeyPatch) -> _Show:
    monkeypatch.setattr(os, "kill", lambda _pid, _number: None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(connect, "BACK_WITHIN", 0.0)
    shown = _Show(Mock(), Mock(lost_by="the hub is gone"), None, ord("~"), b"")
    monkeypatch.setattr(shown, "_put_back", lambda: b"")
    return shown


async def test_a_hub_that_stays_away_is_told_though_the_connection_was_dropped_on_purpose(shown: _Show) -> None:
    shown._client.take_up_again.return_value = True
    shown._suspend()
    shown._state_changed(LinkState.RECONNECTING)
    assert b"the hub is gone" not in shown._notices.take()
    await until(shown._notices.added.is_set)
    assert b"the hub is gone" in shown._notices.take()


async def test_a_hub_that_is_back_at_once_is_not_spoken_of(shown: _Show) -> None:
    shown._client.take_up_again.return_value = True
    shown._suspend()
    shown._state_changed(LinkState.RECONNECTING)
    shown._state_changed(LinkState.RESUMED)
    await asyncio.gather(*shown._tasks)
    assert b"the hub is gone" not in shown._notices.take()


async def test_where_nothing_is_taken_up_another_size_has_it_painted_and_a_later_loss_is_told(
    shown: _Show,
) -> None:
    shown._client.take_up_again.return_value = False
    shown._suspend()
    sizes = [call.args for call in shown._session.resize.call_args_list]
    assert len(set(sizes)) == 2
    assert sizes[-1] == sizes[0]
    shown._state_changed(LinkState.RECONNECTING)
    assert b"the hub is gone" in shown._notices.take()


async def test_what_a_new_connection_waits_for_is_shown_until_the_session_goes_on(shown: _Show) -> None:
    shown.login_waits("touch the key 'token' to log in")
    assert b"omnyshell: touch the key 'token' to log in" in shown._notices.take()
    shown._state_changed(LinkState.RESUMED)
    assert shown._notices.take()
    shown.login_waits("touch the key 'token' to log in")
    shown._state_changed(LinkState.RECONNECTING)
    assert b"the hub is gone" in shown._notices.take()
