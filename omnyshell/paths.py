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
    """The directory of identities, databases, logs and what runs."""
    return _below_home("state") or _platform_dir("state")


def logins_file() -> Path:
    """The file of saved logins."""
    return config_dir() / "logins.json"


def bound_hubs_file() -> Path:
    """The file of hubs that a client never proves itself to in a weaker way again."""
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
    # Imported where it is needed: it is a tenth of what a cold command imports.
    import platformdirs

    try:
        return platformdirs.user_config_path(APP) if kind == "config" else platformdirs.user_state_path(APP)
    except RuntimeError as exc:
        # No HOME, and a user that the system does not know.
        raise ConfigException(f"there is no home directory: set HOME, or {HOME_VARIABLE} to a directory") from exc
