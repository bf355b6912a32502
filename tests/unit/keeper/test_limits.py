import pytest
from support.in_one_test import in_one_test

from omnyshell.keeper.limits import Limits, limits_of

GIB = 1 << 30


@in_one_test(
    ("said", "files"),
    [
        ({}, {}),
        ({"session-memory": "2GiB"}, {"memory.max": str(2 * GIB)}),
        ({"session-memory": " 1.5 GiB "}, {"memory.max": str(3 * GIB // 2)}),
        ({"session-memory": "4MiB"}, {"memory.max": str(4 << 20)}),
        ({"session-memory": "8192KiB"}, {"memory.max": str(8 << 20)}),
        ({"session-processes": 500}, {"pids.max": "500"}),
        ({"session-cpu": 1.5}, {"cpu.max": "150000 100000"}),
        ({"session-cpu": 2}, {"cpu.max": "200000 100000"}),
        ({"session-cpu": 0.01, "kill-left-behind": True}, {"cpu.max": "1000 100000"}),
        ({"id": "box", "session-memory": "1TiB"}, {"memory.max": f"{1 << 40}"}),
    ],
)
def test_what_a_file_says_is_what_the_system_gets(said: dict, files: dict) -> None:
    assert limits_of(said).files() == files


@in_one_test(
    "wrong",
    [
        *({"session-memory": value} for value in ("", "2", "2GB", "GiB", "-1GiB", "1e3GiB", "1.2.3GiB", "nanGiB")),
        *({"session-memory": value} for value in ("3MiB", "2000TiB", "9" * 400 + "GiB", "٣GiB", 2, True, [], {})),
        *({"session-processes": value} for value in (0, -1, 1 << 23, "5", 1.5, True, [])),
        *({"session-cpu": value} for value in (0, -1, 0.001, float("nan"), float("inf"), "1", True, [])),
        *({"kill-left-behind": value} for value in (1, "true", [])),
    ],
)
def test_what_is_no_limit_is_refused_by_its_name(wrong: dict) -> None:
    with pytest.raises(ValueError, match=f"^'{next(iter(wrong))}' must be "):
        limits_of(wrong)


def test_each_limit_names_the_controller_that_it_takes() -> None:
    limits = limits_of({"session-memory": "64MiB", "session-processes": 9, "session-cpu": 0.5})
    assert limits.controllers() == {"memory": "session-memory", "pids": "session-processes", "cpu": "session-cpu"}
    assert limits.shown() == "session-memory 64MiB, session-processes 9, session-cpu 0.5"
    assert Limits().shown() == ""
    assert not Limits().any
    assert Limits(kills_left_behind=True).any
