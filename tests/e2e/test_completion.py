"""What bash offers where somebody types, by the script that the program prints."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import OMNYSHELL
from support.deadline import DEADLINE
from support.in_one_test import in_one_test
from support.system import System, until

OWN = pwd.getpwuid(os.geteuid()).pw_name
"""As whom the node runs sessions, of which there is one."""

COMPLETIONS: dict[str, set[str]] = {
    "conn": {"connect"},
    "connect ": {"n1", f"{OWN}@n1"},
    "tunnel open n": {"n1"},
    "access ": {"n1"},
    "access ann n": {"n1"},
    "access ann n1 ": set(),
    "access --json --hub wss://h ann ": {"n1"},
    "access --hub = wss://h ann ": {"n1"},
    "access ann --js": {"--json"},
    "nodes list --j": {"--json"},
    "node ch": {"check"},
    "--ver": {"--version"},
    "connect --pr": {"--principal"},
    "exec n1 ": set(),
    "exec ": {"n1", f"{OWN}@n1"},
    "connect -u ": {OWN},
    "run --user ": {OWN},
    "exec n1 --cw": {"--cwd"},
    "hub start --log-level de": {"debug"},
    "nodes li": {"list"},
    "completion ": {"bash", "zsh", "fish"},
    "cert show hub": {"hub.pem"},
    "cp ": {"hub.pem", "n1:"},
    "cp hub.pem n": {"n1:"},
    "ssh-config --accept ": {"n1"},
}
"""What is typed, and what is offered then."""

CLOSING = "forwards close "

SCRIPT = """
source "$1"; shift
for typed; do
    read -ra COMP_WORDS <<< "$typed"
    [[ $typed == *" " ]] && COMP_WORDS+=("")
    COMPREPLY=(); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _omnyshell; echo "${COMPREPLY[@]}"
done
"""


@pytest.fixture(scope="module", name="offered")
def _offered(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """What one bash offers for each, beside a file `hub.pem`."""
    place = tmp_path_factory.mktemp("completion")
    (place / "hub.pem").touch()
    script = tmp_path_factory.mktemp("script") / "omnyshell.bash"
    printed = system.run("completion", "bash").stdout
    # A key is not held up for more than two seconds; a busy machine has longer here.
    assert b" timeout 2 " in printed
    script.write_bytes(printed.replace(b" timeout 2 ", b" timeout %d " % DEADLINE))
    env = system.env | {"PATH": f"{Path(OMNYSHELL).parent}:{os.environ['PATH']}"}
    shell = system.start("connect", "n1")
    forward = system.start("forward", "n1", "0:localhost:1")
    until(lambda: b'"user"' in system.run("sessions", "list", "--json").stdout)
    until(lambda: b"n1" in system.run("forwards", "list").stdout)
    typed = (*COMPLETIONS, CLOSING)
    # Each starts the program once, as no other test does so often.
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", script, *(f"omnyshell {words}" for words in typed)],
        capture_output=True, text=True, timeout=len(typed) * DEADLINE, check=True, cwd=place, env=env,
    )  # fmt: skip
    yield dict(zip(typed, (set(line.split()) for line in done.stdout.splitlines()), strict=True))
    forward.terminate()
    forward.communicate(timeout=DEADLINE)
    shell.communicate(b"exit\n", DEADLINE)


@in_one_test("typed", COMPLETIONS)
def test_bash_completes_what_stands_there(offered: dict[str, set[str]], typed: str) -> None:
    assert offered[typed] == COMPLETIONS[typed]


def test_what_is_open_is_offered_to_whoever_closes_it(system: System, offered: dict[str, set[str]]) -> None:
    (line,) = system.run("forwards", "list").stdout.decode().splitlines()[1:]
    assert offered[CLOSING] == {line.split()[0]}
