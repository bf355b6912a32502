"""What a command is, and options that many commands share."""

from enum import Enum
from importlib import import_module
from typing import NamedTuple

from omnyshell.options.option import Option


class Rest(Enum):
    """Which words a command keeps as they are. All of them keep what stands behind `--`."""

    NOTHING = "nothing"
    BEHIND_DASHES = "behind dashes"
    FROM_FIRST_WORD = "from first word"
    """All from the first one that is no option."""

    BEHIND_NODE = "behind node"
    """All from the second one that is no option: the first names the node. Behind it the command's options end with the
    first word that is none of `among_words`, as those of `ssh`."""


class Command(NamedTuple):
    """One command: its words, its help, and the function that carries it out."""

    words: tuple[str, ...]
    help: str
    handler: str
    """`module:function` below `omnyshell.cli`; the function takes the parsed options and returns an exit code."""

    declared: tuple[Option, ...] | str = ()
    """Its options, or the `module:NAME` that holds them, as a service's options take long to load."""

    keeps: Rest = Rest.NOTHING
    """Which words are kept for the command, as `rest`."""

    among_words: frozenset[str] = frozenset()
    """The options that are still its own behind the first word of the rest, where that has to follow an argument."""

    configurable: bool = False
    """Whether the options may come from a file, by `--config FILE`."""

    more: str = ""
    """`module:function` below `omnyshell.cli`: the text that its help ends with."""

    advice: str = ""
    """Advice for the error on words that it does not take."""

    @property
    def name(self) -> str:
        """The words as they are typed."""
        return " ".join(self.words)

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options and arguments."""
        if not isinstance(self.declared, str):
            return self.declared
        module, _, name = self.declared.partition(":")
        found: tuple[Option, ...] = getattr(import_module(module), name)
        return found


NODE = Option("node", "node to use, by its id", "NODE")
JSON = Option("--json", "print JSON", kind="flag")
