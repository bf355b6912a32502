"""Attacks on a restricted node, through a real hub: whoever may use it tries to run what no rule allows."""

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.stack import Certificates, stack, within

from omnyshell import (
    ChannelException,
    OmnyShellClient,
    PtySpec,
    SessionMode,
    SessionRejectedException,
    ShellFamily,
)
from omnyshell.services.node.restriction.environment import fixed_environment
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.rule import CommandRule
from omnyshell.services.node.restriction.variables import variable_flaw

HOME = pwd.getpwuid(os.geteuid()).pw_dir


class Ground:
    """Where an attack takes place: a tool that a rule allows, and a program of the attacker's that leaves a mark."""

    def __init__(self, path: Path) -> None:
        self.mark = path / "mark"
        self.tool = self._script(path / "opt" / "tools" / "tool", 'printf "%s\\n" "$0" "$PWD" "$@"')
        # What the attacker has is safe from others too: nothing but the rule is in its way.
        self.evil = self._script(path / "evil" / "evil", f"echo x > {self.mark}")
        for name in ("tool", "cat", "less", "false", "sh"):
            (self.evil.parent / name).symlink_to("evil")
        (path / "way").symlink_to("opt")
        (path / "hard").hardlink_to(self.tool)

    @staticmethod
    def _script(path: Path, line: str) -> Path:
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
        return path


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.fixture
async def client(certificates: Certificates, ground: Ground, tmp_path: Path) -> AsyncIterator[OmnyShellClient]:
    """A client of a node that runs the tool, with what it is given, and no other program."""
    rule = CommandRule(program=str(ground.tool), rest=("*", "-*"))
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy(rules=(rule,))) as (_, _, client):
        yield client


async def refusal(client: OmnyShellClient, **request: Any) -> SessionRejectedException:
    with pytest.raises(SessionRejectedException) as rejected:
        await within(client.open_session("n1", **request))
    return rejected.value


def spellings(ground: Ground) -> list[str]:
    """Ways to write the tool's path, and ways through it to another program."""
    tool, tools, base = str(ground.tool), str(ground.tool.parent), str(ground.mark.parent)
    evil = str(ground.evil)
    ways = [f"{tools}/../../evil/evil", f"{tools}/../../../../../../../../bin/sh", f"{tool}/../../../evil/evil", evil]
    same = [
        *(f"{tools}//tool", f"/{tool}", f"//{tool}", f"{tools}/./tool", f"{tool}/", f"{tool}/.", f"{tools}/x/../tool"),
        *(f"{tools}/../tools/tool", f"/.{tool}", f"/..{tool}", f"{base}/way/tools/tool", f"{base}/hard"),
        *(tool.upper(), tool.replace("tool", "Tool"), f" {tool}", f"{tool} ", f"{tool}\n", f"\n{tool}", f"{tool}\r"),
        *(f"{tool}\t", f"'{tool}'", f"{tool}*", tool[:-1] + "?", tool.replace("t", "[t]", 1), f"{tool}\u200b"),
        *(tool.replace("o", "\u043e"), f"./{tool}", tool[1:], f"~{tool}", "~/tool", "./tool", "tool", "../tools/tool"),
        *(f"/proc/self/root{tool}", f"/proc/self/cwd{tool}", "/proc/self/exe", "/dev/fd/0", "/dev/stdin"),
        *(f"file://{tool}", f"{tool};sh", f"{tool}|sh", f"$({tool})", f"`{tool}`", "$SHELL", "${PATH}", "-c", "--"),
        *("sh", "/bin/sh", "/usr/bin/env", "env", ".", "..", "/", "//", "*", "?", "\ud7ff", "\U0010ffff", "a" * 5000),
    ]
    return ways + same


async def test_a_program_has_one_name(client: OmnyShellClient, ground: Ground) -> None:
    ran = await within(client.execute("n1", args=[str(ground.tool), "a b", "", "-x", "\n"]))
    assert ran.stdout.decode() == f"{ground.tool}\n{HOME}\na b\n\n-x\n\n\n"
    for spelling in spellings(ground):
        for request in (
            {"args": [spelling]},
            {"args": [spelling, "-c", "echo"]},
            {"command": spelling, "args": ["x"]},
            {"args": [spelling], "mode": SessionMode.SHELL, "pty": PtySpec()},
        ):
            assert (await refusal(client, **request)).code == "not_authorized", (spelling, request)
    assert not ground.mark.exists()


