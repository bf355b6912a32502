"""What is asked of a keeper that does not answer."""

import argparse
import os
import socket
import threading
from pathlib import Path

import pytest

from omnyshell.cli.local.down import down
from omnyshell.services.local.setup import LocalSetup
from omnyshell.services.node.keeper.asking import end_keeper, keeper_facts
from omnyshell.services.node.keeper.place import (
    SOCKET,
    NoKeeperException,
    SilentKeeperException,
    own_directory,
)


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


def test_one_that_says_nothing_is_named_and_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = own_directory(tmp_path)
    directory.mkdir(mode=0o700)
    monkeypatch.chdir(directory)
    monkeypatch.setattr("omnyshell.services.node.keeper.asking.PATIENCE", 0.05)
    monkeypatch.setattr(LocalSetup, "node_state", tmp_path)
    monkeypatch.setattr(LocalSetup, "running", lambda _: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(SOCKET)
        listener.listen()
        with pytest.raises(SilentKeeperException, match=f"process {os.getpid()}.* does not answer, and its sessions"):
            down(argparse.Namespace(yes=True))
        # So do those that end what they have started, as `up` does.
        with pytest.raises(SilentKeeperException, match="its sessions go on"):
            end_keeper(tmp_path)
