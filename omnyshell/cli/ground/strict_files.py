"""Strict modes of a hub or node, as its options set them."""

import argparse
import logging
from collections.abc import Iterable

from omnyshell.options.option import Option
from omnyshell.options.values import read
from omnyshell.paths import user_path
from omnyshell.security.strict_modes import OFF, StrictModes

logger = logging.getLogger("omnyshell.cli")


def strict_modes(options: argparse.Namespace) -> StrictModes:
    """Return the strict modes from the options; warn if they are off."""
    strict = StrictModes.said(options.strict_modes)
    if not strict.is_on:
        logger.warning("--strict-modes %s: files that others can write are trusted", OFF)
    return strict


def check_files(strict: StrictModes, options: argparse.Namespace, declared: Iterable[Option]) -> None:
    """Check each file and directory that an option names. Raises `ConfigException` that names the option."""
    for option in declared:
        if option.kind in ("file", "directory") and getattr(options, option.key):
            read(vars(options), option.key, lambda path: strict.check(user_path(path)))
