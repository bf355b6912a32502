"""What a keeper reads of a node's file."""

import os
from pathlib import Path

import pytest

from omnyshell.keeper.becoming import Users
from omnyshell.keeper.users import RefusedError


def test_what_is_no_file_is_not_waited_for_and_says_nothing_of_users(tmp_path: Path) -> None:
    """A keeper has one thread, and looks at the file itself when a node says hello."""
    fifo, endless = tmp_path / "fifo", tmp_path / "endless"
    os.mkfifo(fifo)
    endless.symlink_to("/dev/zero")
    for path in (fifo, endless):
        users = Users(str(path), os.geteuid())
        assert users.judges(os.geteuid())
        with pytest.raises(RefusedError, match="no regular file"):
            users.check_file()
