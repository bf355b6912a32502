"""What the documents say of rules is so."""

import os
import re
import shlex
import tomllib
from pathlib import Path

from support.in_one_test import in_one_test

from omnyshell.options.toml_file import read_options
from omnyshell.services.node.options import OPTIONS, RULES
from omnyshell.services.node.restriction.environment import fixed_environment
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.pattern import narrowed, rule_from_pattern
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.tables import KEYS
from omnyshell.services.node.restriction.uncontained import UNCONTAINED, Uncontained

DOCS = Path(__file__).parents[5] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
SECTION = CONFIGURATION.partition("## Commands that a node runs")[2].partition("\n## ")[0]
ANSWERS = re.findall(r"^\| `([^`]+)` \| (runs|refused) \|$", SECTION, re.MULTILINE)


def rules_of_files(text: str, tmp_path: Path) -> list[CommandRule]:
    """The rules of every example of a node's file."""
    found: list[CommandRule] = []
    for number, block in enumerate(re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)):
        if "[[commands]]" in block:
            path = tmp_path / f"{number}.toml"
            path.write_text(block.replace("\n    ", "\n"))
            found += read_options(path, OPTIONS).values["commands"]
    return found


@in_one_test(("command", "answer"), ANSWERS)
def test_the_rules_of_the_example_answer_as_it_says(command: str, answer: str, tmp_path: Path) -> None:
    rules = rules_of_files(SECTION, tmp_path)
    program, *words = shlex.split(command)
    found = [
        rule
        for rule in rules
        if program in (rule.program, Path(rule.program).name)
        and not rule.mismatch(words, escapes_of((Path(rule.program).name,)))
    ]
    assert bool(found) is (answer == "runs")


def test_the_example_shows_all_that_a_rule_has(tmp_path: Path) -> None:
    assert len(rules_of_files(SECTION, tmp_path)) == 3
    assert len(ANSWERS) == 12
    assert re.findall(r"^\| `([a-z]+)` \| [^|]*\| [^|]{20,}\|$", SECTION, re.MULTILINE) == list(KEYS)
    assert all(f"{key} = " in SECTION for key in KEYS)


def test_the_environment_is_as_it_says() -> None:
    env = fixed_environment("/home/x")
    for name, value in re.findall(r"`((?!NAME)[A-Z_]+)=([^`]+)`", SECTION):
        assert env[name] == value


def test_the_patterns_are_as_it_says() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)`", SECTION.partition("| pattern | lets run |")[2], re.MULTILINE)
    assert len(rows) == 3
    for pattern, line in rows:
        rule, (program, *words) = rule_from_pattern(pattern), line.split()
        assert (rule.program, rule.mismatch(words, escapes_of((program,)))) == (program, "")
    assert narrowed("uptime")


def test_no_example_is_warned_of(tmp_path: Path) -> None:
    patterns = [
        *re.findall(r"allow-command = (\[.*?\])", CONFIGURATION),
        *re.findall(r"as '(.+)'; may be", RULES[0].help),
    ]
    policy = CommandPolicy(
        (*tomllib.loads(f"x = {patterns[0]}")["x"], patterns[-1]), tuple(rules_of_files(SECTION, tmp_path))
    )
    assert len(policy.all_rules) == 6
    assert all("lets nothing run now" in text for text in policy.warnings())


def row(kind: Uncontained) -> str:
    way = "the subcommand and the options" if kind.by_options else kind.contained.text if kind.contained else "no rule"
    return f"| {kind.what} | {kind.why} | {way} | {' '.join(f'`{name}`' for name in kind.names)} |"


def test_programs_that_no_rule_contains_are_listed() -> None:
    path = DOCS / "security.md"
    table = "| kind | what they do | a rule contains them that fixes | known |\n| --- | --- | --- | --- |"
    table += "".join(f"\n{row(kind)}" for kind in UNCONTAINED) + "\n"
    text = path.read_text(encoding="utf-8")
    begin, end = "<!-- programs that no rule contains -->\n\n", "\n<!-- end -->"
    assert begin in text
    assert end in text.partition(begin)[2]
    before, _, behind = text.partition(begin)
    wanted = before + begin + table + end + behind.partition(end)[2]
    if "OMNYSHELL_UPDATE_DOCS" in os.environ:
        path.write_text(wanted, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == wanted, "`make docs-tables` writes it anew"
