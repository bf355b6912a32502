"""What is found of somebody before their program comes."""

import os
import time

import pytest

from omnyshell.keeper.becoming import FRESH, Users, asker_of
from omnyshell.keeper.users import RefusedError


def test_what_was_found_ahead_holds_for_the_same_asker_and_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    users, now = Users("", os.geteuid()), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    users.expect(b"ann\n\n\n")
    found = users.find(b"ann\n\n\n")
    assert users.find(b"ann\n\n\n") is found
    # Other roles are another asker, as other lines of the file are for them.
    assert users.find(b"ann\ndba\n\n") is not found
    now[0] += 2 * FRESH
    assert users.find(b"ann\n\n\n") is not found


def test_who_becomes_nobody_is_told_so_when_the_program_comes() -> None:
    users = Users("", os.geteuid())
    users.expect(b"ann\n\nnobody-of-that-name\n")
    with pytest.raises(RefusedError, match="All programs of this node are"):
        users.find(b"ann\n\nnobody-of-that-name\n")


@pytest.mark.parametrize("logins", [b",", b",,,"])
def test_a_list_of_nobody_is_no_list_of_everybody(logins: bytes) -> None:
    with pytest.raises(RefusedError, match="Nobody can be called so"):
        asker_of(b"ann\n\n\n" + logins)
