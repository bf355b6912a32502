"""What of asyncssh serves files, and what it makes of bytes from anybody."""

import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncssh import packet, sftp
from hypothesis import given, strategies as st
from support.sftp_peer import (
    APPENDING,
    ATTRS,
    CLOSE,
    CREATING,
    DATA,
    EXTENDED,
    EXTENDED_REPLY,
    FAILURE,
    FOR_READING,
    FOR_WRITING,
    HANDLE,
    INIT,
    MKDIR,
    NAME,
    NEW,
    NO_ATTRS,
    OK,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    REMOVE,
    RENAME,
    RMDIR,
    SETSTAT,
    STAT,
    STATUS,
    SYMLINK,
    UNSUPPORTED,
    VERSION,
    WRITE,
    Said,
    text,
    u32,
    u64,
)  # fmt: skip

from omnyshell.services.node.files.child import adapter, pipes
from omnyshell.services.node.files.child.adapter import MOST_HANDLES, MOST_PACKET, Served
from omnyshell.services.node.files.child.open_file import MOST_READ
from omnyshell.services.node.files.child.places import Beneath
from omnyshell.services.node.files.child.tree import Tree
from omnyshell.services.node.files.program import library

HELLO = text(bytes([INIT]) + u32(3))


@pytest.fixture(name="root")
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    (root / "directory").mkdir()
    (root / "link").symlink_to("file")
    (tmp_path / "outside").write_bytes(b"secret")
    monkeypatch.chdir(root)
    return root


def talked(root: Path, data: bytes) -> tuple[str, list[bytes]]:
    """Say all of it; return what was wrong with it, and the answers."""
    place = root.parent
    (place / "in").write_bytes(data)
    with (place / "in").open("rb") as there, (place / "out").open("wb") as here:
        flaw = Served(Tree(Beneath([os.fsencode(root)]), read_only=False), there.fileno(), here.fileno()).run()
    return flaw, list(packets((place / "out").read_bytes()))


def packets(data: bytes) -> Iterator[bytes]:
    while data:
        (size,) = struct.unpack(">I", data[:4])
        assert len(data) >= 4 + size
        yield data[4 : 4 + size]
        data = data[4 + size :]


def asked(number: int, kind: int, *parts: bytes) -> bytes:
    return text(bytes([kind]) + u32(number) + b"".join(parts))


def answers(root: Path, *requests: bytes) -> list[Said]:
    """Answers to good requests, which all come, in their order."""
    flaw, told = talked(root, HELLO + b"".join(requests))
    assert not flaw
    assert [struct.unpack(">I", each[1:5])[0] for each in told[1:]] == list(range(len(requests)))
    return [Said(each[0], each[5:]) for each in told[1:]]


USED = {
    "SFTPServerHandler": {
        "_cleanup", "_dir_handles", "_extensions", "_file_handles", "_packet_handlers", "_process_open",
        "_process_opendir", "_return_types", "log_received_packet",  "recv_packet", "run",
    },
    "SFTPHandler": {"send_packet"},
    "SFTPAttrs": {"atime", "from_local", "gid", "mtime", "permissions", "size", "uid"},
    "SFTPLimits": {"encode"},
    "SFTPName": {"encode"},
    "SSHPacket": {"check_end", "get_byte", "get_string", "get_uint64"},
}  # fmt: skip
"""What the adapter calls, sets and replaces, by its class."""

OF_ITS_OWN = {"convert_attrs", "exit", "format_longname", "lock", "unlock"}
"""What a handler may leave to `SFTPServer`, as it touches no file."""


def test_what_is_used_of_asyncssh_is_there() -> None:
    """Where this fails with a new release, the adapter is read against it."""
    classes = sources(Path(sftp.__file__)) | sources(Path(packet.__file__))
    for name, used in USED.items():
        assert {each for each in used if not re.search(rf"\b{each}\b", classes[name])} == set(), name
    handler = classes["SFTPServerHandler"] + classes["SFTPHandler"]
    # What these pipes have in place of streams is all that they are asked for.
    assert set(re.findall(r"self\._reader\.(\w+)", handler)) <= {"readexactly", "get_extra_info"}
    assert set(re.findall(r"self\._writer\.(\w+)", handler)) <= {"write", "close", "channel"}
    assert set(re.findall(r"self\._server\.(\w+)", handler)) <= set(vars(adapter._Files)) | OF_ITS_OWN
    processes = {name: of for name, of in vars(sftp.SFTPServerHandler).items() if name.startswith("_process_")}
    opening = {name for name, of in processes.items() if "_get_next_handle" in of.__code__.co_names}
    assert opening == {"_process_open", "_process_opendir"}


