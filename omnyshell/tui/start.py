"""Finds the hub that the console is for, and runs the console."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from omnyshell.errors import ConfigException
from omnyshell.security.key_files import PassphraseException
from omnyshell.services.client.access import given_access
from omnyshell.tui import keys
from omnyshell.tui.colours.depth import UNABLE, depth_of
from omnyshell.tui.encoding import settle_encoding
from omnyshell.tui.hub_places import Place, chosen_place
from omnyshell.tui.key_map import key_map_file, read_keys
from omnyshell.tui.log import log_to_file, where
from omnyshell.tui.settings import ConsoleSettings, settings_file

SWITCH_INTERVAL = 0.001
"""The interval, in seconds, for switches between the threads of screen and embedded hub: a fifth of Python's
default."""


def start(options: argparse.Namespace) -> int:
    """Run the console until it is left; returns its exit code."""
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigException("the console needs a terminal; --headless serves the hub without one")
    _check_term()
    sys.setswitchinterval(SWITCH_INTERVAL)
    settings = ConsoleSettings.load(settings_file())
    place, needs_passphrase = _place(options)
    if place is not None:
        # The hub starts while the rest is being loaded.
        place.begin()
    try:
        log_to_file()
    except OSError as exc:
        raise ConfigException(f"cannot write {where()}: {exc.strerror}") from exc
    return _run(settings, place, options, needs_passphrase=needs_passphrase)


def _check_term() -> None:
    """Refuse a terminal in which nothing can be placed. Raises `ConfigException`."""
    term = os.environ.get("TERM", "")
    if term.lower() in UNABLE and "TEXTUAL_DRIVER" not in os.environ:
        said = f"TERM is {term}" if term else "TERM is not set"
        raise ConfigException(
            f"{said}, which is no terminal where text can be placed: set TERM to what this one is, as TERM=xterm or "
            "TERM=linux; the commands of `omnyshell` work in any"
        )


def _place(options: argparse.Namespace) -> tuple[Place | None, bool]:
    """The chosen hub, and whether its key's passphrase is missing, for which the console then asks."""
    try:
        return chosen_place(options), False
    except PassphraseException as exc:
        if not exc.is_missing:
            raise
        return None, True


def forget_what_is_loaded() -> None:
    """Enable garbage collection, except for the objects loaded so far, which takes as long as several frames."""
    gc.freeze()
    gc.enable()


def _take_own_keys() -> list[str]:
    """Put the user's keys in place, before the modules are loaded that bind keys; returns what is wrong with them."""
    try:
        keys.use(read_keys(key_map_file()))
    except ConfigException as exc:
        return [str(exc)]
    return []


def _run(settings: ConsoleSettings, place: Place | None, options: argparse.Namespace, *, needs_passphrase: bool) -> int:
    # Beside the imports: tmux, where that is asked, may take its time.
    depth = ThreadPoolExecutor(1).submit(depth_of, options.colors or settings.colors, os.environ)
    wrong = _take_own_keys()
    # Loaded while the hub starts.
    from omnyshell.tui.app import ConsoleApp
    from omnyshell.tui.driver import ConsoleDriver
    from omnyshell.tui.own.reading import read_own

    try:
        settings.own = read_own(settings_file())
    except ConfigException:
        if place is not None:
            place.leave()
        raise

    if "TEXTUAL_DRIVER" not in os.environ and sys.__stderr__ is not None:
        ConsoleDriver.encoding = settle_encoding(sys.__stderr__, sys.stdin.fileno())
    forget_what_is_loaded()
    wanted = given_access(vars(options))
    while True:
        app = ConsoleApp(
            settings,
            place,
            wanted=wanted,
            client_only=options.client_only,
            needs_passphrase=needs_passphrase,
            wrong=wrong,
            depth=depth.result(),
        )
        try:
            code = app.run()
        finally:
            farewell = app.place.leave() if app.place is not None else []
        place, wanted, needs_passphrase, wrong = app.next_place, {}, False, []
        if place is None:
            break
    _say([*app.farewell, *farewell])
    return code if code is not None else app.return_code or 0


def _say(lines: Sequence[str]) -> None:
    """Print lines where the console was, unless the terminal is gone."""
    with suppress(OSError):
        for line in lines:
            print(line, flush=True)
