"""References that name a session by the beginning of its id."""

from dataclasses import dataclass

import pytest
from support.in_one_test import in_one_test

from omnyshell import SessionRejectedException
from omnyshell.services.node.sessions.references import find_session

IDS = (
    "0a1b2c3d-0000-4000-8000-000000000000",
    "0a1b2c3d-1111-4000-8000-000000000000",
    "ffffffff-0000-4000-8000-000000000000",
)


@dataclass
class Candidate:
    id: str


CANDIDATES = [Candidate(id_) for id_ in IDS]


@in_one_test(
    ("ref", "index"),
    [
        (IDS[0], 0),
        (IDS[1].upper(), 1),
        (IDS[1].replace("-", ""), 1),
        ("0a1b2c3d-1", 1),
        ("0A1B2C3D1", 1),
        ("f", 2),
        ("-f-f-", 2),
    ],
)
def test_a_session_is_named_by_its_id_or_the_beginning_of_it(ref: str, index: int) -> None:
    assert find_session(CANDIDATES, ref) is CANDIDATES[index]


@in_one_test(("ref", "code"), [("", "not_found"), ("--", "not_found"), ("1", "not_found"), ("0a1b2c3d", "ambiguous")])
def test_what_names_none_or_several_is_refused(ref: str, code: str) -> None:
    with pytest.raises(SessionRejectedException) as raised:
        find_session(CANDIDATES, ref)
    assert raised.value.code == code


def test_a_whole_id_is_never_ambiguous() -> None:
    candidates = [Candidate("ab"), Candidate("abc")]
    assert find_session(candidates, "AB") is candidates[0]
