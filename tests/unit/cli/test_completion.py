"""What completion takes for granted of the commands."""

from omnyshell.cli.spec import COMMANDS


def test_each_option_takes_a_value_in_all_commands_or_in_none() -> None:
    """The words of a command are found without knowing which one it is."""
    flags = {option.name for command in COMMANDS for option in command.options if option.kind == "flag"}
    others = {option.name for command in COMMANDS for option in command.options if option.kind != "flag"}
    assert not flags & others


def test_no_command_begins_with_the_words_of_another() -> None:
    words = [command.words for command in COMMANDS]
    assert not [(one, other) for one in words for other in words if one != other and other[: len(one)] == one]
