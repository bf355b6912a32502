"""What is below the command line speaks of no option of it: an error says what would help, and a face says how."""

import ast
import re
from collections.abc import Iterator

import pytest
from support.in_one_test import in_one_test
from support.sources import parsed, walk

from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.ground.advice import REMEDIES
from omnyshell.cli.ground.output import describe
from omnyshell.errors import ConfigException, Remedy, UntrustedHubException
from omnyshell.options.values import read
from omnyshell.services.local.console_options import OPTIONS as CONSOLE_OPTIONS
from omnyshell.tui.advice import _BY_REMEDY, with_remedy

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
FACES = ("cli/", "tui/")
DECLARING = ("Option", "replace")

OF_OTHERS = {
    # Options of programs that a restricted node judges, and of those whose secrets the audit leaves out.
    "services/node/restriction/uncontained.py",
    "services/node/restriction/containment.py",
    "services/hub/audit/secrets.py",
    # The script of a shell.
    "options/completion.py",
    # A rule says where it comes from, and this is its place.
    "services/node/restriction/pattern.py",
}


def _below(looked_for: str) -> dict[str, ast.Module]:
    """What may have that, of the lower floors."""
    return {place: tree for place, tree in parsed(looked_for) if not place.startswith(FACES)}


def _said(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are neither documentation nor what declares an option."""
    skipped: set[int] = set()
    for node in walk(tree):
        if isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in DECLARING:
            skipped.update(map(id, walk(node)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def test_nothing_below_the_faces_speaks_of_options() -> None:
    found = {}
    for place, tree in _below(OPTION.pattern).items():
        # A text that is nothing else names an option where it is declared, or is one that is run.
        if said := [text for text in _said(tree) if OPTION.search(text) and not OPTION.fullmatch(text)]:
            found[place] = said
    assert {place: said for place, said in found.items() if place not in OF_OTHERS} == {}
    assert set(found) == OF_OTHERS


def test_nothing_below_the_faces_reads_what_argparse_read() -> None:
    for place, tree in _below("Namespace").items():
        names = {node.attr for node in walk(tree) if isinstance(node, ast.Attribute)}
        assert "Namespace" not in names, place


def test_the_command_line_knows_how_each_remedy_is_done() -> None:
    assert set(REMEDIES) == set(Remedy)


@in_one_test("remedy", Remedy)
def test_the_options_that_a_remedy_names_are_there(remedy: Remedy) -> None:
    known = {option.name for command in COMMANDS for option in command.options}
    assert set(OPTION.findall(REMEDIES[remedy])) <= known
    of_console = {option.name for option in CONSOLE_OPTIONS}
    assert set(OPTION.findall(_BY_REMEDY.get(remedy, ""))) <= of_console


def test_an_error_is_shown_with_its_remedy() -> None:
    error = UntrustedHubException("it is self-signed").advising(Remedy.NAME_AUTHORITY)
    assert str(error) == "it is self-signed"
    assert describe(error) == "it is self-signed; --ca FILE names it"
    assert with_remedy(error) == "it is self-signed. Give the file of that authority."
    plain = ConfigException("no")
    assert (describe(plain), with_remedy(plain)) == ("no", "no")


def test_an_error_is_shown_with_the_option_that_it_is_about() -> None:
    assert describe(ConfigException("cannot read /x").about("bind_certificate")) == "--bind-certificate: cannot read /x"


def test_what_says_where_a_mistake_is_keeps_the_remedy() -> None:
    def refuse(_value: object) -> object:
        raise ConfigException("others can write it").advising(Remedy.LET_OTHERS_WRITE)

    with pytest.raises(ConfigException, match="--key: others can write it") as raised:
        read({"key": "k"}, "key", refuse)
    assert "--strict-modes false" in describe(raised.value)
