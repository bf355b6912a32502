"""Options that select a hub of this machine, and set how its files are checked."""

from omnyshell.options.option import Option
from omnyshell.services.service_options import STRICT_MODES

HUB_PLACE = (
    Option("--state-dir", "state directory of the hub; found by itself where there is only one", "DIR", "directory"),
    Option("--hub-config", "hub.toml of the hub, which says where its state directory is", "FILE", "file"),
    STRICT_MODES,
)
