"""What a user has of one's own in the console."""

from dataclasses import dataclass, field

from omnyshell.tui.preferences.command import OwnCommand


@dataclass(slots=True)
class Own:
    """Filters by name, the columns of panels in their order, and commands; changed as the user saves others."""

    filters: dict[str, str] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By the panel's name, the names of the columns' fields."""

    commands: tuple[OwnCommand, ...] = ()

    def commands_of(self, panel: str) -> list[OwnCommand]:
        """The commands on the rows of a panel."""
        return [command for command in self.commands if command.panel == panel]
