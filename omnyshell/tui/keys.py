"""The keys of the console, in one table: bindings, footer, help screen and documentation all come from it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding, BindingType

USUAL_LEADER = "ctrl+]"


class Context(StrEnum):
    """Where a key has an effect; the value is its heading in the help."""

    EVERYWHERE = "Everywhere but in a terminal"
    OVERVIEW = "Overview"
    TABLE = "Tables"
    NODES = "Nodes"
    NODE = "A node's page"
    MACHINE = "The machine on a node's page"
    SESSIONS = "Sessions"
    TUNNELS = "Tunnels"
    AUDIT = "Audit"
    PROCESSES = "Processes"
    FILES = "Files"
    VIEWER = "A file that is viewed"
    TERMINAL = f"Terminals: after {USUAL_LEADER}"
    PANES = f"Panes of a tab: after {USUAL_LEADER}"
    COPY = "Copy mode"
    WATCH = "Watched sessions"
    WALL = "Wall"
    FORM = "Forms and dialogs"
    HELP = "Help"
    LINE = "A line to paste"
    FAN_OUT = "A command on many nodes"
    ACCESS = "Who may use the hub"
    HUBS = "The hubs"
    COLUMNS = "Choosing columns"
    FIELDS = "Copying a field"
    OUTPUT = "Output of a command of your own"

    @property
    def slug(self) -> str:
        """Its name in a file."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Key:
    """The effect of a key in a context.

    `keys` are Textual's names, separated by commas. `text` is for the footer, `more` for the help if `text` is not
    enough. `early` keys are handled before the focused widget gets them, unless a terminal has the focus.
    """

    context: Context
    keys: str
    action: str
    text: str
    more: str = ""
    shown: str = ""
    footer: bool = True
    early: bool = False
    listed: bool = True
    """Whether help and documentation list it; the keys of a series are explained with the first one."""

    @property
    def name(self) -> str:
        """The action's name in a file: `cursor-up` for `cursor('up')`."""
        return re.sub(r"[^a-z0-9]+", "-", self.action.replace("-", "minus-")).strip("-")

    @property
    def is_plain(self) -> bool:
        """Whether it needs no line of keys to be known: it moves, or another key stands for it."""
        return not self.listed or self.action.partition("(")[0] in _MOVES

    @property
    def label(self) -> str:
        """The keys as they are displayed."""
        return self.shown or " ".join(map(name_of, self.keys.split(",")))


_MOVES = ("cursor", "go", "move", "page", "turn")

_NAMES = {
    "slash": "/",
    "full_stop": ".",
    "X": "shift+x",
    "colon": ":",
    "question_mark": "?",
    "right_square_bracket": "]",
    "ctrl+right_square_bracket": "ctrl+]",
    "left_square_bracket": "[",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
    "A": "shift+a",
    "S": "shift+s",
    "G": "shift+g",
    "L": "shift+l",
    "D": "shift+d",
    "H": "shift+h",
    "R": "shift+r",
    "C": "shift+c",
    "J": "shift+j",
    "K": "shift+k",
    "shift+up": "shift+↑",
    "shift+down": "shift+↓",
}


def name_of(key: str) -> str:
    """Return how one of Textual's keys is displayed."""
    return _NAMES.get(key, key)


def character_of(key: str) -> str | None:
    """Return what a key types into a line; None for one that types nothing."""
    typed = key if len(key) == 1 else name_of(key)
    return typed if len(typed) == 1 and typed.isascii() else None


