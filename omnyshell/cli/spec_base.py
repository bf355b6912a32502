"""What a command and an option are, and those that many commands share."""

from typing import NamedTuple


class Option(NamedTuple):
    """One option or argument, in the words of `argparse`."""

    name: str
    help: str
    metavar: str | None = None
    kind: str = "text"
    """`text`, `int`, `float`, `flag`, `list` (may be repeated), `file` or `directory` (text that is a path)."""

    default: object = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    """Whether an argument (a name without dashes) may be left out."""

    required: bool = False

    @property
    def is_argument(self) -> bool:
        """Whether it stands by position."""
        return not self.name.startswith("-")

    @property
    def key(self) -> str:
        """Its name as an attribute, and as a key of a configuration file with dashes for underscores."""
        return self.name.lstrip("-").replace("-", "_")


class Command(NamedTuple):
    """One command: its words, what it says about itself, and the function that does it."""

    words: tuple[str, ...]
    help: str
    handler: str
    """`module:function` below `omnyshell.cli`; the function takes the parsed options and returns an exit code."""

    options: tuple[Option, ...] = ()
    takes_rest: bool = False
    """Whether words behind `--` are kept for the command, as `rest`."""

    configurable: bool = False
    """Whether `--config FILE` may give the options."""

    advice: str = ""
    """What to do where there are words that it does not take."""

    has_node_labels: bool = False
    """Whether its file may hold `[nodes.ID.labels]`."""

    @property
    def name(self) -> str:
        """The words as they are typed."""
        return " ".join(self.words)


ACCESS = (
    Option("--hub", "hub to use, as wss://host:port (OMNYSHELL_HUB)", "URL"),
    Option("--principal", "who to log in as (OMNYSHELL_PRINCIPAL)", "NAME"),
    Option("--token", "token to log in with; OMNYSHELL_TOKEN and --token-file keep it off the command line", "TOKEN"),
    Option("--token-file", "file that holds the token (OMNYSHELL_TOKEN_FILE)", "FILE", "file"),
    Option("--key", "Ed25519 key to log in with (OMNYSHELL_KEY)", "FILE", "file"),
    Option("--ca", "certificates to trust instead of the system's (OMNYSHELL_CA)", "FILE", "file"),
)

NODE = Option("node", "node to use, by its id", "NODE")
JSON = Option("--json", "print JSON", kind="flag")