async def test_an_empty_word_is_no_program(client: OmnyShellClient) -> None:
    for word in ("", " "):
        assert (await refusal(client, args=[word])).code == "not_authorized"
    for command in (" ", "\n", "\t"):
        assert (await refusal(client, command=command)).code == "bad_request"
    assert (await refusal(client, command="")).code == "not_authorized"


async def test_a_line_never_meets_a_shell(client: OmnyShellClient, ground: Ground) -> None:
    evil, mark = ground.evil, ground.mark
    for rest in (
        *(f"; {evil}", f"& {evil}", f"| {evil}", f"&& {evil}", f"|| {evil}", f"\n{evil}", f"\r\n{evil}", f"$({evil})"),
        *(f"`{evil}`", f"> {mark}", f">{mark}", f"<({evil})", f"{{{evil},}}", "$HOME ~ * ? [a]", "# x", "\\; x"),
    ):
        ran = await within(client.execute("n1", f"{ground.tool} {rest}"))
        assert ran.stdout.decode().startswith(f"{ground.tool}\n")
        assert HOME not in ran.stdout.decode().splitlines()[2:]
    for command in (
        f"X=1 {ground.tool}",
        f"PATH={evil.parent} tool",
        f"exec {ground.tool}",
        f"({ground.tool})",
        f"!{ground.tool}",
    ):
        assert (await refusal(client, command=command)).code == "not_authorized"
    assert (await refusal(client, command=f"{ground.tool} 'x")).code == "bad_request"
    assert not mark.exists()


async def test_there_are_no_shells_of_any_kind(client: OmnyShellClient, ground: Ground) -> None:
    for request in (
        {"mode": SessionMode.SHELL},
        {"mode": SessionMode.SHELL, "pty": PtySpec()},
        {"mode": SessionMode.SHELL, "pty": PtySpec(), "interactive": True},
        {"mode": SessionMode.SHELL, "interactive": True, "env": {"SHELL": str(ground.tool)}},
        {"mode": SessionMode.SHELL, "shell_family": ShellFamily.POSIX},
        {"mode": SessionMode.EXEC},
        {"command": str(ground.tool), "shell_family": ShellFamily.POWERSHELL},
        {"command": str(ground.tool), "shell_family": ShellFamily.CMD},
    ):
        assert (await refusal(client, **request)).code == "not_authorized", request
    for mode in (SessionMode.TRANSFER, SessionMode.DRIVE, SessionMode.TUNNEL):
        assert (await refusal(client, mode=mode, args=[str(ground.tool)])).code == "bad_request"


async def test_a_terminal_is_only_for_rules_that_say_so(
    client: OmnyShellClient, certificates: Certificates, ground: Ground, tmp_path: Path
) -> None:
    args = [str(ground.tool)]
    for request in ({"pty": PtySpec()}, {"mode": SessionMode.SHELL}, {"mode": SessionMode.SHELL, "pty": PtySpec()}):
        refused = await refusal(client, args=args, **request)
        assert (refused.code, str(refused)) == ("not_authorized", "This node does not run that command on a terminal")
    rule = CommandRule(program=str(ground.tool), pty=True)
    policy = CommandPolicy(rules=(rule,))
    async with stack(certificates, tmp_path / "other", commands=policy) as (_, _, other):
        async with await within(other.open_session("n1", args=args, pty=PtySpec(term="xterm"))) as session:
            assert (await within(session.wait())).code == 0
        for term in ("", "../x", "/etc/passwd", "x y", "x\n", "x" * 65, "%n", "-x", "\x1b[m"):
            assert (await refusal(other, args=args, pty=PtySpec(term=term))).code == "bad_request", term