KEYS: tuple[Key, ...] = (
    Key(Context.EVERYWHERE, "f1,question_mark", "show_help", "Help", "These keys", shown="?"),
    Key(Context.EVERYWHERE, "ctrl+p", "command_palette", "Commands", "Find a command, a node or a session", early=True),
    Key(
        Context.EVERYWHERE, "colon", "command_line", "Prompt", "A line for commands and panels by name, with completion"
    ),
    Key(Context.EVERYWHERE, "f2", "show_overview", "Overview", "Nodes, sessions, tunnels, audit", footer=False),
    Key(Context.EVERYWHERE, "f3", "show_terminals", "Terminals", "The terminals attached here", footer=False),
    Key(Context.EVERYWHERE, "f4", "show_wall", "Wall", "Previews of all detached sessions", footer=False),
    Key(Context.EVERYWHERE, "f9", "show_settings", "Settings", "Theme, colours, leader and the like", footer=False),
    Key(Context.EVERYWHERE, "f10", "choose_hub", "Hub", "Go to another hub", footer=False),
    Key(
        Context.EVERYWHERE, "ctrl+q", "quit_console", "Quit", "Leave; live sessions are detached, and go on", early=True
    ),
    Key(Context.OVERVIEW, "1", "show_panel('nodes')", "Nodes", "Go to a panel", shown="1…4", footer=False),
    Key(Context.OVERVIEW, "2", "show_panel('sessions')", "Sessions", footer=False, listed=False),
    Key(Context.OVERVIEW, "3", "show_panel('tunnels')", "Tunnels", footer=False, listed=False),
    Key(Context.OVERVIEW, "4", "show_panel('audit')", "Audit", footer=False, listed=False),
    Key(Context.OVERVIEW, "tab", "next_panel", "Next panel", footer=False),
    Key(Context.OVERVIEW, "shift+tab", "previous_panel", "Previous panel", footer=False),
    Key(Context.OVERVIEW, "z", "zoom", "Zoom", "Give the panel the whole screen, or back", footer=False),
    Key(Context.OVERVIEW, "q", "say_how_to_leave", "How to leave", "Say which key leaves the console", footer=False),
    Key(Context.OVERVIEW, "d", "toggle_details", "Details", "All that is known of the row"),
    Key(
        Context.OVERVIEW,
        "v",
        "toggle_preview",
        "Preview",
        "The selected session's screen as it is, without attaching",
        footer=False,
    ),
    Key(
        Context.OVERVIEW,
        "u",
        "show_access",
        "Users",
        "Who may use the hub, and what is locked",
        footer=False,
    ),
    Key(
        Context.OVERVIEW,
        "H",
        "show_hubs",
        "Hubs",
        "The hubs, where there are several: how each stands, and how old what is shown of it is",
        footer=False,
    ),
    Key(Context.OVERVIEW, "backspace", "go_back", "Back", "Back to where `g` was pressed", footer=False),
    Key(Context.NODES, "enter", "open", "Open", "The node's page: its machine, sessions, tunnels, audit and processes"),
    Key(Context.NODES, "o", "shell", "Shell", "Open a shell on the node", shown="o"),
    Key(Context.NODES, "c", "command", "Command", "Open a session: command, directory, environment, terminal or not"),
    Key(Context.NODES, "x", "fan_out", "Run", "Run a command on all selected nodes"),
    Key(Context.NODES, "i", "invite", "Invite", "Invite a node or a person: shows the line to paste"),
    Key(Context.NODES, "R", "revoke", "Revoke", "Revoke what the node logs in with, after asking", footer=False),
    Key(
        Context.NODES, "l", "labels", "Labels", "Set the hub's labels of the node, a ceiling for its own", footer=False
    ),
    Key(
        Context.NODES,
        "L",
        "lock",
        "Lock",
        "Lock the node: nobody may do anything there",
        footer=False,
    ),
    Key(Context.NODES, "t", "open_tunnel", "Tunnel", "Open a tunnel to something beside the node", footer=False),
    Key(Context.NODES, "f", "files", "Files", "This machine's files beside the node's: copy, view, edit", footer=False),
    Key(Context.MACHINE, "enter", "shell", "Shell", "Open a shell on the node"),
    Key(Context.NODE, "o,enter", "shell", "Shell", "Open a shell on the node", shown="o", footer=False),
    Key(Context.NODE, "c", "command", "Command", "Open a session: command, directory, environment, terminal or not"),
    Key(Context.NODE, "x", "fan_out", "Run", "Run a command on the node"),
    Key(Context.NODE, "t", "open_tunnel", "Tunnel", "Open a tunnel to something beside the node"),
    Key(Context.NODE, "f", "files", "Files", "This machine's files beside the node's: copy, view, edit"),
    Key(Context.NODE, "l", "labels", "Labels", "Set the hub's labels of the node", footer=False),
    Key(Context.NODE, "L", "lock", "Lock", "Lock the node: nobody may do anything there", footer=False),
    Key(Context.NODE, "R", "revoke", "Revoke", "Revoke what the node logs in with, after asking", footer=False),
    Key(Context.NODE, "1", "show_part('node')", "Node", "Go to a part of the page", shown="1…5", footer=False),
    Key(Context.NODE, "2", "show_part('sessions')", "Sessions", footer=False, listed=False),
    Key(Context.NODE, "3", "show_part('tunnels')", "Tunnels", footer=False, listed=False),
    Key(Context.NODE, "4", "show_part('audit')", "Audit", footer=False, listed=False),
    Key(Context.NODE, "5", "show_part('processes')", "Processes", footer=False, listed=False),
    Key(Context.NODE, "tab", "next_part", "Next part", footer=False),
    Key(Context.NODE, "shift+tab", "previous_part", "Previous part", footer=False),
    Key(Context.NODE, "z", "zoom", "Zoom", "Give the part the whole screen, or back", footer=False),
    Key(Context.NODE, "d", "toggle_details", "Details", "All that is known of the row", footer=False),
    Key(Context.NODE, "escape,q", "close", "Back", "Back to where it was opened"),
    Key(Context.PROCESSES, "enter", "open", "Attach", "Attach the session that the process belongs to"),
    Key(Context.FILES, "enter,right", "open", "Open", "Go into the directory, or view the file", shown="enter"),
    Key(Context.FILES, "backspace,left,h", "above", "Above", "Go to the directory above", shown="←"),
    Key(Context.FILES, "tab", "other_pane", "Side", "Go to the other machine's pane"),
    Key(Context.FILES, "c", "copy_over", "Copy", "Copy what is selected into the directory of the other pane"),
    Key(Context.FILES, "v", "view", "View", "View the beginning of the file", footer=False),
    Key(
        Context.FILES,
        "e",
        "edit",
        "Edit",
        "Edit the file here, in $VISUAL or $EDITOR; it is put back if it is unchanged there",
    ),
    Key(Context.FILES, "r", "rename", "Rename", "Give it another name"),
    Key(Context.FILES, "x", "delete", "Delete", "Delete what is selected, after asking"),
    Key(Context.FILES, "n", "make_folder", "New directory", "Make a directory"),
    Key(Context.FILES, "g", "go_to", "Go to", "Go to a directory by its path", footer=False),
    Key(Context.FILES, "full_stop", "hidden", "Hidden", "Show names that begin with a dot, or hide them", footer=False),
    Key(Context.FILES, "f5,ctrl+r", "reload", "Reload", "Read the directory again", footer=False),
    Key(
        Context.FILES,
        "X",
        "stop",
        "Stop copying",
        "Stop what is copied and what waits; when it is copied again it goes on from there",
        footer=False,
    ),
    Key(Context.FILES, "q", "close", "Close", "Back; what is copied goes on"),
    Key(Context.VIEWER, "escape,q", "close", "Close"),
    Key(Context.SESSIONS, "enter", "open", "Attach", "Attach; one attached elsewhere is taken over"),
    Key(Context.SESSIONS, "w", "watch", "Watch", "Look on without attaching"),
    Key(
        Context.SESSIONS, "D", "detach", "Detach", "Take the selected ones from their clients; they go on", footer=False
    ),
    Key(Context.SESSIONS, "x", "kill", "Kill", "End the selected sessions, after asking"),
    Key(Context.TUNNELS, "enter", "open", "Details", footer=False),
    Key(Context.TUNNELS, "t", "open_tunnel", "Open", "Open a tunnel"),
    Key(Context.TUNNELS, "x", "close_tunnels", "Close", "Close the selected tunnels and forwards, after asking"),
    Key(Context.AUDIT, "enter,g", "open", "Go to", "Go to the session, node or principal it names"),
    Key(Context.AUDIT, "R", "revoke", "Revoke", "Revoke the principal that it names, after asking", footer=False),
    Key(
        Context.AUDIT,
        "h",
        "all_hubs",
        "All hubs",
        "Show what the other hubs recorded too, as it is now; or this hub's records alone",
    ),
    Key(Context.AUDIT, "p", "pause", "Pause", "Stop following new records, or follow again"),
    Key(
        Context.AUDIT,
        "A",
        "acknowledge",
        "Acknowledge",
        "Say that you know that the trail was tampered with, after asking",
        footer=False,
    ),
    Key(Context.TABLE, "slash", "filter", "Filter", "Show only rows that match; see below"),
    Key(Context.TABLE, "space", "select", "Select", "Select the row, for actions on several", footer=False),
    Key(Context.TABLE, "a", "select_all", "All", "Select all rows that are shown, or none", footer=False),
    Key(
        Context.TABLE,
        "escape",
        "clear",
        "Clear",
        "Drop the selection; then back to where `g` was pressed, or drop the filter",
        footer=False,
    ),
    Key(Context.TABLE, "s", "sort_next", "Sort", "Sort by the next column", footer=False),
    Key(Context.TABLE, "S", "sort_reverse", "Reverse", "Sort the other way round", footer=False),
    Key(Context.TABLE, "y", "copy", "Copy", "Copy a field of the row; `y` again what identifies it", footer=False),
    Key(Context.TABLE, "C", "columns", "Columns", "Choose the columns and their order", footer=False),
    Key(Context.TABLE, "up,k", "cursor('up')", "Up", footer=False),
    Key(Context.TABLE, "down,j", "cursor('down')", "Down", footer=False),
    Key(Context.TABLE, "pageup", "cursor('page_up')", "Page up", footer=False),
    Key(Context.TABLE, "pagedown", "cursor('page_down')", "Page down", footer=False),
    Key(Context.TABLE, "home", "cursor('first')", "First row", footer=False),
    Key(Context.TABLE, "end,G", "cursor('last')", "Last row", footer=False),
    Key(Context.TERMINAL, "d", "detach", "Detach", "Detach the session; it goes on"),
    Key(Context.TERMINAL, "x", "kill", "Kill", "End the session, after asking; so does `k` where a tab has one pane"),
    Key(Context.TERMINAL, "n", "next", "Next", "Next tab"),
    Key(Context.TERMINAL, "p", "previous", "Previous", "Previous tab"),
    Key(Context.TERMINAL, "1", "go_to_tab(1)", "Tab", "The tab of that number; `0` the tenth, or the last", "1…9 0"),
    *(Key(Context.TERMINAL, str(at), f"go_to_tab({at})", "Tab", listed=False) for at in range(2, 10)),
    Key(Context.TERMINAL, "0", "go_to_tab(10)", "Tab", listed=False),
    Key(Context.TERMINAL, "o", "overview", "Overview"),
    Key(Context.TERMINAL, "t", "new_shell", "New shell", "Another shell on the same node"),
    Key(Context.TERMINAL, "c", "copy_mode", "Copy mode", "Move, select and copy with keys"),
    Key(Context.TERMINAL, "slash", "search", "Search", "Search in the screen and what is above it, while you type"),
    Key(Context.TERMINAL, "i", "signal", "Signal", "Send a signal to the program"),
    Key(Context.TERMINAL, "r", "rename", "Rename", "Give the tab a name"),
    Key(Context.TERMINAL, "colon", "command_line", "Prompt", "A line for commands, as everywhere"),
    Key(Context.TERMINAL, "question_mark", "help", "Help"),
    Key(
        Context.PANES,
        "s,percent_sign",
        "split('beside')",
        "Beside",
        "Another shell on the same node beside this pane",
        shown="s %",
    ),
    Key(Context.PANES, "v,quotation_mark", "split('below')", "Below", "Another shell below this pane", shown='v "'),
    Key(Context.PANES, "m", "bring", "Bring", "Bring a terminal of another tab, or a detached session, to this tab"),
    Key(Context.PANES, "exclamation_mark", "break_out", "To a tab", "Give the pane a tab of its own", shown="!"),
    Key(Context.PANES, "left,h", "focus('left')", "Go", "To the pane at that side; also `h` `j` `k` `l`", shown="←↓↑→"),
    Key(Context.PANES, "down,j", "focus('down')", "Go down", footer=False, listed=False),
    Key(Context.PANES, "up", "focus('up')", "Go up", footer=False, listed=False),
    Key(Context.PANES, "k", "up_or_kill", "Go up", footer=False, listed=False),
    Key(Context.PANES, "right,l", "focus('right')", "Go right", footer=False, listed=False),
    Key(Context.PANES, "tab", "focus_next", "Next pane", "To the next pane of the tab", footer=False),
    Key(
        Context.PANES,
        "H,ctrl+left",
        "resize('left')",
        "Resize",
        "Move a border, as `ctrl` and arrows do; then arrows too, until another key or two seconds without one",
        shown="HJKL",
    ),
    Key(Context.PANES, "J,ctrl+down", "resize('down')", "Resize", footer=False, listed=False),
    Key(Context.PANES, "K,ctrl+up", "resize('up')", "Resize", footer=False, listed=False),
    Key(Context.PANES, "L,ctrl+right", "resize('right')", "Resize", footer=False, listed=False),
    Key(Context.PANES, "equals_sign,E", "even", "Even", "Give the panes equal room", shown="="),
    Key(Context.PANES, "z", "zoom", "Zoom", "The pane alone, and back"),
    Key(Context.PANES, "space", "arrange", "Arrange", "The next arrangement: tiled, columns, lines, one large"),
    Key(
        Context.PANES,
        "right_curly_bracket",
        "swap(1)",
        "Swap",
        "Change places with the next pane; `{` with the one before; `ctrl+o` moves all on",
        shown="}",
        footer=False,
    ),
    Key(Context.PANES, "left_curly_bracket", "swap(-1)", "Swap", footer=False, listed=False),
    Key(Context.PANES, "ctrl+o", "rotate", "Rotate", footer=False, listed=False),
    Key(Context.PANES, "a", "all_keys", "Keys to all", "Send keys and pastes to all panes of the tab, or no more"),
    Key(Context.COPY, "v,space", "select", "Select", "Select from here; `V` whole lines, `ctrl+v` a block", shown="v"),
    Key(Context.COPY, "y,enter", "copy", "Copy", "Copy the selection, and leave copy mode"),
    Key(Context.COPY, "h,j,k,l", "move", "Move", "As the arrows; also `w` `b` `e`, `0` `^` `$`, `g` `G`, and pages"),
    Key(Context.COPY, "slash", "search", "Search", "Search upwards; `n` and `N` go on"),
    Key(Context.COPY, "o", "swap", "Swap", "Go to the other end of the selection"),
    Key(Context.COPY, "escape,q", "leave", "Leave", "Back to the program"),
    Key(Context.WATCH, "a,enter", "attach", "Attach", "Attach the session that is watched"),
    Key(Context.WATCH, "up,k", "move(-1)", "Up", footer=False),
    Key(Context.WATCH, "down,j", "move(1)", "Down", footer=False),
    Key(Context.WATCH, "pageup", "page(-1)", "Page up", footer=False),
    Key(Context.WATCH, "pagedown", "page(1)", "Page down", footer=False),
    Key(Context.WATCH, "escape,q", "close", "Close", "Look no longer"),
    Key(Context.WALL, "enter,a", "attach", "Attach", "Attach the selected session", shown="enter"),
    Key(Context.WALL, "w", "watch", "Watch", "Look on without attaching"),
    Key(Context.WALL, "y", "copy", "Copy", "Copy the session's id, or its node's", footer=False),
    Key(Context.WALL, "x", "kill", "Kill", "End the selected session, after asking"),
    Key(Context.WALL, "left,h", "go(-1, 0)", "Left", footer=False),
    Key(Context.WALL, "right,l", "go(1, 0)", "Right", footer=False),
    Key(Context.WALL, "up,k", "go(0, -1)", "Up", footer=False),
    Key(Context.WALL, "down,j", "go(0, 1)", "Down", footer=False),
    Key(Context.WALL, "pageup", "turn(-1)", "Page up", footer=False),
    Key(Context.WALL, "pagedown", "turn(1)", "Page down", footer=False),
    Key(Context.WALL, "escape,q", "back", "Back", "Back to where one came from"),
    Key(Context.FAN_OUT, "g", "group", "Group", "Nodes with equal output together, or each by itself"),
    Key(Context.FAN_OUT, "c", "cancel", "Cancel", "End what runs still"),
    Key(Context.FAN_OUT, "escape,q", "close", "Close", "Leave; asks where something runs still"),
    Key(Context.ACCESS, "x,R", "revoke", "Revoke", "Revoke what is selected, or unlock it, after asking", shown="x"),
    Key(Context.ACCESS, "y", "copy", "Copy", "Copy a field of the row", footer=False),
    Key(Context.ACCESS, "i", "invite", "Invite", "Invite a node or a person"),
    Key(Context.ACCESS, "l", "lock", "Lock", "Lock whose row it is, or a principal, node or role by its name"),
    Key(Context.ACCESS, "colon", "command_line", "Prompt", "A line for commands, as everywhere"),
    Key(Context.ACCESS, "space", "select", "Select", "Select the row"),
    Key(Context.ACCESS, "up,k", "cursor('up')", "Up", footer=False),
    Key(Context.ACCESS, "down,j", "cursor('down')", "Down", footer=False),
    Key(Context.ACCESS, "pageup", "cursor('page_up')", "Page up", footer=False),
    Key(Context.ACCESS, "pagedown", "cursor('page_down')", "Page down", footer=False),
    Key(Context.ACCESS, "escape,q", "close", "Close"),
    Key(
        Context.HUBS,
        "d",
        "drain",
        "Drain",
        "Have a hub hand its nodes and clients over, or take some again",
    ),
    Key(Context.HUBS, "i", "invite", "Invite", "Invite another hub: shows the line by which it joins"),
    Key(Context.HUBS, "x", "remove", "Remove", "Have a hub be no member any more, after asking"),
    Key(Context.HUBS, "y", "copy", "Copy", "Copy a field of the row"),
    Key(Context.HUBS, "colon", "command_line", "Prompt", "A line for commands, as everywhere"),
    Key(Context.HUBS, "up,k", "cursor('up')", "Up", footer=False),
    Key(Context.HUBS, "down,j", "cursor('down')", "Down", footer=False),
    Key(Context.HUBS, "pageup", "cursor('page_up')", "Page up", footer=False),
    Key(Context.HUBS, "pagedown", "cursor('page_down')", "Page down", footer=False),
    Key(Context.HUBS, "escape,q", "close", "Close"),
    Key(Context.LINE, "c,enter", "copy", "Copy", "Copy the line", shown="c"),
    Key(Context.LINE, "w", "write", "Write", "Write it into a file in your home, which only you can read"),
    Key(Context.LINE, "escape,q", "close", "Close", shown="esc"),
    Key(Context.COLUMNS, "space", "show_or_hide", "Show", "Show the column, or hide it"),
    Key(Context.COLUMNS, "shift+up,K", "move(-1)", "Move up"),
    Key(Context.COLUMNS, "shift+down,J", "move(1)", "Move down"),
    Key(Context.COLUMNS, "a", "reset", "All", "All columns, in their own order"),
    Key(Context.COLUMNS, "up,k", "cursor('up')", "Up", footer=False),
    Key(Context.COLUMNS, "down,j", "cursor('down')", "Down", footer=False),
    Key(Context.COLUMNS, "enter", "save", "Save", "Use them from now on"),
    Key(Context.COLUMNS, "escape,q", "close", "Close", "Leave them as they were"),
    Key(Context.FIELDS, "y,1", "copy(1)", "First", "Copy what identifies the row; by number another", "y 1…9"),
    *(Key(Context.FIELDS, str(at), f"copy({at})", "By number", listed=False) for at in range(2, 10)),
    Key(Context.FIELDS, "k", "cursor('up')", "Up", footer=False),
    Key(Context.FIELDS, "j", "cursor('down')", "Down", footer=False),
    Key(Context.FIELDS, "escape,q", "close", "Close", "Copy nothing"),
    Key(Context.OUTPUT, "escape,q", "close", "Close", "Leave; what runs still is ended", shown="esc"),
    Key(Context.FORM, "escape", "close", "Close", "Close without doing anything"),
    Key(Context.FORM, "down,right", "move(1)", "Next", "To the next field, as `tab`", footer=False),
    Key(Context.FORM, "up,left", "move(-1)", "Previous", "To the field before, as `shift+tab`", footer=False),
    Key(Context.HELP, "slash", "search", "Find", "Show what has all of these words"),
    Key(Context.HELP, "q,escape", "close", "Close", "Show everything again, or close", shown="q esc"),
)


