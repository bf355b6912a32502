"""The right that the action of each key takes, or none, and whether it takes a row.

A test fails for an action that is not declared here.
"""

from collections.abc import Mapping

from omnyshell.tui.keys import Context
from omnyshell.tui.rights import Need

_MOVES = ("cursor", "select")


def _none(*actions: str) -> dict[str, Need | None]:
    return dict.fromkeys(actions)


_OF_NODES: Mapping[str, Need | None] = {
    "shell": Need.SHELL,
    "command": Need.SESSION,
    "fan_out": Need.EXEC,
    "open_tunnel": Need.EXPOSE,
    "files": Need.FILES,
    "revoke": Need.ADMIN,
    "labels": Need.ADMIN,
    "lock": Need.ADMIN,
}

NEEDS: Mapping[Context, Mapping[str, Need | None]] = {
    Context.EVERYWHERE: _none(
        "show_help",
        "command_palette",
        "show_overview",
        "show_terminals",
        "show_wall",
        "show_settings",
        "choose_hub",
        "quit_console",
        "command_line",
    ),
    Context.OVERVIEW: {
        **_none(
            "show_panel",
            "next_panel",
            "previous_panel",
            "zoom",
            "toggle_details",
            "go_back",
            "say_how_to_leave",
            "show_hubs",
        ),
        "toggle_preview": Need.WATCH,
        "show_access": Need.ADMIN,
    },
    Context.TABLE: _none("filter", "select_all", "clear", "sort_next", "sort_reverse", "columns", "copy", *_MOVES),
    Context.NODES: {
        "open": None,
        "invite": Need.ADMIN,
        **_OF_NODES,
    },
    Context.NODE: {
        **_none("show_part", "next_part", "previous_part", "zoom", "toggle_details", "close"),
        **_OF_NODES,
    },
    Context.MACHINE: {"shell": Need.SHELL},
    Context.PROCESSES: {"open": Need.SHELL},
    # The node's files are there for whoever came to them: the hub has judged.
    Context.FILES: _none(
        "open",
        "above",
        "other_pane",
        "copy_over",
        "view",
        "edit",
        "rename",
        "delete",
        "make_folder",
        "go_to",
        "hidden",
        "reload",
        "stop",
        "close",
    ),
    Context.VIEWER: _none("close"),
    Context.SESSIONS: {"open": Need.SHELL, "watch": Need.WATCH, "detach": Need.WATCH, "kill": Need.KILL},
    Context.TUNNELS: {**_none("open"), "open_tunnel": Need.EXPOSE_ANYWHERE, "close_tunnels": Need.OWNER},
    Context.AUDIT: {**_none("open", "pause"), "all_hubs": Need.ADMIN, "revoke": Need.ADMIN, "acknowledge": Need.ADMIN},
    Context.TERMINAL: {
        **_none(
            "detach",
            "next",
            "previous",
            "overview",
            "copy_mode",
            "search",
            "signal",
            "rename",
            "help",
            "go_to_tab",
            "command_line",
        ),
        # What one has attached ends by being closed; what was taken over is only left by that.
        "kill": Need.END,
        "new_shell": Need.SHELL,
    },
    Context.PANES: {
        **_none(
            "all_keys",
            "arrange",
            "break_out",
            "bring",
            "even",
            "focus",
            "focus_next",
            "resize",
            "rotate",
            "swap",
            "zoom",
        ),
        "split": Need.SHELL,
        # With several panes it goes to another one: it is judged where it ends something.
        "up_or_kill": None,
    },
    Context.COPY: _none("copy", "move", "search", "swap", "leave", "select"),
    Context.WATCH: {**_none("move", "page", "close"), "attach": Need.SHELL},
    Context.WALL: {
        **_none("go", "turn", "back", "copy"),
        "attach": Need.SHELL,
        "watch": Need.WATCH,
        "kill": Need.KILL,
    },
    Context.FORM: _none("close", "move"),
    Context.HELP: _none("close", "search"),
    Context.COLUMNS: _none("close", "cursor", "move", "reset", "save", "show_or_hide"),
    Context.FIELDS: _none("close", "copy", "cursor"),
    Context.OUTPUT: _none("close"),
    Context.LINE: _none("copy", "write", "close"),
    Context.FAN_OUT: _none("group", "cancel", "close"),
    Context.ACCESS: {
        **_none("close", "copy", "command_line", *_MOVES),
        "revoke": Need.ADMIN,
        "invite": Need.ADMIN,
        "lock": Need.ADMIN,
    },
    Context.HUBS: {
        **_none("close", "copy", "command_line", "cursor"),
        "drain": Need.ADMIN,
        "invite": Need.ADMIN,
        "remove": Need.ADMIN,
    },
}


WITHOUT_ROW: Mapping[Context, frozenset[str]] = {
    Context.TABLE: frozenset(("filter", "clear", "sort_next", "sort_reverse", "columns", "cursor")),
    Context.NODES: frozenset(("invite",)),
    Context.SESSIONS: frozenset(),
    Context.TUNNELS: frozenset(("open_tunnel",)),
    Context.AUDIT: frozenset(("pause", "all_hubs", "acknowledge")),
    Context.PROCESSES: frozenset(),
    Context.FILES: frozenset(
        ("above", "other_pane", "make_folder", "go_to", "hidden", "reload", "stop", "close"),
    ),
    Context.WALL: frozenset(("go", "turn", "back")),
    Context.ACCESS: frozenset(("close", "command_line", "invite", "lock", "cursor")),
    Context.HUBS: frozenset(("close", "command_line", "cursor", "invite")),
}
"""Where there are rows, the actions that do something without one. All others there are about rows."""


def need_of(context: Context, action: str) -> Need | None:
    """Return what an action of a key takes, with or without its parameters."""
    return NEEDS[context].get(action.partition("(")[0])


def takes_row(context: Context, action: str) -> bool:
    """Tell whether an action of a key does nothing where there is no row."""
    name = action.partition("(")[0]
    return name in NEEDS[context] and context in WITHOUT_ROW and name not in WITHOUT_ROW[context]
