"""What the command line asks for: secrets that are not given otherwise, on the terminal and without echo."""

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
"""Set where nobody is to be asked anything: by completion, which a shell runs while somebody types."""


def can_ask() -> bool:
    """Tell whether somebody can be asked: there is a terminal, and it is ours to read from.

    Standard input may be a pipe meanwhile. In the background, also below `timeout`, reading would stop the process.
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


def ask_secret(question: str, otherwise: str) -> str:
    """Return what is typed, without white space around it.

    Raises `ConfigException` where nothing is, or nobody can be asked: `otherwise` says how else it is given.
    """
    answer = ask_exactly(question, otherwise).strip()
    if not answer:
        raise ConfigException(otherwise)
    return answer


def ask_exactly(question: str, otherwise: str) -> str:
    """Return what is typed, as it is; raises as `ask_secret` does."""
    answer = _ask(question) if can_ask() else ""
    if not answer:
        raise ConfigException(otherwise)
    return answer


def ask_passphrase(path: Path) -> Iterator[str]:
    """Yield what is typed for a key's passphrase, three times at most.

    Raises `ConfigException` where nobody can be asked, or who is asked leaves with ctrl+d.
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
    """Return a passphrase that is typed twice.

    Raises `ConfigException` where nobody can be asked, which `otherwise` says what to do about, or one is empty.
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
    """Ask without echo. Raises `ConfigException` where the answer is ctrl+d or no text, or would be seen."""
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
    """End the line of a question that has no answer, where it was asked."""
    with suppress(OSError), Path("/dev/tty").open("w") as terminal:
        terminal.write("\n")
