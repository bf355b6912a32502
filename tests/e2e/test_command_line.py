"""The installed command line, as a user or a script drives it."""

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import OMNYSHELL, start_command
from support.deadline import DEADLINE
from support.in_one_test import in_one_test
from support.system import System, running, sleeping, until


def test_exec_streams_and_exits_with_the_remote_code(system: System) -> None:
    done = system.run("exec", "n1", "cat; echo err >&2; exit 7", stdin=b"in")
    assert (done.stdout, done.stderr, done.returncode) == (b"in", b"err\n", 7)
    assert system.run("exec", "n1", "kill -TERM $$").returncode == 143
    assert system.run("exec", "n1", "printf", "'%s|'", "$((1+1))", "-e").stdout == b"2|-e|"
    assert system.run("exec", "--argv", "n1", "printf", "%s|", "$((1+1))", "a  b").stdout == b"$((1+1))|a  b|"
    done = system.run("exec", "--cwd", "/", "n1", "pwd; echo $GREETING", "--env", "GREETING=hi")
    assert done.stdout == b"/\nhi\n"
    assert system.run("exec", "n1", "printf", "%s", "\udcff").stdout == b"\xff"
    done = system.run("exec", "n1", "tty; stty size", "--tty", TERM="xterm")
    assert done.stdout.startswith(b"/dev/pts/")


def test_a_large_pipeline_arrives_whole(system: System) -> None:
    data = os.urandom(5_000_000)
    assert system.run("exec", "n1", "cat", stdin=data).stdout == data


def test_a_reader_that_leaves_ends_the_command(system: System) -> None:
    line = f"{OMNYSHELL} exec n1 'yes; sleep 7761' | head -n 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=system.env)
    assert done.stdout == b"y\n"
    assert b"Traceback" not in done.stderr
    for command in ("exec n1 'yes; sleep 7761'", "connect n1 -- 'yes; sleep 7761'"):
        line = f"{OMNYSHELL} {command} < /dev/null | head -n 1; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=system.env)
        assert (done.stdout.strip(), done.returncode) == (b"y", 141), done.stderr
    until(lambda: not running("7761"))


