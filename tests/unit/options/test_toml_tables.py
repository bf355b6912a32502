"""Tables of a file: what may be written, and that each mistake is an error at its line."""

from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table, read_tables

KEYS = ("program", "words", "pty", "labels")


def file_of(tmp_path: Path, text: str) -> TomlFile:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return TomlFile(path)


def read(values: dict[str, object], _number: int) -> tuple[object, ...]:
    table = Table(values, KEYS, "a thing")
    return (
        table.text("program", lambda text: "" if text.startswith("/") else "is no path"),
        table.texts("words", lambda text: "is a dash" if text == "-" else "", if_empty="leave it out"),
        table.flag("pty"),
        table.text_map("labels", if_empty="leave it out"),
    )


def read_all(tmp_path: Path, text: str) -> tuple[object, ...]:
    file = file_of(tmp_path, text)
    return read_tables(file.data["things"], "things", file, read, if_empty="write one")


def test_what_is_given_is_read_and_what_is_not_is_empty(tmp_path: Path) -> None:
    text = "[[things]]\nprogram = '/x'\nwords = ['a', 'b']\npty = true\nlabels = { a = 'b' }\n[[things]]\n"
    assert read_all(tmp_path, text) == (("/x", ("a", "b"), True, {"a": "b"}), ("", (), False, {}))


def test_a_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    assert read_all(tmp_path, "[[things]]\nwords = 'a'") == read_all(tmp_path, "[[things]]\nwords = ['a']")


@in_one_test(
    ("line", "words"),
    [
        ("progam = '/x'", "there is no key 'progam' in a thing; did you mean 'program'?"),
        ("xyz = 1", "there is no key 'xyz' in a thing; known are labels, program, pty, words"),
        ("program = 1", "'program' must be text"),
        ("program = ['/x']", "'program' must be text"),
        ("program = 'x'", "'program': 'x' is no path"),
        ("words = 1", "'words' must be a list of texts"),
        ("words = true", "'words' must be a list of texts"),
        ("words = ['a', 1]", "'words' must be a list of texts"),
        ("words = { a = 'b' }", "'words' must be a list of texts"),
        ("words = []", "'words' is empty: leave it out"),
        ("words = '-'", "'words': '-' is a dash"),
        ("pty = 'true'", "'pty' must be true or false"),
        ("pty = 1", "'pty' must be true or false"),
        ("labels = 'a=b'", "'labels' must be a table of texts"),
        ("labels = { a = 1 }", "'a' in 'labels' must be text"),
        ("\nlabels.b = 'c'\nlabels.a = 1", "'a' in 'labels' must be text"),
        ("labels = {}", "'labels' is empty: leave it out"),
    ],
)
@in_one_test("before", ["", "[[things]]\npty = true\n\n# another\n"])
def test_a_mistake_is_named_with_its_line(line: str, words: str, before: str, tmp_path: Path) -> None:
    text = f"{before}[[things]]\n# one\n{line}\n[[things]]\npty = false\n"
    with pytest.raises(ConfigException) as caught:
        read_all(tmp_path, text)
    assert str(caught.value).startswith(
        f"{tmp_path}/a.toml, line {before.count(chr(10)) + line.count(chr(10)) + 3}: {words}"
    )


@in_one_test(
    ("text", "words"),
    [
        ("things = []", "'things' is empty: write one"),
        ("things = 1", "begin each with [[things]], in two pairs of brackets"),
        ("things = ['a']", "begin each with [[things]]"),
        ("[things]\npty = true", "begin each with [[things]]"),
    ],
)
def test_what_are_no_tables_is_told(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigException) as caught:
        read_all(tmp_path, text)
    assert "a.toml, line 1: " in str(caught.value)
    assert words in str(caught.value)
