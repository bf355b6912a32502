"""The options of `omnyshell-console`; the settings that it keeps between starts are in `tui/settings.py`."""

from msgspec.structs import replace

from omnyshell.options.option import Option
from omnyshell.services.access_options import (
    ALLOW_UNBOUND,
    BIND_CERTIFICATE,
    CA,
    HUB,
    KEY,
    KEY_PASSPHRASE_FILE,
    PRINCIPAL,
    TOKEN_FILE,
)
from omnyshell.services.service_options import CONFIG, STRICT_MODES

WHICH_HUB = (
    replace(HUB, help="its URL, or the name of a saved login"),
    replace(PRINCIPAL, help="who you are"),
    replace(KEY, help="log in with this private key: a file, or agent[:COMMENT] for one of ssh-agent"),
    replace(KEY_PASSPHRASE_FILE, help="its passphrase is in this file; asked for if not given"),
    replace(TOKEN_FILE, help="log in with the token in this file"),
    replace(CA, help="trust these certificates about the hub"),
    replace(BIND_CERTIFICATE, help="the hub's own certificate, where a proxy ends TLS before it"),
    ALLOW_UNBOUND,
    STRICT_MODES,
)
"""Options that the console behind each page of `--web` gets too."""

COLOURS = ("auto", "true", "256", "16", "none")
LOOK = (
    Option(
        "--colors",
        "how many colours the terminal has, in place of what is known of it and of the setting",
        "NUMBER",
        choices=COLOURS,
    ),
)

LOCAL = Option("--local", "this machine's own hub, whatever logins are saved", kind="flag")

ALONE = (
    Option("--headless", "serve the hub alone, without a terminal, until SIGTERM", kind="flag"),
    replace(CONFIG, help="with --headless: the file of `omnyshell hub start --config`"),
)

BROWSER = (
    Option("--web", "serve the console to a browser on this machine", kind="flag"),
    Option("--port", "with --web: the port; a free one if not given", "N", "int", default=0),
    Option("--client-only", "never start a hub on this machine, only connect to one", kind="flag"),
)

GROUPS = (
    ("which hub", (*WHICH_HUB, LOCAL)),
    ("how it looks", LOOK),
    ("the hub alone", ALONE),
    ("in a browser", BROWSER),
)
OPTIONS = tuple(option for _, options in GROUPS for option in options)
