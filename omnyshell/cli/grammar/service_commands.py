"""The commands for services that start with the machine."""

from omnyshell.cli.grammar.command import Command
from omnyshell.options.option import Option
from omnyshell.services.service_options import STRICT_MODES

_KIND = Option("kind", "what runs as a service", "node|hub", choices=("node", "hub"))
_USER = Option("--user", "a service of your own, instead of the machine's", kind="flag")

INSTALL = Command(
    ("service", "install"),
    "have a node or a hub start with the machine, under systemd or launchd",
    "service.commands:install",
    (
        _KIND,
        _USER,
        Option("--config", "its configuration file; that of the only node joined if not given", "FILE", "file"),
        Option("--dry-run", "print the files, and write nothing", kind="flag"),
        STRICT_MODES,
    ),
)

SERVICE: tuple[Command, ...] = (
    INSTALL,
    Command(
        ("service", "status"),
        "say whether such a service runs",
        "service.commands:status",
        (_KIND, _USER),
    ),
    Command(
        ("service", "logs"),
        "print what such a service logged",
        "service.commands:logs",
        (
            _KIND,
            _USER,
            Option("--follow", "go on with what comes", kind="flag"),
            Option("--lines", "begin so many lines before the end", "N", "int", default=50),
        ),
    ),
    Command(
        ("service", "uninstall"),
        "stop and remove such a service; what it has kept stays",
        "service.commands:uninstall",
        (_KIND, _USER),
    ),
)
