"""Options that say which hub of this machine is meant."""

from omnyshell.options.option import Option

HUB_PLACE = (
    Option("--state-dir", "state directory of the hub; found by itself where there is only one", "DIR", "directory"),
    Option("--hub-config", "hub.toml of the hub, which says where its state directory is", "FILE", "file"),
)
