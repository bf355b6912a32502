"""What the `:` line takes, in one table: commands with arguments, and one for each action of the table of keys."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from omnyshell.tui.keys import Context, Key, keys_of


class Takes(StrEnum):
    """What a word of a command is, which decides what it is completed by."""

    FILTER = "a filter"
    NODE = "a node"
    PLACE = "a node, or a user there"
    SESSION = "a session"
    TUNNEL = "a tunnel"
    PRINCIPAL = "a principal"
    HUB = "a hub"
    THEME = "a theme"
    COLUMN = "a column"
    SAVED = "a saved filter"
    NAME = "a name"
    TEXT = "a text"


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `takes` says what its words are: `FILTER` and `TEXT` are all the rest, and the last one repeats.

    With fewer than `needs` words it is what the key of this name does, where that key holds.
    """

    name: str
    about: str
    usage: str = ""
    takes: tuple[Takes, ...] = ()
    needs: int = 0
    keys: tuple[Key, ...] = ()
    is_declared: bool = True
    """Whether it does more than a key does."""

    @property
    def method(self) -> str:
        """The method that does it, of what carries commands out."""
        return f"do_{self.name.replace('-', '_')}"


DECLARED: Final = (
    Command("nodes", "Go to the nodes, or to those that a filter shows", "[FILTER]", (Takes.FILTER,)),
    Command("sessions", "Go to the sessions, or to those that a filter shows", "[FILTER]", (Takes.FILTER,)),
    Command("tunnels", "Go to the tunnels, or to those that a filter shows", "[FILTER]", (Takes.FILTER,)),
    Command("audit", "Go to the audit trail, or to the records that a filter shows", "[FILTER]", (Takes.FILTER,)),
    Command("node", "Go to a node", "NODE", (Takes.NODE,), 1),
    Command("shell", "Open a shell on a node, as the user that is named", "[[USER@]NODE]", (Takes.PLACE,), 1),
    Command("exec", "Run a command in a terminal on a node", "[USER@]NODE COMMAND", (Takes.PLACE, Takes.TEXT), 2),
    Command("files", "Files of a node beside those here, as the user named", "[[USER@]NODE]", (Takes.PLACE,), 1),
    Command(
        "run",
        "Run a command on the selected nodes, or else on those that the filter shows, or on the one under the cursor",
        "[COMMAND]",
        (Takes.TEXT,),
    ),
    Command("attach", "Attach a session", "[SESSION]", (Takes.SESSION,), 1),
    Command("watch", "Look on at a session without attaching", "[SESSION]", (Takes.SESSION,), 1),
    Command("kill", "End sessions, after asking", "[SESSION...]", (Takes.SESSION,), 1),
    Command(
        "tunnel",
        "Open a tunnel to a port beside a node; without a public port to a free one; `http` adds forwarding headers, "
        "`tls` has the hub speak TLS",
        "[NODE [HOST:]PORT [PUBLIC] [http] [tls]]",
        (Takes.NODE, Takes.NAME, Takes.NAME),
    ),
    Command("close", "Close tunnels and forwards, after asking", "[TUNNEL...]", (Takes.TUNNEL,), 1),
    Command("lock", "Lock a node: nobody may do anything there", "[NODE]", (Takes.NODE,), 1),
    Command("labels", "Set the hub's labels of a node", "[NODE]", (Takes.NODE,), 1),
    Command("revoke", "Revoke a principal, after asking", "[PRINCIPAL]", (Takes.PRINCIPAL,), 1),
    Command("invite", "Invite a node or a person: shows the line to paste"),
    Command("users", "Who may use the hub, and what is locked"),
    Command("hubs", "The hubs, where there are several, and how each stands"),
    Command("filter", "Show only what a filter shows; without one, everything", "[FILTER]", (Takes.FILTER,)),
    Command("save", "Keep the panel's filter under a name, for `@NAME`", "NAME", (Takes.NAME,), 1),
    Command("forget", "Drop a saved filter", "NAME", (Takes.SAVED,), 1),
    Command("columns", "Choose the panel's columns and their order; `all`: the usual", "[COLUMN...]", (Takes.COLUMN,)),
    Command("sort", "Order the rows by a column; with `-` the other way round", "[-]COLUMN", (Takes.COLUMN,), 1),
    Command("hub", "Go to another hub, by URL or login name; `local` is this machine's", "[HUB]", (Takes.HUB,), 1),
    Command("theme", "Use a theme from now on", "NAME", (Takes.THEME,), 1),
)  # fmt: skip

OTHER_NAMES: Final = {
    "q": "quit",
    "q!": "quit",
    "wq": "quit",
    "h": "help",
    "no": "nodes",
    "s": "sessions",
    "ls": "sessions",
}
"""Short ways to say some of them."""

_PLACES: Final = {
    Context.EVERYWHERE: "everywhere",
    Context.OVERVIEW: "the overview",
    Context.NODES: "the nodes",
    Context.SESSIONS: "the sessions",
    Context.TUNNELS: "the tunnels",
    Context.AUDIT: "the audit",
    Context.TABLE: "the panels",
    Context.TERMINAL: "terminals",
    Context.PANES: "terminals",
    Context.WALL: "the wall",
    Context.FILES: "files",
    Context.ACCESS: "the list of users",
    Context.HUBS: "the list of hubs",
}
"""Where keys do what a command is worth having for."""

_NO_COMMANDS: Final = (
    "cursor",
    "go",
    "turn",
    "next_panel",
    "previous_panel",
    "command_line",
    "go_to_tab",
    "focus",
    "resize",
)
"""Actions that are moves, and the line itself."""


def name_of(key: Key) -> str:
    """Return what the command is called that does what a key does; "" for none."""
    is_move = key.action.partition("(")[0] in _NO_COMMANDS
    return "" if is_move or not key.listed or key.context not in _PLACES else key.text.lower().replace(" ", "-")


def all_commands() -> dict[str, Command]:
    """Return every command by its name: the declared ones first, then those of keys."""
    found = {command.name: command for command in DECLARED}
    for key in keys_of(*Context):
        name = name_of(key)
        if name:
            command = found.setdefault(name, Command(name, key.more or key.text, is_declared=False))
            found[name] = replace(command, keys=(*command.keys, key))
    return found


def as_markdown() -> str:
    """Return the table as a page of documentation has it."""
    lines = ["| command | what it does | where |", "| --- | --- | --- |"]
    for command in all_commands().values():
        usage = f" {command.usage}" if command.usage else ""
        where = ", ".join(places(command))
        lines.append(f"| `:{command.name}{usage}` | {command.about} | {where} |")
    return "\n".join(lines) + "\n"


def places(command: Command) -> list[str]:
    """Where it does something, in the words of the help; none for everywhere."""
    contexts = [key.context for key in command.keys]
    is_everywhere = command.is_declared or Context.EVERYWHERE in contexts
    return [] if is_everywhere else list(dict.fromkeys(_PLACES[context] for context in contexts))
