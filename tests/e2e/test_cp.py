"""`omnyshell cp` as it is installed."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.commands import run_command, start_command
from support.deadline import DEADLINE
from support.system import System, until

SIZE = 24 << 20


def cp(system: System, *words: str | Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    return run_command("cp", *map(str, words), env=system.env | env)


def test_files_go_there_and_back_and_between(system: System, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"a")
    (folder / "b\n.log").write_bytes(b"b")
    (tmp_path / "back").mkdir()
    done = cp(system, folder, f"n1:{tmp_path}/there")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "there/a.txt").read_bytes() == b"a"
    assert cp(system, "-r", f"n1:{tmp_path}/there", f"n1:{tmp_path}/back").returncode == 0
    assert (tmp_path / "back/there/b\n.log").read_bytes() == b"b"
    done = cp(system, "--json", f"n1:{tmp_path}/there/*.txt", f"n1:{tmp_path}/there/b?.log", tmp_path / "back")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["path"], line["result"]) for line in lines[:-1]] == [
        (f"{tmp_path}/there/a.txt", "copied"),
        (f"{tmp_path}/there/b\n.log", "copied"),
    ]
    assert (lines[-1]["result"], lines[-1]["copied"], lines[-1]["bytesMoved"]) == ("done", 2, 2)
    # The home of who works there is where paths begin.
    assert cp(system, f"n1:{tmp_path}/there/a.txt", "n1:").returncode == 0
    assert cp(system, "n1:~/a.txt", tmp_path / "from-home").returncode == 0
    assert (tmp_path / "from-home").read_bytes() == b"a"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "b"), "none of them is at a node, as NODE:PATH is"),
        (("n1:a",), "say what is copied to where, as in `omnyshell cp FILE NODE:PATH`"),
        (("no-such-file", "n1:x"), "no-such-file: there is no such file"),
        (("n1:/etc/passwd", "/no/such/folder/"), "/no/such/folder/: there is no such directory"),
        (("n1:/no-such-*", "."), "nothing matches n1:/no-such-*"),
        (("/etc/passwd", "n2:"), "No node 'n2' is connected [unknown_node]"),
        (("no node:a", "."), "'no node' is no node: write ./no node:a for a file of that name"),
    ],
)
def test_what_cannot_be_copied_is_said(system: System, words: tuple[str, ...], said: str) -> None:
    done = cp(system, *words)
    assert done.returncode == 255
    assert done.stderr.decode().startswith(f"omnyshell: {said}"), done.stderr


def test_what_is_not_copied_is_said_and_the_rest_is_copied(system: System, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "file").write_bytes(b"x")
    done = cp(system, folder, f"n1:{tmp_path}/there")
    assert (done.returncode, (tmp_path / "there/file").read_bytes()) == (1, b"x")
    assert done.stderr.decode() == f"omnyshell: {folder}/pipe: it is no file, directory or link\n"


@pytest.mark.parametrize("way", ["up", "down"])
def test_the_same_command_goes_on_after_a_kill(system: System, tmp_path: Path, way: str) -> None:
    """Of an interrupted copy at most 16 MiB go over twice. It takes two copies of many blocks."""
    content = os.urandom(1 << 20) * (SIZE >> 20)
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(content)
    into.mkdir()
    ends = [str(source), f"n1:{into}"] if way == "up" else [f"n1:{source}", str(into)]
    with start_command("cp", *ends, env=system.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        until(lambda: any(path.stat().st_size > 0 for path in into.iterdir()) or killed.poll() is not None)
        killed.send_signal(signal.SIGKILL if way == "up" else signal.SIGINT)
        killed.wait(DEADLINE)
    (left,) = into.iterdir()
    had = left.stat().st_size
    done = cp(system, "--json", *ends)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, [path.name for path in into.iterdir()]) == (0, ["source"])
    assert (into / "source").read_bytes() == content
    if left.name != "source":
        assert said["bytesMoved"] <= SIZE - had + (16 << 20)
