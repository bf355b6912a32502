"""Whatever refuses something, here or at the node: it is said where, and nothing half is left as a file."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.copies import HERE, PRESERVING, copied, node_files

from omnyshell.services.client.files import local, local_partial
from omnyshell.services.client.files.copying import SUFFIX
from omnyshell.services.client.files.ports import BLOCK
from omnyshell.services.client.files.problems import FileException
from omnyshell.services.client.files.remote import RemoteFiles
from omnyshell.services.node.files.child import open_file, tree

NEVER_PASSED_OVER = {"pwrite", "fsync", "rename"}
UNREFUSED = {"close", "fsencode", "fsdecode", "geteuid", "getuid", "strerror"}
"""What asks the system nothing that it could refuse."""


class Refusing:
    """The module `os`, of which one call is refused: that which comes after so many others."""

    def __init__(self, after: int, number: int) -> None:
        self._left, self._number = after, number
        self.refused = ""

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        if not callable(value) or isinstance(value, type | ModuleType) or name in UNREFUSED:
            return value
        return lambda *args, **options: self._call(name, value, *args, **options)

    def _call(self, name: str, value: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left == -1:
            self.refused = name
            raise OSError(self._number, os.strerror(self._number))
        return value(*args, **options)


@contextmanager
def refusing(modules: tuple[ModuleType, ...], after: int, number: int) -> Iterator[Refusing]:
    """Have a call of these modules be refused meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        fake = Refusing(after, number)
        for module in modules:
            patch.setattr(module, "os", fake)
        yield fake


HERE_TOO, AT_THE_NODE = (local, local_partial), (tree, open_file)
NUMBERS = errno.EIO, errno.EACCES, errno.EDQUOT
SOURCE = {"two": os.urandom(BLOCK + 5), "folder/inner": b"x", "there": b"new"}


def made(place: Path) -> Path:
    """Make what is copied."""
    for name, content in SOURCE.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    (place / "link").symlink_to("two")
    return place


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("modules", [HERE_TOO, AT_THE_NODE], ids=["here", "there"])
async def test_each_refusal_names_its_side_and_its_path(
    tmp_path: Path, way: str, modules: tuple[ModuleType, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Takes a second each, as a copy of its own is refused at each of its 50 calls."""
    monkeypatch.setattr(local, "WRITTEN_BACK", 1)
    source = made(tmp_path / "source")
    async with node_files(tmp_path) as (remote, _):
        # Each is another copy, and so none goes on with what another one has left.
        for after in range(1000):
            number = NUMBERS[after % len(NUMBERS)]
            into = tmp_path / f"into-{after}"
            (into / "source").mkdir(parents=True)
            (into / "source" / "there").write_bytes(b"old")
            with refusing(modules, after, number) as fake:
                errors = await errors_of(remote, way, source, into)
            if not fake.refused:
                assert errors == []
                break
            title = "n1:" if modules is AT_THE_NODE else ""
            for error in errors:
                what = after, fake.refused, error.message
                assert error.where.startswith(f"{title}{tmp_path}"), what
                assert not error.where.endswith(SUFFIX.decode()), what
                assert error.message == f"{error.where}: {error.reason}", what
            assert errors or fake.refused not in NEVER_PASSED_OVER, (after, fake.refused)
            check_whole(into / "source", after, fake.refused)
    assert after > 20


async def errors_of(remote: RemoteFiles, way: str, source: Path, into: Path) -> list[FileException]:
    ends = (HERE, remote) if way == "up" else (remote, HERE)
    try:
        _, reports = await copied(ends[0], source, ends[1], into, manner=PRESERVING)
    except FileException as exc:
        return [exc]
    return [report.error for report in reports if report.error is not None]


def check_whole(into: Path, *what: Any) -> None:
    """Hold each file that is there under its own name against what it is to be, or was."""
    for name, content in SOURCE.items():
        path = into / name
        if path.exists():
            assert path.read_bytes() in ((content, b"old") if name == "there" else (content,)), (name, *what)
