"""Tables of options for the documents."""

from collections.abc import Iterable

from omnyshell.options.option import Option

COLUMNS = ("option", "by default", "what it is")


def option_table(options: Iterable[Option]) -> str:
    """Return the options as a table in Markdown; those that take effect at the next start only are marked."""
    rows = [_row(option) for option in options]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _row(option: Option) -> tuple[str, str, str]:
    metavar = f" {option.metavar}" if option.metavar and option.kind != "flag" else ""
    name = option.name if not option.is_in_file_only else option.toml_key
    default = f"`{option.shown_default}`" if option.shown_default else ""
    text = option.help.replace("|", "\\|")
    words = [text]
    if option.choices:
        words.append(f"one of {', '.join(f'`{choice}`' for choice in option.choices)}")
    if option.restart:
        words.append("needs a restart")
    return f"`{name}{metavar}`".replace("|", "\\|"), default, "; ".join(words)
