"""Commands of one's own: what rows say stays text, whatever they say."""

import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from omnyshell.errors import ConfigException
from omnyshell.tui.preferences.command import FieldException, OwnCommand, Template


def command(*argv: str, **environment: str) -> OwnCommand:
    return OwnCommand(
        name="try",
        panel="nodes",
        argv=tuple(map(Template.parse, argv)),
        environment={name: Template.parse(text) for name, text in environment.items()},
    )


def filled(text: str, value: str) -> str:
    return Template.parse(text).fill(lambda _: value)


@pytest.mark.parametrize(
    "value",
    [
        "-oProxyCommand=touch /tmp/owned",
        "+!touch /tmp/owned",
        "--help",
        "-",
        "a\nb",
        "a\x00b",
        "\x1b[2J",
        "a\rb",
        "a\u202eb",
        "\x7f",
        "\x9b1m",
        "",
    ],
)
def test_what_would_be_more_than_a_text_is_refused_at_an_arguments_start(value: str) -> None:
    with pytest.raises(FieldException, match="node"):
        command("ssh", "{node}").on(lambda _: value)


@pytest.mark.parametrize(
    "value", ["$(touch owned)", "`id`", "; rm -rf /", "a b", "*", "'", '"', "~", "${IFS}", "a|b", "%h", "{node}"]
)
def test_what_a_shell_would_obey_is_one_argument_as_it_is(value: str) -> None:
    run = command("prog", "{node}", "--at={node}", N="<{node}>").on(lambda _: value)
    assert run.argv == ("prog", value, f"--at={value}")
    assert run.environment == {"N": f"<{value}>"}


def test_a_dash_may_stand_where_it_begins_no_argument() -> None:
    assert filled("--at={node}", "-x") == "--at=-x"
    assert command("prog", N="{node}").on(lambda _: "-x").environment == {"N": "-x"}


def test_a_variable_may_be_empty_and_holds_no_control_character() -> None:
    assert command("prog", N="{node}").on(lambda _: "").environment == {"N": ""}
    with pytest.raises(FieldException):
        command("prog", N="{node}").on(lambda _: "a\nLD_PRELOAD=x")


def test_a_field_without_end_is_refused() -> None:
    with pytest.raises(FieldException, match="longer than 4096"):
        filled("x{node}", "y" * 5_000)


@given(st.text(), st.sampled_from(["{node}", "x{node}", "{node}y", "{{{node}}}"]))
def test_a_filled_argument_is_the_value_in_its_place_or_there_is_none(value: str, text: str) -> None:
    before, after = {"{node}": ("", ""), "x{node}": ("x", ""), "{node}y": ("", "y"), "{{{node}}}": ("{", "}")}[text]
    try:
        result = filled(text, value)
    except FieldException:
        assert not value or not value.isprintable() or value.startswith(("-", "+")) or len(value) > 4096
        return
    assert result == before + value + after
    assert "\0" not in result
    assert before or not result.startswith("-")


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4))
def test_there_are_as_many_arguments_as_were_written(values: list[str]) -> None:
    made = command("prog", *(f"{{{at}}}" for at in range(len(values))))
    try:
        assert made.on(lambda field: values[int(field)]).argv == ("prog", *values)
    except FieldException:
        return


@pytest.mark.parametrize("text", ["{", "}", "{}", "a{b", "{a{b}}", "x}"])
def test_braces_that_enclose_no_field_are_a_mistake(text: str) -> None:
    with pytest.raises(ConfigException, match="brace"):
        Template.parse(text)


@pytest.mark.parametrize(
    "argv",
    [
        ("{node}",),
        ("/bin/{node}", "x"),
        ("sh", "-c", "echo {node}"),
        ("/usr/bin/bash", "-lc", "echo {node}"),
        ("bash", "-x", "-c", "-e", "echo {node}"),
        ("zsh", "{dir}"),
        ("env", "A=1", "sh", "-c", "ping {node}"),
        ("sudo", "-u", "x", "dash", "-ec", "{command}"),
        ("busybox", "sh", "-c", "{node}"),
    ],
)
def test_a_field_is_no_program_and_no_script(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigException):
        command(*argv)


@pytest.mark.parametrize(
    "argv",
    [
        ("sh", "-c", 'echo "$1"', "sh", "{node}"),
        ("ssh", "--", "{host}"),
        ("grep", "-rn", "sh", "{node}"),
        ("tar", "-c", "{node}"),
        ("kubectl", "exec", "{node}", "--", "bash"),
    ],
)
def test_a_field_may_be_an_argument_of_anything(argv: tuple[str, ...]) -> None:
    assert command(*argv).fields


def test_a_program_gets_what_was_filled_in() -> None:
    """The one test that runs a program, so that nothing between here and there splits or expands."""
    hostile = "$(id) `id` ; * ~ \"' \\ %s {node}"
    run = command(sys.executable, "-c", "import sys; print(sys.argv[1])", "{node}").on(lambda _: hostile)
    done = subprocess.run(run.argv, check=True, capture_output=True, text=True, timeout=20)
    assert done.stdout == f"{hostile}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ("bash", "-euo", "pipefail", "-c", "echo {node}"),
        ("bash", "-ceuo", "pipefail", "echo {node}"),
        ("bash", "-o", "posix", "-c", "{node}"),
        ("sudo", "/bin/bash", "-euo", "pipefail", "-c", "{node}"),
        ("bash", "--rcfile={node}"),
        ("bash", "--init-file", "{node}"),
        ("bash-5.2", "-c", "{node}"),
        ("rbash", "-c", "{node}"),
        ("fish", "--command={node}"),
        ("fish", "-c{node}"),
        ("fish", "--init-command", "{node}"),
        ("su", "-", "operator", "-c", "{node}"),
        ("su", "--command={node}"),
        ("env", "-S", "sh -c {node}"),
        ("python3.11", "-Ic", "{node}"),
        ("perl", "-ne", "{node}"),
        ("node", "--eval={node}"),
        ("sudo", "perl", "-I", "lib", "-e", "{node}"),
    ],
)
def test_no_option_has_a_shell_or_an_interpreter_obey_a_field(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigException, match="rows say what others want"):
        command(*argv)


@pytest.mark.parametrize(
    "argv",
    [
        ("bash", "-euo", "pipefail", "-c", 'echo "$1"', "bash", "{node}"),
        ("python3", "-c", "import sys", "{node}"),
        ("env", "A=b", "prog", "{node}"),
        ("su", "-c", "uptime", "operator", "{node}"),
        ("python3", "tool.py", "-c", "{node}"),
        ("omnyshell", "node", "-p", "{node}"),
    ],
)
def test_a_field_behind_a_script_is_its_argument(argv: tuple[str, ...]) -> None:
    assert command(*argv).on(lambda _: "$(id)").argv[-1] == "$(id)"
