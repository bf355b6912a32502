"""What the audit keeps of command lines: never a value of an environment, never without bounds."""

import shlex

from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.protocol.byte_text import is_text
from omnyshell.services.hub.audit.commands import LONGEST_COMMAND, audited_command
from omnyshell.services.hub.ground.audit_settings import AuditedCommands

FULL, PROGRAM, NONE = AuditedCommands


@in_one_test(
    ("command", "args", "full", "program"),
    [
        (None, [], "", ""),
        ("", [], "", ""),
        ("uname -a", [], "uname -a", "uname"),
        ("cat a | grep 'b c'", [], "cat a | grep 'b c'", "cat"),
        ("uname", ["-a"], "uname -a", "uname"),
        ("echo", ["a b", "$HOME", ""], "echo 'a b' '$HOME' ''", "echo"),
        (None, ["ls", "-l"], "ls -l", "ls"),
        ("PASSWORD=secret mysql -u root", [], "PASSWORD=*** mysql -u root", "mysql"),
        ('A=\'secret secret\' B="secret \\" secret" C=se\\ cret run x', [], "A=*** B=*** C=*** run x", "run"),
        ('A="secret', [], "A=*** ", ""),
        ("A=$'secret' run", [], "A=*** run", "run"),
        ("env -i A=secret B=secret run A=b", [], "env -i A=*** B=*** run A=b", "run"),
        ("/usr/bin/env A=secret run", [], "/usr/bin/env A=*** run", "run"),
        ("env", ["-u", "X", "A=secret", "run"], "env -u X A=*** run", "env"),
        ("env", ["-i", "A=secret secret", "run", "A=b"], "env -i A=*** run A=b", "env"),
        ("environment A=b", [], "environment A=b", "environment"),
        ("make A=b", [], "make A=b", "make"),
        ("A=secret; run", [], "A=***; run", "run"),
        ("env -u X A=secret run", [], "env -u X A=*** run", "run"),
        ("  ls", [], "  ls", "ls"),
    ],
)
def test_what_is_kept(command: str | None, args: list[str], full: str, program: str) -> None:
    assert audited_command(command, args, FULL).strip() == full.strip()
    assert audited_command(command, args, PROGRAM) == program
    assert audited_command(command, args, NONE) == ""


SECRET = "S3cr3tValue"
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
values = st.builds(lambda a, b: a + SECRET + b, st.text(max_size=12), st.text(max_size=12))


@given(st.lists(st.tuples(names, values), min_size=1, max_size=4), st.booleans())
@example([("A", SECRET * 200)], False)
def test_no_value_that_a_line_sets_is_kept(settings: list[tuple[str, str]], by_env: bool) -> None:
    quoted = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings)
    line = f"{'env ' if by_env else ''}{quoted} program argument"
    for kept in AuditedCommands:
        assert SECRET not in audited_command(line, [], kept)
    args = ["env", *(f"{name}={value}" for name, value in settings), "program"]
    for kept in AuditedCommands:
        assert SECRET not in audited_command(None, args, kept)


@given(st.text() | st.none(), st.lists(st.text(max_size=3000), max_size=5), st.sampled_from(AuditedCommands))
@example("\\" * 100_000, [], FULL)
@example("A=" * 100_000, [], FULL)
@example("env " * 100_000, [], FULL)
@example("A='" * 100_000, [], FULL)
@example(None, ["x" * 1_000_000] * 3, FULL)
def test_whatever_is_asked_is_kept_in_a_bounded_length(
    command: str | None, args: list[str], kept: AuditedCommands
) -> None:
    assert len(audited_command(command, args, kept)) <= LONGEST_COMMAND + 3


SPELLED = "\0c3\0a9"
"""A character, spelled as its bytes, of which a client may send as many as it likes."""


@in_one_test("count", [1, 20, 170, 171, 600, 1020, 1100])
def test_nothing_is_cut_off_without_being_told(count: int) -> None:
    for line in (
        audited_command(f"echo {SPELLED * count}; rm -rf x", (), FULL),
        audited_command("echo", (SPELLED * count, "; rm -rf x"), FULL),
    ):
        assert "rm -rf x" in line or line.endswith("..."), line
        assert "\0" not in line
        assert len(line) <= LONGEST_COMMAND + 3


TEMPLATES = (
    "mysql -u root -p{} db",
    "sudo mysqldump -p{}",
    "PASSWORD={} run",
    "run --password {} -x",
    "run --password={}",
    "curl -u ann:{} host",
    "sshpass -p {} ssh host",
    "redis-cli -a {}",
    "psql postgres://ann:{}@host/db",
    "sh -c 'mysql -p{}'",
)


@given(st.sampled_from(TEMPLATES), st.text("abcxyz", min_size=4, max_size=8), st.integers(0x80, 0xFF), st.booleans())
@example("mysql -u root -p{} db", "secret", 0xFF, True)
@example("mysql -u root -p{} db", "secret", 0xE9, True)
def test_a_password_of_any_bytes_is_hidden_like_one_of_characters(
    template: str, word: str, byte: int, is_line: bool
) -> None:
    """In Latin-1, say: a byte is spelled as letters and digits, which a password and an option may look like."""
    for secret in (f"{chr(0xDC00 + byte)}{word}", f"{word}\0{byte:02x}", f"\0{byte:02x}{word}\0{byte:02x}{word}"):
        line = template.format(secret)
        request = (line, ()) if is_line or "'" in template else (None, line.split(" "))
        shown = audited_command(*request, FULL)
        assert word not in shown, shown
        assert f"\\x{byte:02x}" not in shown, shown
        assert "\0" not in shown
        assert is_text(shown)


@given(st.binary(max_size=40), st.sampled_from(AuditedCommands))
def test_any_bytes_are_kept_as_text(data: bytes, kept: AuditedCommands) -> None:
    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    for command in (audited_command(text, (), kept), audited_command("run", (text,), kept)):
        assert is_text(command)
        command.encode()