def sources(module: Path) -> dict[str, str]:
    """The text of each class."""
    parts = re.split(r"^class (\w+)", module.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_request_that_it_knows_is_served_or_refused(root: Path) -> None:
    known = sftp.SFTPServerHandler._packet_handlers
    missing = {name for name in known if isinstance(name, bytes)} - {name for name, _ in adapter._EXTENSIONS}
    assert missing == set()
    assert adapter._Handler._packet_handlers.keys() - known.keys() == {adapter.PREFIX_HASH, adapter.WITHOUT_LINKS}
    for number in set(range(256)) - {INIT}:
        (said,) = answers(root, asked(0, number))
        assert said.kind == STATUS
        assert said.code != OK, number


def test_no_more_of_asyncssh_is_loaded_than_serves_files() -> None:
    code = f"""
import sys
sys.argv = ["", {str(Path(pipes.__file__).parents[1] / "start.py")!r}]
import json, os, runpy
os.environ["OMNYSHELL_FILES"] = json.dumps({{
    "child": {str(Path(pipes.__file__).parent)!r}, "library": {library()!r}, "roots": [], "readOnly": True
}})
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except SystemExit as exc:
    assert exc.code == 0, exc
loaded = {{name for name, module in sys.modules.items() if isinstance(getattr(module, "__file__", None), str)}}
print(*(name for name in loaded if name.startswith(("asyncio", "asyncssh.", "cryptography", "logging", "omnyshell."))))
"""
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    found = {f"asyncssh.{name}" for name in ("constants", "misc", "packet", "sftp", "version")}
    assert set(result.stdout.decode().split()) == found


def test_files_are_written_and_read_and_what_is_asked_for_is_bounded(root: Path) -> None:
    handle = text(u32(0))
    block = os.urandom(MOST_READ)
    said = answers(
        root,
        asked(0, OPEN, text(b"new"), u32(FOR_READING | FOR_WRITING | CREATING | NEW), NO_ATTRS),
        asked(1, WRITE, handle, u64(0), text(block)),
        asked(2, WRITE, handle, u64(1 << 30), text(b"end")),
        asked(3, READ, handle, u64(0), u32(0xFFFFFFFF)),
        asked(4, READ, handle, u64((1 << 30) + 1), u32(100)),
        asked(5, READ, handle, u64((1 << 64) - 1), u32(100)),
        asked(6, EXTENDED, text(b"ranges@asyncssh.com"), handle, u64(0, 1 << 40)),
        asked(7, CLOSE, handle),
        asked(8, CLOSE, handle),
        asked(9, EXTENDED, text(b"limits@openssh.com")),
        asked(10, OPEN, text(b"new"), u32(FOR_WRITING | CREATING | NEW), NO_ATTRS),
        asked(11, OPEN, text(b"new"), u32(FOR_WRITING | APPENDING), NO_ATTRS),
        asked(12, WRITE, text(u32(1)), u64(0), text(b"!")),
    )
    kinds = [
        HANDLE,
        STATUS,
        STATUS,
        DATA,
        DATA,
        STATUS,
        EXTENDED_REPLY,
        STATUS,
        STATUS,
        EXTENDED_REPLY,
        STATUS,
        HANDLE,
        STATUS,
    ]
    assert [each.kind for each in said] == kinds
    assert [each.code for each in said if each.kind == STATUS] == [OK, OK, FAILURE, OK, FAILURE, FAILURE, OK]
    assert (said[3].data, said[4].data) == (block, b"nd")
    # The hole is told: as much as it has is not read.
    assert said[6].rest[:4] == u32(2)
    assert said[9].rest == u64(MOST_PACKET, MOST_READ, MOST_READ, MOST_HANDLES)
    assert (root / "new").stat().st_size == (1 << 30) + 4


def test_what_is_copied_within_the_node_is_all_of_it_and_no_more(root: Path) -> None:
    content = os.urandom(4 * MOST_READ + 5)
    (root / "old").write_bytes(content)
    old, new = text(u32(0)), text(u32(1))
    flags = u32(FOR_READING | FOR_WRITING | CREATING)
    said = answers(
        root,
        asked(0, OPEN, text(b"old"), flags, NO_ATTRS),
        asked(1, OPEN, text(b"new"), flags, NO_ATTRS),
        asked(2, EXTENDED, text(b"copy-data"), old, u64(0, 0), new, u64(0)),
        asked(3, EXTENDED, text(b"copy-data"), old, u64(7, MOST_READ + 1), new, u64(len(content))),
        # Into itself, beyond what it reads: it would never come to its end.
        asked(4, EXTENDED, text(b"copy-data"), old, u64(0, 0), old, u64(len(content))),
        asked(5, EXTENDED, text(b"copy-data"), old, u64(0, 0), text(u32(9)), u64(0)),
        asked(6, EXTENDED, text(b"copy-data"), old, u64(1 << 63, 0), new, u64((1 << 64) - 1)),
    )
    assert [each.code for each in said[2:]] == [OK, OK, OK, FAILURE, OK]
    assert (root / "new").read_bytes() == content + content[7 : MOST_READ + 8]
    assert (root / "old").read_bytes() == content * 2


CHANGES = {
    (MKDIR, b""): [b"new"],
    (REMOVE, b""): [b"file"],
    (RMDIR, b""): [b"empty"],
    (RENAME, b""): [b"file", b"new"],
    (SETSTAT, b""): [b"file"],
    (SYMLINK, b""): [b"anything", b"new"],
    (EXTENDED, b"hardlink@openssh.com"): [b"file", b"new"],
    (EXTENDED, b"lsetstat@openssh.com"): [b"file"],
    (EXTENDED, b"posix-rename@openssh.com"): [b"file", b"new"],
}
"""What changes something by its path, and of what."""


def changing(number: int, kind: int, name: bytes, folder: bytes, paths: list[bytes], *, plain: bool = False) -> bytes:
    attrs = NO_ATTRS if kind in (MKDIR, SETSTAT) or name.startswith(b"lset") else b""
    parts = [text(name)] if name else []
    parts += [*(text(folder + b"/" + path) for path in paths), attrs]
    if plain:
        return asked(number, kind, *parts)
    return asked(number, EXTENDED, text(adapter.WITHOUT_LINKS), bytes([kind]), *parts)


def test_what_changes_something_is_done_without_links_where_that_is_asked(root: Path) -> None:
    assert {name or kind for kind, name in CHANGES} == adapter._CHANGING
    for (kind, name), paths in CHANGES.items():
        shutil.rmtree(root / "directory")
        (root / "directory/empty").mkdir(parents=True)
        (root / "directory/file").write_bytes(b"content")
        (root / "way").unlink(missing_ok=True)
        (root / "way").symlink_to("directory")
        before = sorted(root.rglob("*"))
        (said,) = answers(root, changing(0, kind, name, b"way", paths))
        assert (said.code, said.why) == (FAILURE, "a link stands in the way, and is not followed"), (kind, name)
        assert sorted(root.rglob("*")) == before
        # What follows is as ever: so is what is asked plainly, with or without links.
        (first, second) = answers(root, changing(0, kind, name, b"directory", paths), asked(1, STAT, text(b"link")))
        assert (first.code, second.kind) == (OK, ATTRS), (kind, name)
    (root / "directory/file").write_bytes(b"content")
    (said,) = answers(root, changing(0, REMOVE, b"", b"way", [b"file"], plain=True))
    assert said.code == OK
    nested = text(adapter.WITHOUT_LINKS), bytes([EXTENDED]), text(adapter.WITHOUT_LINKS), bytes([MKDIR]), text(b"new")
    opened = text(adapter.WITHOUT_LINKS), bytes([OPENDIR]), text(b"directory")
    assert [each.code for each in answers(root, asked(0, EXTENDED, *nested), asked(1, EXTENDED, *opened))] == [
        UNSUPPORTED,
        UNSUPPORTED,
    ]


def test_no_more_is_open_than_may_be(root: Path) -> None:
    count = MOST_HANDLES - 1
    opened = [asked(number, OPENDIR if number % 2 else OPEN, *what(number)) for number in range(count + 3)]
    said = answers(root, *opened, asked(count + 3, CLOSE, text(u32(4))), asked(count + 4, OPEN, *what(0)))
    assert [each.kind for each in said[: count + 1]] == [HANDLE] * (count + 1)
    assert [each.why for each in said[count + 1 : count + 3]] == ["no more than 256 files can be open"] * 2
    assert said[-1].kind == HANDLE
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if str(root) in os.path.realpath(fd)]


