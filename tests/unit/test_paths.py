"""Files that are none: whatever stands where one is read is refused at once."""

import ast
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.in_one_test import in_one_test
from support.sources import parsed, walk

import omnyshell
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.paths import MOST_BYTES, open_own, read_file
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.files import read_private
from omnyshell.security.uid_store import UidStore
from omnyshell.services.client.access import read_token
from omnyshell.services.hub.ground.restored import RESTORED_FILE, read_restored
from omnyshell.services.local.pid_file import PidFile
from omnyshell.transport.tls import chain_of
from omnyshell.tui.command_line.history import History
from omnyshell.tui.keeping.file import LayoutFile
from omnyshell.tui.preferences.file import edited


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(path))


def _huge(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 10 * MOST_BYTES)


def _edit(path: Path) -> None:
    with edited(path):
        pass


KINDS = (_fifo, _device, _socket, Path.mkdir, _huge)
READERS: dict[str, Callable[[Path], Any]] = {
    "settings": TomlFile,
    "settings that are changed": _edit,
    "private": read_private,
    "token": read_token,
    "authorized keys": AuthorizedKeysStore.from_file,
    "certificate": CertificateIdentity.from_file,
    "chain": chain_of,
    "uid": lambda path: UidStore(path, SystemClock()).read(),
    "layout": lambda path: LayoutFile(path).read(),
    "process": lambda path: PidFile(path).read(),
    "restored": lambda path: read_restored(path.rename(path.with_name(RESTORED_FILE)).parent),
}


BOUNDED = {("layout", _huge), ("process", _huge)}
"""Those that are read as far as one may be long, or not at all while nobody holds them."""


@in_one_test(("reader", "kind"), list(product(READERS, KINDS)))
def test_nothing_that_is_no_file_is_waited_for_or_read(
    tmp_path: Path, reader: str, kind: Callable[[Path], None]
) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path)) / "file"
    kind(path)
    if (reader, kind) in BOUNDED:
        assert len(READERS[reader](path) or b"") < MOST_BYTES
        return
    with pytest.raises((ConfigException, omnyshell.OmnyShellException)):
        READERS[reader](path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_that_is_no_file_is_none_and_what_is_entered_is_kept_here(
    tmp_path: Path, kind: Callable[[Path], None]
) -> None:
    path = tmp_path / "console-history"
    kind(path)
    history = History(path)
    assert list(history.lines) == []
    history.add("nodes")
    assert list(history.lines) == ["nodes"]


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
def test_what_is_written_is_a_file_too(tmp_path: Path, flags: int) -> None:
    for number, kind in enumerate((_fifo, _device, _socket, Path.mkdir)):
        path = tmp_path / str(number)
        kind(path)
        with pytest.raises(OSError, match=str(number)):
            open_own(path, flags)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        open_own(tmp_path / "link", flags)
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_to_a_file_is_that_file_and_the_longest_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read_file(tmp_path / "link", 100)) == 100
    with pytest.raises(OSError, match="larger than 99 bytes"):
        read_file(tmp_path / "link", 99)


def test_what_a_shell_makes_of_a_command_is_read_to_its_end() -> None:
    theirs, ours = os.pipe()
    os.write(ours, b"token")
    os.close(ours)
    try:
        assert read_token(Path(f"/dev/fd/{theirs}")) == "token"
    finally:
        os.close(theirs)


def test_the_null_device_is_an_empty_file_where_it_is_named_itself() -> None:
    assert TomlFile(Path(os.devnull)).data == {}


ELSEWHERE = {
    "services/node/forwards/backend.py": "a socket is held, and nothing is read of it",
    "guardian.py": "its own process",
    "cli/cluster/processes.py": "logs below a directory of its own",
    "cli/ground/prompts.py": "the terminal",
    "cli/ground/service.py": "the terminal",
    "cli/hub/audit.py": "an export that the user names, line by line",
    "cli/hub/backup.py": "a backup that the user names, piece by piece",
    "cli/main.py": "/dev/null",
    "cli/sessions/exec.py": "/dev/null",
    "services/client/ssh/left_behind.py": "notes that are locked",
    "cli/sessions/finding.py": "the terminal",
    "cli/terminal/streams.py": "its own descriptors",
    **{f"keeper/{name}.py": "the standard library alone" for name in ("becoming", "files", "main", "trust", "upgrade")},
    "keeper/attendant.py": "null",
    "keeper/hierarchy.py": "/proc, and control groups",
    "keeper/nest.py": "control groups",
    "keeper/processes.py": "/proc",
    "paths.py": "here it is done",
    "security/files.py": "directories, and files that are new",
    "security/machine.py": "the system's",
    "services/hub/audit/disk_reserve.py": "the hub's, beside its databases",
    "services/hub/audit/sinks.py": "where the operator wants it, a FIFO too",
    "services/hub/backup/archive.py": "copies that are new",
    "services/hub/backup/restore.py": "a backup that the user names, piece by piece",
    "services/hub/ground/unfinished.py": "what is new, to lock it",
    "services/client/files/local.py": "what its user copies",
    "services/client/files/local_partial.py": "the same, as long as it is not whole",
    "services/node/files/child/places.py": "directories, which are held",
    "services/node/files/child/tree.py": "what its client names, as the user whose files they are",
    "services/node/files/program.py": "its own text",
    "services/node/keeper/place.py": "a directory",
    "services/node/keeper/usage.py": "/proc, and control groups",
    "services/node/processes/process_table.py": "/proc",
    "services/node/processes/pty.py": "/proc",
    "services/node/restriction/program.py": "a program's first line",
    "services/node/ssh/launcher.py": "the standard library alone",
    "services/node/pythons.py": "texts of ours",
    "services/node/vitals/processes.py": "/proc",
}


def _opens(tree: ast.Module) -> Iterator[str]:
    for node in walk(tree):
        if isinstance(node, ast.Call) and isinstance(called := node.func, ast.Attribute | ast.Name):
            name = called.attr if isinstance(called, ast.Attribute) else called.id
            of = called.value if isinstance(called, ast.Attribute) else None
            first = node.args[0] if node.args else None
            is_mode = isinstance(first, ast.Constant) and isinstance(first.value, str)
            is_open = name == "open" and (of is None or is_mode or (isinstance(of, ast.Name) and of.id == "os"))
            if name in ("read_text", "read_bytes") or is_open:
                yield ast.unparse(node)


def test_every_file_is_opened_in_one_place() -> None:
    """What opens a file by itself is known, with the reason; the others use what `paths.py` has."""
    found = {place for place, tree in parsed(r"\bopen\(|\bread_(text|bytes)\b") if any(_opens(tree))}
    assert found == set(ELSEWHERE)
