"""Commands of one's own: what rows say stays text, whatever they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.deadline import DEADLINE
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.tui.preferences.command import OwnCommand, Template
from omnyshell.tui.preferences.plain import FieldException


def command(*argv: str, **environment: str) -> OwnCommand:
    return OwnCommand(
        name="try",
        panel="nodes",
        argv=tuple(map(Template.parse, argv)),
        environment={name: Template.parse(text) for name, text in environment.items()},
    )


def filled(text: str, value: str) -> str:
    return Template.parse(text).argument(lambda _: value)


@in_one_test(
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


FREE = "OMNYSHELL_ROW_N"
SHELLS = [
    "$(touch owned)",
    "`id`",
    "; rm -rf /",
    "a b",
    "*",
    "'",
    '"',
    "~",
    "${IFS}",
    "a|b",
    "a\\b",
    "{node}",
    "%s&",
    "#",
]


@in_one_test("value", SHELLS)
def test_what_a_shell_would_obey_is_in_no_argument_and_in_no_variable_that_a_program_knows(value: str) -> None:
    for made in (
        command("prog", "{node}"),
        command("prog", "--at={node}"),
        command("prog", "x-{node}"),
        command("a", N="{node}"),
    ):
        with pytest.raises(FieldException, match="OMNYSHELL_ROW_ takes any text"):
            made.on(lambda _: value)
    assert command("prog", **{FREE: "<{node}>"}).on(lambda _: value).environment == {FREE: f"<{value}>"}


@in_one_test("value", ["web-1", "10.0.0.1", "fe80::1%eth0", "linux/x64", "a,b+c", "ann@example.org", "Büro-2"])
def test_what_is_plain_is_passed_as_it_is(value: str) -> None:
    run = command("prog", "{node}", "--at={node}", "ops@{node}", N="<{node}>").on(lambda _: value)
    assert run.argv == ("prog", value, f"--at={value}", f"ops@{value}")
    assert run.environment == {"N": f"<{value}>"}


@in_one_test("text", ["{node}", "--data={node}", "-d{node}", "x{node}"])
@in_one_test("value", ["@/etc/passwd", "@", "../../tmp/x", "..", "a/../b"])
def test_no_field_is_a_file_of_arguments_or_leads_up(text: str, value: str) -> None:
    with pytest.raises(FieldException):
        filled(text, value)


@pytest.mark.parametrize("value", ["LD_PRELOAD=/tmp/x.so", "SHELL+=x", "Ä=b"])
def test_no_field_sets_a_variable(value: str) -> None:
    with pytest.raises(FieldException, match="looks like a variable"):
        command("env", "{node}", "prog").on(lambda _: value)


@pytest.mark.parametrize(
    "argv",
    [
        ("watch", "{node}"),
        ("sudo", "-u", "x", "prog", "{node}"),
        ("env", "A=1", "{node}"),
        ("ssh", "host", "{node}"),
        ("find", ".", "-exec", "{node}", ";"),
        ("rsync", "--rsh={node}", "a", "b"),
        ("xterm", "-e", "{node}"),
        ("some-program-that-nobody-has-heard-of", "{node}"),
    ],
)
def test_no_field_names_what_can_be_run_here(argv: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "evil"
    script.touch()
    made = command(*argv)
    for value in ("ls", "/bin/sh", "kill", str(script)):
        with pytest.raises(FieldException, match="names a program or file"):
            made.on(lambda _, value=value: value)
    assert made.on(lambda _: "web-1")


@in_one_test(
    "name",
    [
        "BASH_ENV",
        "ENV",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "DYLD_INSERT_LIBRARIES",
        "PYTHONSTARTUP",
        "PYTHONPATH",
        "PYTHONHOME",
        "PERL5OPT",
        "PERL5LIB",
        "RUBYOPT",
        "NODE_OPTIONS",
        "PROMPT_COMMAND",
        "PS1",
        "PS4",
        "IFS",
        "PATH",
        "HOME",
        "SHELL",
        "ZDOTDIR",
        "EDITOR",
        "GIT_EDITOR",
        "VISUAL",
        "PAGER",
        "LESSOPEN",
        "GIT_SSH_COMMAND",
        "GIT_EXTERNAL_DIFF",
        "SSH_ASKPASS",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "BROWSER",
        "MAKEFLAGS",
        "TERMINFO",
        "LANG",
        "GCONV_PATH",
        "http_proxy",
        "KUBECONFIG",
        "OMNYSHELL_HUB",
        "OMNYSHELL_TOKEN_FILE",
        "XDG_CONFIG_HOME",
        "RIPGREP_CONFIG_PATH",
        "FZF_DEFAULT_COMMAND",
    ],
)
def test_no_field_is_in_a_variable_that_says_what_to_run(name: str) -> None:
    with pytest.raises(ConfigException, match=f"call it OMNYSHELL_ROW_{name}"):
        command("prog", **{name: "x{node}"})
    assert command("prog", **{name: "one's own"}).on(lambda _: "web-1").environment == {name: "one's own"}


def test_what_no_row_says_is_ones_own() -> None:
    run = command("prog", "{hub}", "{me}").on(lambda field: {"hub": "wss://[::1]:8443", "me": "Ann B"}[field])
    assert run.argv == ("prog", "wss://[::1]:8443", "Ann B")


def test_a_dash_may_stand_where_it_begins_no_argument() -> None:
    assert filled("--at={node}", "-x") == "--at=-x"
    assert command("prog", N="{node}").on(lambda _: "-x").environment == {"N": "-x"}


def test_a_variable_may_be_empty_and_holds_no_control_character() -> None:
    for name in ("N", FREE):
        assert command("prog", **{name: "{node}"}).on(lambda _: "").environment == {name: ""}
        with pytest.raises(FieldException):
            command("prog", **{name: "{node}"}).on(lambda _: "a\nLD_PRELOAD=x")


def test_a_field_without_end_is_refused() -> None:
    with pytest.raises(FieldException, match="longer than 4096"):
        filled("x{node}", "y" * 5_000)


PLAIN = st.text(st.sampled_from("aZ09._:/@%+=,-ü$ ;\n~*"), max_size=12)


@given(PLAIN | st.text(), st.sampled_from(["{node}", "x{node}", "{node}y", "{{{node}}}", "--a={node}"]))
def test_a_filled_argument_is_the_plain_value_in_its_place_or_there_is_none(value: str, text: str) -> None:
    before, _, after = text.replace("{{{", "\0{").replace("}}}", "}\1").partition("{node}")
    before, after = before.replace("\0", "{"), after.replace("\1", "}")
    try:
        result = filled(text, value)
    except FieldException:
        return
    assert result == before + value + after
    assert value
    assert re.fullmatch(r"[\w.:/@%+=,-]+", value)
    assert before or result[0] not in "-+@"


@given(st.lists(st.text("abz09.-/", min_size=1, max_size=20), min_size=1, max_size=4))
def test_there_are_as_many_arguments_as_were_written(values: list[str]) -> None:
    made = command("prog", *(f"{{{at}}}" for at in range(len(values))))
    try:
        assert made.on(lambda field: values[int(field)]).argv == ("prog", *values)
    except FieldException:
        return


@in_one_test("text", ["{", "}", "{}", "a{b", "{a{b}}", "x}"])
def test_braces_that_enclose_no_field_are_a_mistake(text: str) -> None:
    with pytest.raises(ConfigException, match="brace"):
        Template.parse(text)


@in_one_test(
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
        ("busybox", "sh", "{node}"),
        ("sudo", "sh", "{node}"),
        ("env", "A=1", "bash", "{node}"),
    ],
)
def test_a_field_is_no_program_and_no_script(argv: tuple[str, ...]) -> None:
    with pytest.raises(ConfigException):
        command(*argv)


@in_one_test(
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
    show = "import os, sys; print(sys.argv[1], os.environ['OMNYSHELL_ROW_N'])"
    values = {"node": "web-1", "command": hostile}
    run = command(sys.executable, "-c", show, "{node}", **{FREE: "{command}"}).on(values.__getitem__)
    done = subprocess.run(
        run.argv, check=True, capture_output=True, text=True, timeout=DEADLINE, env={**os.environ, **run.environment}
    )
    assert done.stdout == f"web-1 {hostile}\n"


@in_one_test(
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


@in_one_test(
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
    assert command(*argv).on(lambda _: "web-1").argv[-1] == "web-1"
