"""Hub and node as programs: how they start, are told things, are killed, and come back."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.commands import OMNYSHELL, run_text
from support.deadline import DEADLINE
from support.stack import Certificates
from support.system import System, heard, running, sleeping, until


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
    for process in (own_system.node, own_system.hub):
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
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
        done = run_text(
            "node", "start", "--id", "n2", "--hub", url, "--principal", "box", "--token", "box-token",
            "--ca", str(certificates.ca), "--state-dir", str(state), "--run-as-node-user", *words,
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
