"""Options that say which hub of this machine is meant, and how its files are judged."""

from omnyshell.options.option import Option
from omnyshell.services.service_options import STRICT_MODES

HUB_PLACE = (
    Option("--state-dir", "state directory of the hub; found by itself where there is only one", "DIR", "directory"),
    Option("--hub-config", "hub.toml of the hub, which says where its state directory is", "FILE", "file"),
    STRICT_MODES,
)
