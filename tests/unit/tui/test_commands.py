"""The table of commands is sound."""

from omnyshell.tui.command_line.doing import Doing
from omnyshell.tui.commands import DECLARED, OTHER_NAMES, all_commands, as_markdown, name_of, places
from omnyshell.tui.keys import KEYS, Context


def test_every_declared_command_is_done_and_nothing_else_is() -> None:
    methods = {name for name in dir(Doing) if name.startswith("do_")}
    assert {command.method for command in DECLARED} == methods
    assert len({command.name for command in DECLARED}) == len(DECLARED)


def test_every_action_of_a_key_has_a_command_and_no_move_has() -> None:
    commands = all_commands()
    for key in KEYS:
        name = name_of(key)
        if name:
            assert key in commands[name].keys
            assert name.replace("-", "").isalpha()
    assert {"zoom", "details", "quit", "beside", "pause"} <= set(commands)
    assert not {"up", "down", "page-up", "tab", "prompt", "go", "resize", "left"} & set(commands)


def test_other_names_are_of_commands_and_hide_none() -> None:
    commands = all_commands()
    assert set(OTHER_NAMES.values()) <= set(commands)
    assert not set(OTHER_NAMES) & set(commands)


def test_where_a_command_is_said_where_it_is_not_everywhere() -> None:
    commands = all_commands()
    assert places(commands["pause"]) == ["the audit"]
    assert places(commands["help"]) == places(commands["kill"]) == []
    assert all(f"`:{name}" in as_markdown() for name in commands)
    assert all(command.keys or command.is_declared for command in commands.values())
    assert all(Context.EVERYWHERE in [key.context for key in commands[name].keys] for name in ("quit", "wall"))
