"""What is asked of a keeper that does not answer."""

import socket
import threading
from pathlib import Path

import pytest

from omnyshell.services.node.keeper.asking import end_keeper, keeper_facts
from omnyshell.services.node.keeper.place import SOCKET, NoKeeperException, own_directory


def test_one_that_ends_before_it_answers_is_none_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = own_directory(tmp_path)
    directory.mkdir(mode=0o700)
    monkeypatch.chdir(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(SOCKET)
        listener.listen()

        def hang_up() -> None:
            for _ in range(2):
                listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        # A socket that is left open is a warning, and so an error.
        with pytest.raises(NoKeeperException, match="does not answer"):
            keeper_facts(tmp_path)
        end_keeper(tmp_path)
        hanging_up.join()
