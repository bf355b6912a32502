"""Whose a session is to be, as it is typed."""

from argparse import Namespace

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.grammar.parsing import find_command, parse
from omnyshell.cli.ground.access import split_user
from omnyshell.errors import ConfigException


def read(line: str) -> Namespace:
    command, words = find_command(line.split())
    assert command is not None
    options = parse(command, words)
    if command.words != ("run",):
        split_user(options)
    return options


@in_one_test("command", ["exec", "connect"])
@in_one_test(
    ("words", "user"),
    [
        ("db-1", None),
        ("-u postgres db-1", "postgres"),
        ("db-1 --user postgres", "postgres"),
        ("--user=postgres db-1", "postgres"),
        ("-upostgres db-1", "postgres"),
        ("postgres@db-1", "postgres"),
        ("-u postgres postgres@db-1", "postgres"),
        ("ann@example@db-1", "ann@example"),
    ],
)
def test_a_user_is_named_before_the_node_or_as_an_option(command: str, words: str, user: str | None) -> None:
    options = read(f"{command} {words} -- ls -u")
    assert (options.user, options.node, options.rest) == (user, "db-1", ["ls", "-u"])


def test_many_nodes_have_one_user() -> None:
    assert read("run -u deploy -- ls -u").user == "deploy"


def test_an_option_of_the_command_is_the_commands() -> None:
    options = read("exec db-1 sort -u")
    assert (options.user, options.rest) == (None, ["sort", "-u"])


@pytest.mark.parametrize("words", ["@db-1", "-u root postgres@db-1"])
def test_no_user_or_two_are_a_mistake(words: str) -> None:
    with pytest.raises(ConfigException, match="say USER@NODE or --user"):
        read(f"connect {words}")
