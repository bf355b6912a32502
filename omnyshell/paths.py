"""Where OmnyShell keeps its files: `platformdirs`' places, or all of them below `OMNYSHELL_HOME`."""

import os
from pathlib import Path

import platformdirs

APP = "omnyshell"
HOME_VARIABLE = "OMNYSHELL_HOME"


def config_dir() -> Path:
    """The directory of saved logins and configuration files."""
    return _below_home("config") or platformdirs.user_config_path(APP)


def state_dir() -> Path:
    """The directory of identities, databases, logs and what runs."""
    return _below_home("state") or platformdirs.user_state_path(APP)


def logins_file() -> Path:
    """The file of saved logins."""
    return config_dir() / "logins.json"


def _below_home(name: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return Path(home).expanduser() / name if home else None
