"""The installed command line, as a user or a script drives it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import run_command, start_command
from support.stack import Certificates

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
DEADLINE = 20.0


@dataclass
class System:
    """A hub and a node as processes of their own, and the environment that reaches them."""

    hub: "subprocess.Popen[str]"
    node: "subprocess.Popen[str]"
    url: str
    env: dict[str, str]
    start_node: Callable[..., "subprocess.Popen[str]"]

    def run(self, *words: str, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
        return run_command(*words, stdin=stdin, env=self.env | env)

    def run_shell(self, line: str) -> "subprocess.CompletedProcess[bytes]":
        """As a shell does, with its redirections."""
        return subprocess.run(["sh", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=self.env)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return start_command(*words, stdin=pipe, stdout=pipe, stderr=pipe, env=self.env)

    def wait_for_node(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while b'"n1"' not in self.run("nodes", "list", "--json").stdout:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def spawn(*words: str, env: dict[str, str]) -> "subprocess.Popen[str]":
    return start_command(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.fixture(scope="module", name="system")
def _system(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One for all tests that leave it as it was."""
    with serving(certificates, tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(name="own_system")
def _own_system(certificates: Certificates, tmp_path: Path) -> Iterator[System]:
    """One to kill parts of."""
    with serving(certificates, tmp_path) as system:
        yield system


@contextmanager
def serving(certificates: Certificates, folder: Path) -> Iterator[System]:
    env = {**os.environ, "OMNYSHELL_HOME": str(folder)}
    grants = folder / "grants"
    grants.write_text("# who\nadmin:admin-token:admin\nbox:box-token:node\ndev:dev-token:developer\n")
    (folder / "box.token").write_text("box-token\n")
    hub = spawn(
        "hub", "start", "--host", "127.0.0.1", "--port", "0", "--cert", str(certificates.cert),
        "--key", str(certificates.key), "--grant-token-file", str(grants), env=env,
    )  # fmt: skip
    assert hub.stdout is not None
    url = hub.stdout.readline().split()[-1]

    def start_node(*options: str) -> "subprocess.Popen[str]":
        return spawn(
            "node", "start", "--hub", url, "--id", "n1", "--principal", "box", "--label", "env=test",
            "--exec-resume-timeout", "3s", *options,
            "--token-file", str(folder / "box.token"), "--ca", str(certificates.ca), env=env,
        )  # fmt: skip

    node = start_node()
    access = {"HUB": url, "PRINCIPAL": "admin", "TOKEN": "admin-token", "CA": str(certificates.ca)}
    made = System(hub, node, url, env | {f"OMNYSHELL_{name}": value for name, value in access.items()}, start_node)
    try:
        made.wait_for_node()
        yield made
    finally:
        for process in (made.node, made.hub):
            process.terminate()
        for process in (made.node, made.hub):
            process.communicate(timeout=DEADLINE)


@pytest.fixture
def marker() -> str:
    """Seconds for a `sleep` that no other test, run or checkout on this machine starts."""
    return str(random.randrange(10**8, 10**9))


def running(marker: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            return True
    return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_exec_streams_and_exits_with_the_remote_code(system: System) -> None:
    done = system.run("exec", "n1", "cat; echo err >&2; exit 7", stdin=b"in")
    assert (done.stdout, done.stderr, done.returncode) == (b"in", b"err\n", 7)
    assert system.run("exec", "n1", "kill -TERM $$").returncode == 143
    assert system.run("exec", "n1", "printf", "'%s|'", "$((1+1))", "-e").stdout == b"2|-e|"
    assert system.run("exec", "--argv", "n1", "printf", "%s|", "$((1+1))", "a  b").stdout == b"$((1+1))|a  b|"
    done = system.run("exec", "--cwd", "/", "n1", "pwd; echo $GREETING", "--env", "GREETING=hi")
    assert done.stdout == b"/\nhi\n"
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


@pytest.mark.parametrize("redirection", [">/dev/full", "| true"])
def test_a_listing_that_nobody_takes_is_no_traceback(system: System, redirection: str) -> None:
    line = f"{OMNYSHELL} nodes list {redirection}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=DEADLINE, check=False, env=system.env)
    assert len(done.stderr.splitlines()) == (1 if "full" in redirection else 0)


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
        (("exec", "n1", "echo \udcff"), {}, "Unicode"),
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
    plain = System(own_system.hub, own_system.node, own_system.url, bare, own_system.start_node)
    assert b"admin (roles: admin)" in plain.run("whoami").stdout
    assert plain.run("exec", "n1", "echo hi").stdout == b"hi\n"
    without_scheme = own_system.url.removeprefix("wss://")
    assert plain.run("exec", "n1", "echo hi", "--hub", without_scheme).stdout == b"hi\n"
    assert plain.run("logout").returncode == 0
    assert plain.run("whoami").returncode == 255


def sleeping(system: System, marker: str) -> "subprocess.Popen[bytes]":
    """A command that sleeps, and whose client has heard that it runs."""
    client = system.start("exec", "n1", f"echo ready; exec sleep {marker}")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    until(lambda: running(marker))
    return client


def heard(client: "subprocess.Popen[bytes]") -> bytes:
    """The next line that a command says on stderr."""
    assert client.stderr is not None
    return client.stderr.readline()


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


@pytest.mark.parametrize("words", ["exec n1 true", "connect n1 -- true", "events", "--help", "exec --help"])
@pytest.mark.parametrize("stdout", ["/dev/full", "-"])
def test_a_stdout_that_takes_nothing_is_no_reason_for_a_traceback(system: System, words: str, stdout: str) -> None:
    redirection = ">&-" if stdout == "-" else f">{stdout}"
    done = system.run_shell(f"{OMNYSHELL} {words} {redirection}")
    assert done.returncode == (255 if stdout == "/dev/full" and "true" not in words else 0)
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == (1 if done.returncode else 0)


def test_an_operator_says_which_variables_are_refused(own_system: System) -> None:
    own_system.node.terminate()
    own_system.node.communicate()
    own_system.node = own_system.start_node("--refuse-env", "GIT_*", "--refuse-env", "LD_*")
    own_system.wait_for_node()
    given = [word for name in ("GIT_DIR", "LD_PRELOAD", "PYTHONPATH") for word in ("--env", f"{name}=/x")]
    assert own_system.run("exec", "n1", 'echo "$GIT_DIR,$LD_PRELOAD,$PYTHONPATH"', *given).stdout == b",,/x\n"


def test_a_node_runs_once_on_a_machine(own_system: System) -> None:
    second = own_system.start_node()
    _, said = second.communicate(timeout=DEADLINE)
    assert second.returncode == 255
    assert f"process {own_system.node.pid} runs the node n1 already" in said
    own_system.node.kill()
    own_system.node.communicate()
    own_system.node = own_system.start_node()
    own_system.wait_for_node()


def test_what_a_node_does_not_allow_is_not_blamed_on_roles(own_system: System) -> None:
    own_system.node.terminate()
    own_system.node.communicate()
    own_system.node = own_system.start_node("--allow-command", "echo *")
    own_system.wait_for_node()
    said = own_system.run("exec", "n1", "id").stderr
    assert b"does not allow that command [not_authorized]" in said
    assert b"--allow-command" in said
    assert b"roles" not in said


def test_a_restricted_node_warns_of_what_became_narrower_and_stays_restricted(
    own_system: System, tmp_path: Path
) -> None:
    own_system.node.terminate()
    own_system.node.communicate()
    config = tmp_path / "node.toml"
    config.write_text(
        'allow-command = ["echo", "echo a*", "*", "true *"]\n\n'
        '[[commands]]\nprogram = "/bin/echo"\narguments = ["rule"]\nrest = ["*"]\n'
    )
    own_system.node = own_system.start_node("--config", str(config))
    own_system.wait_for_node()
    assert own_system.run("exec", "n1", "echo").stdout == b"\n"
    assert own_system.run("exec", "n1", "echo ab").stdout == b"ab\n"
    assert own_system.run("exec", "n1", "echo rule 'b c'").stdout == b"rule b c\n"
    assert own_system.run("exec", "n1", "/bin/echo rule").stdout == b"rule\n"
    assert own_system.run("exec", "n1", "true -x --y z").returncode == 0
    for command in ("echo b", "echo a b", "echo rule -n", "id", "/bin/../bin/echo rule", "sh -c id"):
        done = own_system.run("exec", "n1", command)
        assert (done.returncode, done.stdout) == (255, b"")
        assert b"does not allow that command [not_authorized]" in done.stderr
    assert own_system.run("connect", "n1").returncode == 255
    own_system.node.terminate()
    _, said = own_system.node.communicate()
    assert "--allow-command 'echo': it lets echo run without words only" in said
    assert "write 'echo *' for that" in said
    assert "--allow-command 'echo a*': a wildcard stays within its word" in said
    assert "--allow-command '*': it lets nothing run: a program cannot be named by a wildcard" in said
    assert "'true *'" not in said
    own_system.node = own_system.start_node()


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


def test_a_killed_node_is_told_and_its_processes_are_ended_by_its_next_start(own_system: System, marker: str) -> None:
    client = sleeping(own_system, marker)
    own_system.node.kill()
    own_system.node.communicate()
    assert b"The node n1 disconnected; waiting for it" in heard(client)
    own_system.node = own_system.start_node()
    own_system.wait_for_node()
    until(lambda: not running(marker))
    # The session did not come back with its node.
    _, said = client.communicate(timeout=DEADLINE)
    assert client.returncode == 255
    assert b"n1 disconnected" in said


def test_a_killed_hub_is_told_and_its_node_comes_back(own_system: System, marker: str) -> None:
    client = sleeping(own_system, marker)
    own_system.hub.kill()
    own_system.hub.communicate()
    assert b"the connection to the hub was lost; waiting for it" in heard(client)
    # The command waits for a while on its node, and not for ever.
    until(lambda: not running(marker))
    client.kill()
    client.communicate()


def test_services_end_cleanly_at_sigterm(own_system: System, marker: str) -> None:
    client = sleeping(own_system, marker)
    started = time.monotonic()
    for process in (own_system.node, own_system.hub):
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert time.monotonic() - started < 8
    client.communicate(timeout=DEADLINE)
    assert not running(marker)


def test_a_node_goes_on_after_sighup(own_system: System) -> None:
    own_system.node.send_signal(signal.SIGHUP)
    assert own_system.node.stderr is not None
    while "SIGHUP changes nothing" not in (line := own_system.node.stderr.readline()):
        assert line
    assert own_system.run("exec", "n1", "echo still here").stdout == b"still here\n"


def test_a_node_that_was_dropped_comes_back(own_system: System) -> None:
    def peer() -> str:
        peers = json.loads(own_system.run("hub", "peers", "--json").stdout)
        return next((str(one["peerId"]) for one in peers if one["role"] == "node"), "")

    dropped = peer()
    assert own_system.run("hub", "drop", dropped).returncode == 0
    until(lambda: peer() not in ("", dropped))
    assert own_system.node.poll() is None


def test_a_refused_node_ends_with_code_1(system: System, certificates: Certificates) -> None:
    done = system.run(
        "node", "start", "--id", "n2", "--hub", system.url, "--principal", "box", "--ca", str(certificates.ca),
        OMNYSHELL_TOKEN="wrong",
    )  # fmt: skip
    assert done.returncode == 1
    assert b"refused" in done.stderr


@pytest.mark.parametrize(
    ("words", "damaged", "says"),
    [
        (("--ca", "/no/such/file"), False, "--ca"),
        ((), True, "damaged"),
        (("--state-dir", "/proc/none"), False, "/proc/none"),
    ],
)
def test_a_node_that_cannot_start_says_why_and_ends(
    tmp_path: Path, certificates: Certificates, words: tuple[str, ...], damaged: bool, says: str
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if damaged:
        (state / "uid-node-n2.json").write_text("{")
    with hub_process(certificates) as url:
        done = subprocess.run(
            [
                OMNYSHELL, "node", "start", "--id", "n2", "--hub", url, "--principal", "box", "--token", "box-token",
                "--ca", str(certificates.ca), "--state-dir", str(state), *words,
            ],
            capture_output=True, timeout=DEADLINE, text=True, check=False,
        )  # fmt: skip
    problems = [line for line in done.stderr.splitlines() if '"level": "info"' not in line]
    assert (done.returncode, len(problems)) == (255, 1)
    assert says in problems[0]


@contextmanager
def hub_process(certificates: Certificates) -> Iterator[str]:
    """A hub that knows the principal `box`, without standard input; yields its URL."""
    hub = subprocess.Popen(
        [
            "sh", "-c", 'exec "$@" <&-', "sh", OMNYSHELL, "hub", "start", "--host", "127.0.0.1", "--port", "0",
            "--cert", str(certificates.cert), "--key", str(certificates.key), "--grant-token", "box:box-token:node",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert hub.stdout is not None
        yield hub.stdout.readline().split()[-1]
    finally:
        hub.terminate()
        _, said = hub.communicate(timeout=DEADLINE)
    assert (hub.returncode, "Assertion" in said) == (0, False)


@pytest.fixture(scope="module", name="completion")
def _completion(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash is told to complete by."""
    path = tmp_path_factory.mktemp("completion") / "omnyshell.bash"
    path.write_bytes(system.run("completion", "bash").stdout)
    return path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("conn", {"connect"}),
        ("connect ", {"n1"}),
        ("tunnel open n", {"n1"}),
        ("access ", {"n1"}),
        ("access ann n", {"n1"}),
        ("access ann n1 ", set()),
        ("access --json --hub wss://h ann ", {"n1"}),
        ("access --hub = wss://h ann ", {"n1"}),
        ("access ann --js", {"--json"}),
        ("nodes list --j", {"--json"}),
        ("node ch", {"check"}),
        ("--ver", {"--version"}),
        ("connect --pr", {"--principal"}),
        ("exec n1 ", set()),
        ("exec n1 --cw", {"--cwd"}),
        ("hub start --log-level de", {"debug"}),
        ("nodes li", {"list"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("cert show hub", {"hub.pem"}),
    ],
)
def test_bash_completes_what_stands_there(
    system: System, completion: Path, tmp_path: Path, typed: str, offered: set[str]
) -> None:
    (tmp_path / "hub.pem").touch()
    script = (
        'source "$2"; read -ra COMP_WORDS <<< "$1"\n'
        '[[ $1 == *" " ]] && COMP_WORDS+=("")\n'
        'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _omnyshell; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = system.env | {"PATH": f"{Path(OMNYSHELL).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script, "bash", f"omnyshell {typed}", completion],
        capture_output=True, text=True, timeout=DEADLINE, check=True, cwd=tmp_path, env=env,
    )  # fmt: skip
    assert set(done.stdout.split()) == offered