def what(number: int) -> tuple[bytes, ...]:
    return (text(b"."),) if number % 2 else (text(b"file"), u32(FOR_READING), NO_ATTRS)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", ""),
        (b"\0\0\0", ""),
        (HELLO, ""),
        (HELLO + b"\0\0\1\0abc", ""),
        (asked(0, OPEN), "init"),
        (b"GET / HTTP/1.1\r\n\r\n", "too long"),
        (HELLO + u32(MOST_PACKET + 1), "too long"),
        (HELLO + u32(0), "Incomplete"),
        (HELLO + text(b"\x05"), "Incomplete"),
        (text(bytes([INIT])), "version"),
        (HELLO[:-1] + b"\0", "version"),
    ],
)
def test_what_is_no_sftp_is_told_and_ends(root: Path, data: bytes, why: str) -> None:
    flaw, told = talked(root, data)
    assert why in flaw
    assert bool(flaw) is bool(why)
    assert all(each[0] == VERSION for each in told)


STRINGS = st.sampled_from(
    [b"", b".", b"..", b"file", b"link", b"directory", b"new", b"/", b"../outside", b"\xff\n", b"a/" * 2100]
)
HANDLES = st.integers(0, 4).map(lambda number: text(u32(number)))
FIELDS = st.one_of(
    STRINGS.map(text),
    HANDLES,
    st.integers(0, (1 << 32) - 1).map(u32),
    st.integers(0, 40).map(u32),
    st.integers(0, (1 << 64) - 1).map(u64),
    st.binary(max_size=12),
)
KINDS = st.one_of(st.integers(3, 22), st.integers(INIT + 1, 255))
EXTENSIONS = st.sampled_from([name for name, _ in adapter._EXTENSIONS])
REQUESTS = st.one_of(
    st.tuples(KINDS, st.lists(FIELDS, max_size=5)),
    st.tuples(st.just(EXTENDED), st.tuples(EXTENSIONS.map(text), *[FIELDS] * 3)),
    st.tuples(st.sampled_from([OPEN]), st.tuples(STRINGS.map(text), st.integers(0, 63).map(u32), st.just(NO_ATTRS))),
    st.tuples(st.just(OPENDIR), st.tuples(STRINGS.map(text))),
    st.tuples(st.sampled_from([READ, READDIR, CLOSE]), st.tuples(HANDLES, st.sampled_from([b"", u64(0) + u32(9)]))),
)


@given(st.lists(REQUESTS, max_size=12), st.binary(max_size=6))
def test_whatever_is_said_each_request_has_one_answer_and_nothing_outside_is_touched(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, list[bytes]]], tail: bytes
) -> None:
    place = tmp_path_factory.mktemp("talk")
    root = place / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    (root / "link").symlink_to("../outside")
    (root / "directory").mkdir()
    (place / "outside").write_bytes(b"secret")
    os.chdir(root)
    said = b"".join(asked(number, kind, *parts) for number, (kind, parts) in enumerate(requests))
    _, told = talked(root, HELLO + said + tail)
    assert [struct.unpack(">I", each[1:5])[0] for each in told[1 : len(requests) + 1]] == list(range(len(requests)))
    assert {each[0] for each in told[1:]} <= {STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED_REPLY}
    assert (place / "outside").read_bytes() == b"secret"
    assert not any(b"secret" in each for each in told)
    os.chdir("/")
    assert {path.name for path in place.iterdir()} == {"root", "outside", "in", "out"}
