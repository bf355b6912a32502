"""Secrets that are asked for in a real terminal: nobody sees them, and nobody is asked who cannot answer."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.hub_process import HubProcess
from support.stack import Certificates
from support.tmux import OMNYSHELL, Terminal

from omnyshell.security.keys import Ed25519PrivateKey

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture(scope="module")
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def key(tmp_path: Path, private_key: Ed25519PrivateKey) -> Path:
    path = tmp_path / "ann.key"
    private_key.save(path, passphrase=b"open sesame")
    return path


@pytest.fixture(scope="module")
def hub(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, private_key: Ed25519PrivateKey
) -> Iterator[HubProcess]:
    """One for all: what they do is at its clients."""
    place = tmp_path_factory.mktemp("hub")
    keys = place / "authorized_keys"
    keys.write_text(f"ann {private_key.public_key.to_base64()} admin\n")
    made = HubProcess(certificates, place / "hub", "--authorized-keys", str(keys))
    made.start_and_wait()
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def terminal(certificates: Certificates, tmp_path: Path, key: Path, hub: HubProcess) -> Iterator[Terminal]:
    variables = {
        "OMNYSHELL_HOME": os.environ["OMNYSHELL_HOME"],
        "OMNYSHELL_HUB": f"wss://127.0.0.1:{hub.port}",
        "OMNYSHELL_PRINCIPAL": "ann",
        "OMNYSHELL_CA": str(certificates.ca),
        "OMNYSHELL_KEY": str(key),
    }
    made = Terminal(tmp_path, variables)
    # tmux has what the tests have, which nobody is to be asked in.
    made.type("unset OMNYSHELL_NO_PROMPT; stty -a | grep -c ' echo '; clear", "Enter")
    try:
        yield made
    finally:
        made.close()


def run(terminal: Terminal, command: str) -> None:
    """Begin with an empty screen, so that what is waited for is of this command."""
    terminal.type("clear", "Enter")
    terminal.hides("code=")
    terminal.type(f"{command}; echo code=$?", "Enter")


def test_a_wrong_passphrase_is_asked_for_again(terminal: Terminal) -> None:
    run(terminal, "omnyshell whoami")
    terminal.shows("Passphrase of ")
    terminal.type("wrong", "Enter")
    terminal.shows("that is not its passphrase")
    # What is typed before a prompt is there is thrown away, as everywhere where secrets are asked for.
    terminal.shows_times("Passphrase of ", 2)
    terminal.type("open sesame", "Enter")
    screen = terminal.shows("code=0")
    assert "ann (roles: admin)" in screen
    assert "sesame" not in screen


def test_after_three_wrong_ones_a_command_gives_up(terminal: Terminal) -> None:
    run(terminal, "omnyshell whoami")
    for asked in range(1, 4):
        terminal.shows_times("Passphrase of ", asked)
        terminal.type("wrong", "Enter")
    screen = terminal.shows("code=255")
    assert screen.count("Passphrase of") == 3
    assert "is wrong" in screen


@pytest.mark.parametrize(("key_pressed", "code"), [("C-c", 130), ("C-d", 255), ("Enter", None)])
def test_whoever_does_not_know_it_leaves_with_echo_on(terminal: Terminal, key_pressed: str, code: int | None) -> None:
    run(terminal, "omnyshell whoami")
    terminal.shows("Passphrase of ")
    terminal.type(key_pressed, "")
    if code is None:
        terminal.shows("that is not its passphrase")
        return
    screen = terminal.shows(f"code={code}")
    assert "Traceback" not in screen
    # What follows begins a line of its own.
    assert f"\ncode={code}" in screen
    terminal.type("stty -a | grep -o ' echo '", "Enter")
    terminal.shows("\n echo")


def test_a_command_in_a_pipeline_asks_and_keeps_its_input(terminal: Terminal) -> None:
    run(terminal, "printf piped | { omnyshell nodes list 2>/dev/null >/dev/null; cat; }")
    terminal.shows("Passphrase of ")
    terminal.type("open sesame", "Enter")
    terminal.shows("pipedcode=0")


def test_who_is_in_the_background_or_completes_is_not_asked(terminal: Terminal) -> None:
    for command in (
        "x=$(timeout 20 omnyshell nodes list)",
        "OMNYSHELL_NO_PROMPT=1 omnyshell nodes list",
        "setsid -w omnyshell nodes list",
        "omnyshell nodes list & wait $!",
    ):
        run(terminal, command)
        screen = terminal.shows("code=255")
        assert "there is no terminal to ask on" in screen.replace("\n", "")
        assert "Passphrase of" not in screen


def test_completion_neither_asks_nor_hangs(terminal: Terminal) -> None:
    terminal.type("clear; PS1='bash> ' exec bash --norc", "Enter")
    terminal.prompts()
    terminal.type("source <(omnyshell completion bash); clear", "Enter")
    terminal.shows("bash>")
    terminal.type("omnyshell exec ", "Tab", "Tab", "C-u", "echo alive=$((40+2))", "Enter")
    assert "Passphrase" not in terminal.shows("alive=42")


def test_a_key_gets_its_passphrase_typed_twice(terminal: Terminal, tmp_path: Path) -> None:
    run(terminal, "omnyshell keygen --passphrase --out new.key --principal ann")
    terminal.shows("Passphrase for the key:")
    terminal.type("one", "Enter")
    terminal.shows("The same again:")
    terminal.type("two", "Enter")
    terminal.shows("these are two passphrases")
    for prompt in ("Passphrase for the key:", "The same again:"):
        terminal.shows_times(prompt, 2)
        terminal.type("new secret", "Enter")
    screen = terminal.shows("code=0")
    assert "new secret" not in screen
    key = Ed25519PrivateKey.load(tmp_path / "new.key", b"new secret")
    assert f"ann {key.public_key.to_base64()} ROLE,ROLE" in screen.replace("\n", "")


def test_the_token_of_an_invite_is_pasted_at_a_prompt(
    terminal: Terminal, certificates: Certificates, hub: HubProcess
) -> None:
    invite = subprocess.run(
        [OMNYSHELL, "nodes", "invite", "--id", "box", "--hub", f"wss://127.0.0.1:{hub.port}", "--principal", "admin",
         "--token", "admin-token", "--ca", str(certificates.ca)],
        capture_output=True, text=True, check=True, timeout=DEADLINE,
    )  # fmt: skip
    assignment, _, command = invite.stdout.strip().partition(" ")
    run(terminal, f"{command} --no-start")
    terminal.shows("Token of the invite:")
    token = assignment.partition("=")[2]
    terminal.type(token, "Enter")
    screen = terminal.shows("code=0")
    assert "as node box" in screen
    assert token not in screen
