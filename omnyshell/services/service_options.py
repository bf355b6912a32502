"""Options that hub and node share."""

from omnyshell.options.option import SWITCH, Option

CONFIG = Option("--config", "file with options, in TOML: keys are the options' names", "FILE", "file")
STRICT_MODES = Option(
    "--strict-modes",
    "take files only where nobody else can have written them; false is for containers whose files have other owners "
    "(OMNYSHELL_STRICT_MODES)",
    "BOOL",
    choices=SWITCH,
)
LOG_LEVEL = Option(
    "--log-level", "how much to log", "LEVEL", default="info", choices=("debug", "info", "warning", "error")
)
LOG_FORMAT = Option(
    "--log-format",
    "how to log; auto is text on a terminal and JSON elsewhere",
    "FORMAT",
    default="auto",
    choices=("auto", "text", "json"),
    restart=True,
)
