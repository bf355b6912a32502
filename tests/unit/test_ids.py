"""Ids and tokens."""

import pytest

from omnyshell import ids


@pytest.mark.parametrize("make", [ids.new_typed_token, ids.new_tunnel_id])
def test_what_people_type_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch, make: object) -> None:
    made = iter(["-abc", "--d", "e-f"])
    monkeypatch.setattr("omnyshell.ids.secrets.token_urlsafe", lambda _size: next(made))
    assert callable(make)
    assert make() == "e-f"