def use(keys: tuple[Key, ...]) -> None:
    """Put other keys in the place of the table, before any module reads it that makes bindings."""
    global KEYS
    KEYS = keys


def label_of(context: Context, name: str) -> str:
    """Return the first key for an action as it is displayed; "" if it has none."""
    return next((key.label.split(" ")[0] for key in keys_of(context) if key.name == name), "")


def keys_of(*contexts: Context) -> list[Key]:
    """Return the keys of these contexts, in the table's order."""
    return [key for key in KEYS if key.context in contexts]


def bindings(*contexts: Context) -> list[BindingType]:
    """Return the keys of these contexts as Textual wants them."""
    return [
        Binding(
            key.keys,
            key.action,
            key.text,
            show=key.footer,
            key_display=key.label,
            priority=key.early,
            tooltip=key.more,
        )
        for key in keys_of(*contexts)
    ]


def sections() -> list[tuple[Context, list[Key]]]:
    """Return the keys by context, in the order of `Context`; contexts without keys are left out."""
    found: dict[Context, list[Key]] = {context: [] for context in Context}
    for key in KEYS:
        if key.listed:
            found[key.context].append(key)
    return [(context, members) for context, members in found.items() if members]


def as_markdown() -> str:
    """Return the table as a page of documentation."""
    lines: list[str] = []
    for context, members in sections():
        lines += [f"### {context}", "", f"| key | name in `[{context.slug}]` | what it does |", "| --- | --- | --- |"]
        lines += [f"| `{key.label}` | `{key.name}` | {key.more or key.text} |" for key in members]
        lines.append("")
    return "\n".join(lines)
