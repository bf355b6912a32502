"""Where OmnyShell keeps its files: `platformdirs`' places, or all of them below `OMNYSHELL_HOME`."""

import os
from pathlib import Path

from omnyshell.errors import ConfigException

APP = "omnyshell"
HOME_VARIABLE = "OMNYSHELL_HOME"


def config_dir() -> Path:
    """The directory of saved logins and configuration files."""
    return _below_home("config") or _platform_dir("config")


def state_dir() -> Path:
    """The directory of identities, databases, logs and records of running processes."""
    return _below_home("state") or _platform_dir("state")


def logins_file() -> Path:
    """The file of saved logins."""
    return config_dir() / "logins.json"


def bound_hubs_file() -> Path:
    """The file of hubs to which a client no longer sends proofs that do not name the hub."""
    return config_dir() / "bound-hubs"


def user_path(text: str) -> Path:
    """Return a path as a user wrote it, with `~` taken for home. Raises `ConfigException` where there is no home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as exc:
        raise ConfigException(f"{text}: there is no such home directory") from exc


def _below_home(name: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return user_path(home) / name if home else None


def _platform_dir(kind: str) -> Path:
    # Imported late: it takes a tenth of the import time of a cold command.
    import platformdirs

    try:
        return platformdirs.user_config_path(APP) if kind == "config" else platformdirs.user_state_path(APP)
    except RuntimeError as exc:
        # HOME is not set, and the user id has no entry in the user database.
        raise ConfigException(f"there is no home directory: set HOME, or {HOME_VARIABLE} to a directory") from exc