async def test_a_session_is_resumed_and_nothing_else(
    certificates: Certificates, ground: Ground, tmp_path: Path
) -> None:
    waiting = Ground._script(tmp_path / "wait" / "wait", "echo waits; read x; echo got $x")
    policy = CommandPolicy(rules=(CommandRule(program=str(waiting), pty=True),))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        session = await within(client.open_session("n1", mode=SessionMode.SHELL, args=[str(waiting)], pty=PtySpec()))
        async with session:
            await within(client.detach_session("n1"))
        async with await within(client.resume("n1", session.id, pty=PtySpec())) as resumed:
            await resumed.write(f"; {ground.evil}\n".encode())
            assert (await within(resumed.wait())).code == 0
        for ref in (session.id, str(ground.evil), "", "../x"):
            with pytest.raises(SessionRejectedException):
                await within(client.resume("n1", ref, pty=PtySpec()))
    assert not ground.mark.exists()


async def test_a_client_does_not_say_where_a_program_starts(client: OmnyShellClient, ground: Ground) -> None:
    for cwd in (
        *(
            str(ground.evil.parent),
            "/",
            ".",
            "..",
            "~",
            "~root",
            "/tmp",
            f"{HOME}/",
            f"{HOME}/.",
            f"{HOME}/../",
            f"/{HOME}",
        ),
        *(" ", "\n", "/proc/self/cwd", "//", "\ud7ff", f"{HOME}\n"),
    ):
        refused = await refusal(client, args=[str(ground.tool)], cwd=cwd)
        assert refused.code == "not_authorized", cwd
        assert "in its own directory only" in str(refused)
    assert (await within(client.execute("n1", args=[str(ground.tool)], cwd=HOME))).stdout.split()[1] == HOME.encode()


async def test_a_rule_says_where_its_program_starts(certificates: Certificates, ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    args = [str(ground.tool)]
    directories = (str(tmp_path / "srv"), str(tmp_path / "absent"))
    rules = [CommandRule(program=args[0], arguments=(str(n),), directory=at) for n, at in enumerate(directories)]
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy(rules=tuple(rules))) as (_, _, client):
        for cwd in (None, directories[0]):
            ran = await within(client.execute("n1", args=[*args, "0"], cwd=cwd))
            assert ran.stdout.decode().splitlines()[1] == directories[0]
        assert (await refusal(client, args=[*args, "0"], cwd=HOME)).code == "not_authorized"
        refused = await refusal(client, args=[*args, "1"])
        assert (refused.code, "cannot be entered" in str(refused)) == ("bad_request", True)


