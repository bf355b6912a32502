"""Where files are said to be, and which are meant."""

import os
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.services.client.files.chosen import Choice, expanded, is_pattern
from omnyshell.services.client.files.copying import SUFFIX, partial_name
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import LONGEST_NAME, Kind, is_name
from omnyshell.services.client.files.problems import FileException, shown
from omnyshell.services.client.files.spots import Spot, wanted

SPOTS = {
    "file": ("", "", b"file"),
    "./a:b": ("", "", b"./a:b"),
    "/a/b:c": ("", "", b"/a/b:c"),
    "n1:": ("n1", "", b"."),
    "n1:file": ("n1", "", b"file"),
    "n1:~": ("n1", "", b"."),
    "n1:~/file": ("n1", "", b"file"),
    "n1:~//file": ("n1", "", b"file"),
    "n1:~other": ("n1", "", b"~other"),
    "n1:/a:b": ("n1", "", b"/a:b"),
    "web@n1:/a": ("n1", "web", b"/a"),
    "a@b@n1:x": ("n1", "a@b", b"x"),
    "n1:\udcff": ("n1", "", b"\xff"),
}


def test_a_colon_before_any_slash_names_a_node() -> None:
    for text, said in SPOTS.items():
        assert Spot.parse(text) == said, text


def test_what_names_no_place_is_refused() -> None:
    for text in ("", ":file", "@n1:file", "no node:file", "a\0b", "x" * 5000, "n1@:x"):
        with pytest.raises(ConfigException):
            Spot.parse(text)


CHOICES = [
    # include, exclude, path, whether a file, whether a directory of that name is taken
    ((), (), b"a/b", True, True),
    (("*.py",), (), b"a/b.py", True, True),
    (("*.py",), (), b"a/b.pyc", False, True),
    ((), ("*.pyc", "build/"), b"a/build", True, False),
    ((), ("a/*.o",), b"a/x.o", False, False),
    ((), ("a/*.o",), b"a/b/x.o", True, True),
    ((), ("a/**/*.o",), b"a/b/c/x.o", False, False),
    ((), ("a/**",), b"a/b", False, False),
    (("*.py",), ("test_*",), b"test_x.py", False, False),
    ((), ("[!a]?[x-z]",), b"b/bcz", False, False),
    ((), ("[!a]?[x-z]",), b"b/acz", True, True),
    ((), ("[]]",), b"]", False, False),
    ((), ("[]",), b"[]", False, False),
    ((), ("[!]",), b"[!]", False, False),
    ((), ("[z-a]",), b"z", True, True),
    ((), ("[!z-a]x",), b"zx", False, False),
    ((), ("a[!b]c/",), b"a/c", True, True),
    ((), ("[^a]",), b"b", False, False),
    ((), ("[^a]",), b"a", True, True),
    ((), ("[a&&b]",), b"&", False, False),
    ((), ("[\\]",), b"\\", False, False),
    ((), ("[\u00e9]",), "\u00e9".encode(), False, False),
    ((), ("(a|b)+\\d.",), b"(a|b)+\\d.", False, False),
    ((), ("\udcff*",), b"\xff\n", False, False),
    ((), ("*",), b".hidden", False, False),
]


def test_patterns_say_which_files_are_copied() -> None:
    for include, exclude, path, as_file, as_folder in CHOICES:
        choice = Choice(include, exclude)
        assert (choice.takes_file(path), choice.takes_folder(path)) == (as_file, as_folder), (include, exclude, path)
    with pytest.raises(ConfigException):
        Choice(["/"])
    assert (is_pattern(b"a?b"), is_pattern(b"a.b")) == (True, False)


def test_a_partial_copy_has_a_name_of_its_own_that_any_directory_takes() -> None:
    names = {
        partial_name(name, origin)
        for name in (b"a", b"b", b"\xff" * LONGEST_NAME, b"\xff" * (LONGEST_NAME - 1) + b"a")
        for origin in (b"n1:/a", b"n2:/a")
    }
    assert len(names) == 8
    assert all(is_name(name) and name.endswith(SUFFIX) and name.startswith(b".") for name in names)
    assert partial_name(b"a", b"n1:/a") == partial_name(b"a", b"n1:/a")


def test_names_are_shown_without_what_a_terminal_obeys() -> None:
    gone = "\N{REPLACEMENT CHARACTER}"
    assert shown(b"a\x1b]0;x\x07\xffb\n") == f"a{gone}]0;x{gone}{gone}b{gone}"


async def test_patterns_find_what_they_can_look_into(tmp_path: Path) -> None:
    files, place = LocalFiles(in_threads=False), os.fsencode(tmp_path)
    for name in ("a/file", "b/file", "b/.hidden", "b/\u00e9"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "to a file").symlink_to("a/file")
    (tmp_path / "to nothing").symlink_to("nowhere")
    (tmp_path / "to a").symlink_to("a")
    for pattern, found in (
        (b"*/*", [b"a/file", b"b/file", "b/\u00e9".encode(), b"to a/file"]),
        (b"[!t]*/f?l[a-f]", [b"a/file", b"b/file"]),
        (b"b/?", ["b/\u00e9".encode()]),
        (b"b/.*", [b"b/.hidden"]),
        (b"to*", [b"to a", b"to a file", b"to nothing"]),
    ):
        assert await expanded(files, place + b"/" + pattern) == [place + b"/" + each for each in found], pattern
    for pattern, error in ((b"*/none*", ConfigException), (b"none/*", ConfigException), (b"a/file/*", FileException)):
        with pytest.raises(error):
            await expanded(files, place + b"/" + pattern)


async def test_a_link_to_nothing_is_meant_itself(tmp_path: Path) -> None:
    (tmp_path / "to nothing").symlink_to("nowhere")
    (meant,) = await wanted(LocalFiles(in_threads=False), os.fsencode(tmp_path / "to nothing"))
    assert meant.entry.kind is Kind.LINK
