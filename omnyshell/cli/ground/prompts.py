"""Prompts for secrets that are not given otherwise, on the terminal and without echo."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.printable import printable

TRIES = 3
"""How often a passphrase may be wrong."""

NEVER = "OMNYSHELL_NO_PROMPT"
"""The variable that forbids prompts; completion sets it, as a shell runs it while the user types."""


def can_ask() -> bool:
    """Tell whether a prompt is possible: there is a terminal, and this process may read from it.

    Standard input may still be a pipe. A background process, also one started by `timeout`, would be stopped by
    reading.
    """
    if os.environ.get(NEVER):
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def ask_line(question: str) -> str:
    """Prompt on stderr, where output that is kept does not end, and return the answer; "" where nothing is answered."""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def is_asked() -> bool:
    """Tell whether somebody types the answers: scripts and services are not asked."""
    return sys.stdin is not None and sys.stdin.isatty() and can_ask()


def ask_secret(question: str, otherwise: str) -> str:
    """Prompt for a secret, and return it without white space around it.

    Raises `ConfigException` if nothing is typed, or no prompt is possible; `otherwise` says how else to give the
    secret.
    """
    answer = ask_exactly(question, otherwise).strip()
    if not answer:
        raise ConfigException(otherwise)
    return answer


def ask_exactly(question: str, otherwise: str) -> str:
    """Prompt for a secret, and return it unchanged; raises as `ask_secret` does."""
    answer = _ask(question) if can_ask() else ""
    if not answer:
        raise ConfigException(otherwise)
    return answer


def ask_passphrase(path: Path) -> Iterator[str]:
    """Yield the answers to prompts for a key's passphrase, three at most.

    Raises `ConfigException` if no prompt is possible, or the user answers with ctrl+d.
    """
    if not can_ask():
        text = "give it in a file with --key-passphrase-file, or in OMNYSHELL_KEY_PASSPHRASE"
        raise ConfigException(f"{path} needs its passphrase, and there is no terminal to ask on: {text}")
    for left in reversed(range(TRIES)):
        yield _ask(f"Passphrase of {printable(str(path))}: ")
        if left:
            print("omnyshell: that is not its passphrase", file=sys.stderr, flush=True)


KEY_OTHERWISE = "give the passphrase in a file with --key-passphrase-file, or in OMNYSHELL_KEY_PASSPHRASE"


def new_passphrase(what: str = "the key", otherwise: str = KEY_OTHERWISE) -> str:
    """Prompt twice for a new passphrase, and return it.

    Raises `ConfigException` if no prompt is possible (`otherwise` says what to do instead), or an answer is empty.
    """
    if not can_ask():
        raise ConfigException(f"there is no terminal to ask on: {otherwise}")
    for _ in range(TRIES):
        passphrase = _ask(f"Passphrase for {what}: ")
        if not passphrase:
            raise ConfigException("the passphrase is empty: it would protect nothing")
        if _ask("The same again: ") == passphrase:
            return passphrase
        print("omnyshell: these are two passphrases", file=sys.stderr, flush=True)
    raise ConfigException("no passphrase was typed the same twice")


def _ask(question: str) -> str:
    """Prompt without echo.

    Raises `ConfigException` if the answer is ctrl+d or not text, or echo cannot be switched off.
    """
    import getpass
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(question)
    except KeyboardInterrupt:
        _end_line()
        raise
    except EOFError as exc:
        _end_line()
        raise ConfigException("nothing was answered") from exc
    except UnicodeDecodeError as exc:
        raise ConfigException("what was typed is no text in this terminal's encoding") from exc
    except getpass.GetPassWarning as exc:
        raise ConfigException("this terminal shows what is typed: give it in a file, or in the environment") from exc


def _end_line() -> None:
    """End the line of a prompt that got no answer."""
    with suppress(OSError), Path("/dev/tty").open("w") as terminal:
        terminal.write("\n")