CODE_RUNNING = (
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "PATH", "HOME", "SHELL", "ENV", "BASH_ENV", "IFS"),
    *("BASH_FUNC_ls%%", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME"),
    *("PERL5OPT", "PERL5LIB", "PERLLIB", "RUBYOPT", "RUBYLIB", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "CLASSPATH"),
    *("LUA_INIT", "PHPRC", "PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "SYSTEMD_PAGERSECURE", "SYSTEMD_LESS"),
    *("LESSOPEN", "LESSCLOSE", "LESS", "LESSKEY", "LESSSECURE", "EDITOR", "VISUAL", "GIT_EDITOR", "SUDO_EDITOR"),
    *("GIT_SSH", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_EXEC_PATH", "GIT_CONFIG", "GIT_CONFIG_GLOBAL"),
    *("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_TRACE"),
    *("GIT_PROXY_COMMAND", "GIT_ASKPASS", "SSH_ASKPASS", "RSYNC_RSH", "TAR_OPTIONS", "BROWSER", "TERMINFO", "TERM"),
    *("OPENSSL_CONF", "XDG_CONFIG_HOME", "VIMINIT", "EXINIT", "TMPDIR", "LOCPATH", "MAKEFLAGS", "PSQL_PAGER", "USER"),
    *("OMNYSHELL_TOKEN", "LANG", "LC_ALL", "LANGUAGE", "GREETING", "lower", "A.B", "A B", "Ä", "1"),
)


async def test_no_variable_of_a_request_reaches_a_program(
    certificates: Certificates, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET", "LD_PRELOAD_X", "PAGER", "GIT_DIR", "PYTHONPATH", "XDG_RUNTIME_DIR", "OMNYSHELL_SECRET"):
        monkeypatch.setenv(name, "of-the-node")
    monkeypatch.setenv("LANG", "../../evil")
    env = dict.fromkeys(CODE_RUNNING, str(ground.evil))
    policy = CommandPolicy(("env *",))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        ran = await within(client.execute("n1", args=["env", "-0"], env=env))
        given = dict(line.split("=", 1) for line in ran.stdout.decode().split("\0") if line)
        assert given == fixed_environment(HOME)
        assert (given["LANG"], given["HOME"], given["PAGER"]) == ("C.UTF-8", HOME, "cat")
        session = await within(client.open_session("n1", args=["env", "-0"], env=env, pty=PtySpec(term="vt100")))
        async with session:
            shown = b"".join([chunk.data async for chunk in session]).decode()
        on_terminal = dict(line.split("=", 1) for line in shown.split("\0") if line)
        # The shell that opens the terminal leaves two of its own.
        assert {name: on_terminal[name] for name in given} == given
        assert on_terminal.keys() - given.keys() <= {"TERM", "PWD", "OLDPWD", "_", "SHLVL"}
        assert on_terminal["TERM"] == "vt100"
        for name, value in (("", "x"), ("A=B", "x"), ("A", "x\0y"), ("A\0", "x")):
            assert (await refusal(client, args=["env"], env={name: value})).code == "bad_request"


async def test_a_rule_names_the_variables_that_may_be_set(certificates: Certificates, tmp_path: Path) -> None:
    rule = CommandRule(program="env", environment=("TZ", "APP_MODE", "LANG"))
    policy = CommandPolicy(rules=(rule,))
    env = {"TZ": "UTC", "APP_MODE": "a\nb", "LANG": "C", "app_mode": "x", "TZDIR": "/x", "APP_MODE_": "x"}
    async with stack(certificates, tmp_path / "state", commands=policy, refused_variables=("APP_*",)) as (_, _, client):
        ran = await within(client.execute("n1", args=["env"], env=env))
    assert dict(line.split("=", 1) for line in ran.stdout.decode().splitlines()) == fixed_environment(HOME) | {
        "TZ": "UTC",
        "LANG": "C",
    }


@pytest.mark.parametrize("program", ["git", "journalctl", "man", "less", "systemctl", "crontab"])
async def test_pagers_and_editors_of_a_request_do_not_run(
    certificates: Certificates, ground: Ground, tmp_path: Path, program: str
) -> None:
    """Also on a terminal, where such programs would start them."""
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    words = {
        "git": ["log", "-p"], "journalctl": ["-n", "1"], "man": ["ls"], "less": [str(ground.tool)],
        "systemctl": ["status"], "crontab": ["-e"],
    }[program]  # fmt: skip
    repository(tmp_path / "repository")
    rule = CommandRule(program=program, arguments=tuple(words), pty=True, directory=str(tmp_path / "repository"))
    env = dict.fromkeys(CODE_RUNNING, f"sh {ground.evil}") | {"PATH": f"{ground.evil.parent}:/usr/bin:/bin"}
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy(rules=(rule,))) as (_, _, client):
        session = await within(client.open_session("n1", args=[program, *words], env=env, pty=PtySpec()))
        async with session:
            # Whatever waits for a key gets one that runs a shell, and one that leaves.
            with suppress(ChannelException):
                await session.write(f"!{ground.evil}\n|{ground.evil}\nv:q\nq".encode())
            await within(session.wait())
    assert not ground.mark.exists()


def repository(path: Path) -> None:
    """A repository with a commit."""
    path.mkdir()
    settings = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "\n".join(["x"] * 200)]):
        subprocess.run(["git", *settings, *words], cwd=path, check=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
@pytest.mark.parametrize("pattern", ["git log*", "git log *"])
async def test_what_was_seen_with_git_ends(
    certificates: Certificates, ground: Ground, tmp_path: Path, pattern: str
) -> None:
    repository(tmp_path / "repository")
    written = tmp_path / "written"
    env = {
        "GIT_PAGER": str(ground.evil),
        "GIT_EXTERNAL_DIFF": str(ground.evil),
        "GIT_DIR": f"{tmp_path}/repository/.git",
    }
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy((pattern,))) as (_, _, client):
        for words in (
            [f"--output={written}"],
            [f"--outpu={written}", "-1"],
            ["-1", "-p", "--output", str(written)],
            ["--ext-diff", "-p"],
            ["--textconv", "-p"],
        ):
            assert (await refusal(client, args=["git", "log", *words], env=env)).code == "not_authorized"
        for words in (["-c", "core.pager=sh", "log"], ["--exec-path=/x", "log"], ["log/../x"], ["-p", "log"]):
            assert (await refusal(client, args=["git", *words], env=env)).code == "not_authorized"
        # Git finds no repository where it starts, since it is not told of one.
        async with await within(client.open_session("n1", args=["git", "log"], env=env, pty=PtySpec())) as session:
            await within(session.wait())
    assert not written.exists()
    assert not ground.mark.exists()


