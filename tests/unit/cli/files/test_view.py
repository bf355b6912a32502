"""What `cp` says of files that were not copied."""

import pytest

from omnyshell.cli.files.view import Quiet
from omnyshell.cli.ground.output import describe
from omnyshell.services.client.files.problems import FULL, FileException, Trouble
from omnyshell.services.client.files.transfer import Became, Report


def test_what_ends_a_copy_is_said_once_and_all_else_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    for trouble in Trouble:
        error = FileException("why\x1b[31m", code=trouble, where="n1:/a")
        Quiet().report(Report(b"/source", Became.FAILED, 0, error))
        said = capsys.readouterr().err
        assert said == ("" if trouble in FULL else "omnyshell: n1:/a: why\N{REPLACEMENT CHARACTER}[31m\n"), trouble
    for trouble, why in FULL.items():
        full = describe(FileException(why, code=trouble, where="n1:/a"), ("cp",), "n1")
        assert full.startswith(f"n1:/a: {why}; make room there"), trouble