@pytest.mark.parametrize(
    ("redirection", "printed", "code"),
    [
        ("<&-", b"out\nerr\n", 3),
        (">&-", b"err\n", 3),
        ("2>&-", b"out\n", 3),
        ("<&- >&- 2>&-", b"", 3),
        (">/dev/full", b"omnyshell: input or output failed: No space left on device\n", 255),
    ],
)
def test_streams_that_are_closed_or_full_are_no_trouble(
    system: System, redirection: str, printed: bytes, code: int
) -> None:
    line = f"{OMNYSHELL} exec n1 'cat; echo out; sleep 0.1; echo err >&2; exit 3' {redirection}"
    done = subprocess.run(
        ["sh", "-c", f"{{ {line}; }} 2>&1; exit $?"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False, env=system.env,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == (printed, code)


def test_a_listing_that_nobody_takes_is_no_traceback(system: System) -> None:
    line = f"{OMNYSHELL} nodes list | true"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=system.env)
    assert done.stderr == b""
    assert takes_nothing(system, "nodes", "list") == (255, 1)


def takes_nothing(system: System, *words: str) -> tuple[int, int]:
    """How a command ends whose output goes to a full disk, and how many lines it says of that."""
    with Path("/dev/full").open("wb") as full:
        process = start_command(*words, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, env=system.env)
        _, said = process.communicate(timeout=DEADLINE)
    assert b"Traceback" not in said
    return process.returncode, said.count(b"\n")


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (("exec", "n1", "true"), {"OMNYSHELL_HUB": "wss://127.0.0.1:1"}, "connection refused"),
        (("exec", "n1", "true"), {"OMNYSHELL_HUB": "ws://127.0.0.1:1"}, "wss://"),
        (("exec", "n1", "true"), {"OMNYSHELL_CA": ""}, "not trusted"),
        (("exec", "n1", "true"), {"OMNYSHELL_CA": "/no/such/file"}, "--ca"),
        (("exec", "n1", "true"), {"OMNYSHELL_TOKEN": "wrong"}, "Authentication failed"),
        (("exec", "n1", "true"), {"OMNYSHELL_TOKEN": ""}, "log in with what"),
        (("exec", "n1", "true"), {"OMNYSHELL_HUB": ""}, "which hub"),
        (("exec", "nowhere", "true"), {}, "[unknown_node]"),
        (("connect", "n11"), {}, "did you mean n1?"),
        (("exec", "n1", "true"), {"OMNYSHELL_PRINCIPAL": "dev", "OMNYSHELL_TOKEN": "dev-token"}, "[not_authorized]"),
        (("exec", "n1", "true", "--cwd", "/no/such"), {}, "[bad_request]"),
        (("exec", "n1"), {}, "COMMAND"),
        (("exec", "n1", "true", "--env", "novalue"), {}, "KEY=VALUE"),
        (("exec", "n1", "true", "--hub", "wss://[::1"), {}, "is wrong"),
        (("exec", "n1", "true", "--hub", "wss://127.0.0.1/a b"), {}, "is wrong"),
        (("exec", "n1", "true", "--hub", f"wss://{'a' * 64}.example"), {}, "no host name"),
        (("exec", "n1", "true", "--ca", "~no-such-user/ca.pem"), {}, "home directory"),
        (("whoami",), {"OMNYSHELL_HOME": "~no-such-user"}, "home directory"),
        (("no-such-command",), {}, "no-such-command"),
        (("nodes",), {}, "nodes list"),
        (("nodes", "lst"), {}, "nodes list"),
        (("node", "list"), {}, "nodes list"),
        (("--json", "nodes", "list"), {}, "options follow the command"),
        (("exec", "n1", "--la", "ls"), {}, "unrecognized arguments"),
        (("exec", "--timeout", "1s", "n1", "sleep 60"), {}, "did not end within 1s"),
        (("connect", "n1", "top"), {}, "behind --"),
        (("up", "--shell", "--background"), {}, "exclude each other"),
        (("keygen", "--out", "/no/such/key"), {}, "no directory /no/such"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(
    system: System, words: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    done = system.run(*words, **env)
    assert done.returncode == 255
    text = done.stderr.decode()
    assert says in text
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
@pytest.mark.parametrize("typed", [b"", b"sleep 0.5; exit 4\n", b"cat\n", b"exit 4"])
def test_a_shell_whose_input_is_no_terminal_ends_with_it(system: System, shell: str, typed: bytes) -> None:
    done = system.run("connect", "n1", "--env", f"SHELL={shell}", stdin=typed)
    assert (done.stderr, done.returncode) == (b"", 4 if b"exit" in typed else 0)


def test_nodes_are_listed_for_people_and_programs(system: System) -> None:
    (node,) = json.loads(system.run("nodes", "list", "--json").stdout)
    assert (node["nodeId"], node["displayName"], node["labels"]) == ("n1", "n1", {"env": "test"})
    assert {"exec", "shell", "resize", "signals", "interactive"} <= set(node["capabilities"]["features"])
    assert "n1" in system.run("nodes", "list", "--filter", "env=test").stdout.decode()
    assert "no nodes" in system.run("nodes", "list", "--filter", "env=prod").stdout.decode()


def test_a_login_is_saved_used_and_forgotten(own_system: System) -> None:
    done = own_system.run("login")
    assert done.returncode == 0, done.stderr
    bare = {key: value for key, value in own_system.env.items() if not key.startswith("OMNYSHELL_")}
    bare["OMNYSHELL_HOME"] = own_system.env["OMNYSHELL_HOME"]
    logins = Path(bare["OMNYSHELL_HOME"]) / "config" / "logins.json"
    assert logins.stat().st_mode & 0o777 == 0o600
    plain = replace(own_system, env=bare)
    assert b"admin (roles: admin)" in plain.run("whoami").stdout
    assert plain.run("exec", "n1", "echo hi").stdout == b"hi\n"
    without_scheme = own_system.url.removeprefix("wss://")
    assert plain.run("exec", "n1", "echo hi", "--hub", without_scheme).stdout == b"hi\n"
    assert plain.run("logout").returncode == 0
    assert plain.run("whoami").returncode == 255


def test_a_killed_client_leaves_no_process(system: System, marker: str) -> None:
    client = sleeping(system, marker)
    client.kill()
    client.communicate()
    until(lambda: not running(marker))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_ends_with_its_client(system: System, marker: str, number: signal.Signals) -> None:
    client = sleeping(system, marker)
    client.send_signal(number)
    assert client.wait(DEADLINE) == 128 + number
    _, said = client.communicate()
    assert said == b""
    until(lambda: not running(marker))


@in_one_test("words", ["exec n1 true", "connect n1 -- true", "events", "--help", "exec --help"])
def test_a_stdout_that_takes_nothing_is_no_reason_for_a_traceback(system: System, words: str) -> None:
    assert takes_nothing(system, *words.split()) == ((0, 0) if "true" in words else (255, 1))
    done = system.run_shell(f"{OMNYSHELL} {words} >&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_node_that_is_not_there_is_named(system: System) -> None:
    for words in (["list", "n9"], ["peek", "n9", "x"], ["kill", "n9", "x"]):
        done = system.run("sessions", *words)
        assert (done.returncode, done.stdout) == (255, b"")
        assert b"No node 'n9' is connected" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_shell_that_loses_its_terminal_is_left_without_a_word(system: System, number: signal.Signals) -> None:
    shell = system.start("connect", "n1", "--", "echo ready; exec cat")
    assert shell.stdout is not None
    assert b"ready" in shell.stdout.readline()
    shell.send_signal(number)
    assert shell.wait(DEADLINE) == 255
    _, said = shell.communicate()
    assert said == b""
    listed = json.loads(system.run("sessions", "list", "n1", "--json").stdout)
    (left,) = (one for one in listed if one["state"] == "detached")
    assert system.run("sessions", "kill", "n1", left["shortId"]).returncode == 0