async def test_a_program_is_not_what_a_line_looks_like(
    certificates: Certificates, ground: Ground, tmp_path: Path
) -> None:
    """The path of a program, or one word, holds what a pattern for the whole line expects."""
    posing = Ground._script(tmp_path / "systemctl status x" / "systemctl status x", f"echo x > {ground.mark}")
    patterns = ("systemctl status *", "*systemctl status*", "echo a b", str(ground.tool))
    async with stack(certificates, tmp_path / "state", commands=CommandPolicy(patterns)) as (_, _, client):
        for words in (
            [str(posing)],
            [str(posing.parent)],
            ["systemctl status x"],
            ["systemctl status", "x"],
            [str(posing), "systemctl", "status", "x"],
            ["echo a b"],
            ["echo", "a b"],
            ["echo a", "b"],
            [f"{ground.tool} x"],
            [f"{ground.tool}", "x"],
            ["echo", "a", "b", ""],
            ["", "echo", "a", "b"],
        ):
            assert (await refusal(client, args=words)).code == "not_authorized", words
        assert (await within(client.execute("n1", "echo a b"))).stdout == b"a b\n"
    assert not ground.mark.exists()


@pytest.mark.parametrize("mode", [0o777, 0o1777])
async def test_a_program_that_others_can_change_meanwhile_does_not_run(
    certificates: Certificates, ground: Ground, tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    policy = CommandPolicy((f"{ground.tool} *",))
    async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
        for at in (ground.tool.parent, ground.tool, ground.tool.parent.parent):
            if mode == 0o1777 and at == ground.tool.parent.parent:
                continue
            assert (await within(client.execute("n1", str(ground.tool)))).status.code == 0
            before = at.stat().st_mode & 0o7777
            at.chmod(mode)
            refused = await refusal(client, args=[str(ground.tool)])
            assert refused.code == "not_authorized"
            assert "does not trust the program" in str(refused)
            # Where a weak place is, is for the node's log, and not for who asks.
            assert str(at.parent) not in str(refused).replace(str(ground.tool), "")
            assert f"others can {'make files in' if mode == 0o1777 and at.is_dir() else 'write'} {at}" in caplog.text
            at.chmod(before)
        ground.tool.rename(ground.tool.with_name("kept"))
        assert (await refusal(client, args=[str(ground.tool)])).code == "bad_request"
        ground.tool.symlink_to(ground.evil.parent / "absent")
        assert (await refusal(client, args=[str(ground.tool)])).code == "bad_request"


async def test_a_program_gets_no_descriptor_but_its_own(certificates: Certificates, tmp_path: Path) -> None:
    policy = CommandPolicy(("ls /proc/self/fd",))
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        async with stack(certificates, tmp_path / "state", commands=policy) as (_, _, client):
            assert (await within(client.execute("n1", "ls /proc/self/fd"))).stdout.split() == [b"0", b"1", b"2", b"3"]


def test_every_variable_that_is_tried_here_and_runs_code_is_one_that_no_rule_lets_through() -> None:
    harmless = {"LANG", "LC_ALL", "GREETING", "lower", "TERM"}
    assert {name for name in CODE_RUNNING if not variable_flaw(name)} == harmless
