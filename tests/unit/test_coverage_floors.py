"""What `make coverage` says of its report, and where it fails."""

import json
import sys
from pathlib import Path

import pytest

from tools import coverage_floors


def report(path: Path, **reached: int) -> str:
    """A report of files with eight lines and two branches each, of which so many were reached."""
    files = {
        name.replace("__", "/") + ".py": {
            "summary": {
                "covered_lines": min(8, count),
                "num_statements": 8,
                "covered_branches": max(0, count - 8),
                "num_branches": 2,
            }
        }
        for name, count in reached.items()
    }
    path.write_text(json.dumps({"files": files}))
    return str(path)


ALL = {
    "omnyshell__cli__main": 10,
    "omnyshell__protocol__codec": 10,
    "omnyshell__security__keys": 10,
    "omnyshell__services__hub__hub": 10,
}


@pytest.mark.parametrize(
    ("changes", "below"),
    [
        ({}, ""),
        ({"omnyshell__cli__main": 6}, ""),
        ({"omnyshell__cli__main": 5}, "omnyshell"),
        ({"omnyshell__services__hub__hub": 9}, "omnyshell/services/hub"),
        ({"omnyshell__protocol__codec": 9, "omnyshell__security__keys": 9}, "omnyshell/protocol, omnyshell/security"),
        # Branches count as lines do.
        ({"omnyshell__protocol__codec": 8}, "omnyshell/protocol"),
    ],
)
def test_each_folder_is_held_against_its_own_floor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, int],
    below: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["coverage_floors.py", report(tmp_path / "report.json", **ALL | changes)])
    if not below:
        coverage_floors.main()
    else:
        with pytest.raises(SystemExit, match=f"^below its floor: {below}$"):
            coverage_floors.main()
    shown = capsys.readouterr().out
    assert shown.count("TOO LITTLE") == (len(below.split(", ")) if below else 0)
    assert [name for name in changes if f"{name.replace('__', '/')}.py" not in shown] == ([] if below else [*changes])


def test_a_folder_of_which_nothing_was_measured_is_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {name: count for name, count in ALL.items() if "security" not in name}
    monkeypatch.setattr(sys, "argv", ["coverage_floors.py", report(tmp_path / "report.json", **rest)])
    with pytest.raises(SystemExit, match="omnyshell/security"):
        coverage_floors.main()
