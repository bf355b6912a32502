"""The console's log file, as log lines would disturb its screen."""

import logging
import logging.handlers
from pathlib import Path

from omnyshell.log_format import TextFormatter
from omnyshell.paths import state_dir
from omnyshell.security.files import make_private_directory

MAX_BYTES = 1_000_000


def where() -> Path:
    """The console's log file; one older one is kept beside it."""
    return state_dir() / "console.log"


def log_to_file() -> None:
    """Log warnings and worse to the file, from every part of the process. Raises `OSError`."""
    make_private_directory(where().parent)
    handler = logging.handlers.RotatingFileHandler(where(), maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
