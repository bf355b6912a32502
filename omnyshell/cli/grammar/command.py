"""What a command is, and options that many commands share."""

from importlib import import_module
from typing import NamedTuple

from omnyshell.options.option import Option


class Command(NamedTuple):
    """One command: its words, its help, and the function that carries it out."""

    words: tuple[str, ...]
    help: str
    handler: str
    """`module:function` below `omnyshell.cli`; the function takes the parsed options and returns an exit code."""

    declared: tuple[Option, ...] | str = ()
    """Its options, or the `module:NAME` that holds them, as a service's options take long to load."""

    takes_rest: bool = False
    """Whether words after `--` are kept for the command, as `rest`."""

    takes_words: bool = False
    """Whether all words from the first one that is no option are kept for the command, as `rest`."""

    configurable: bool = False
    """Whether the options may come from a file, by `--config FILE`."""

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
