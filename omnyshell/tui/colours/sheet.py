"""What Textual's own widgets need besides a theme."""

from typing import Final

CSS: Final = """
* {
    scrollbar-background: $surface;
    scrollbar-background-hover: $surface;
    scrollbar-background-active: $surface;
    scrollbar-color: $thumb;
    scrollbar-color-hover: $thumb-hover;
    scrollbar-color-active: $primary;
}
Toast, Tooltip { color: $bar-text; }
CommandPalette { background: $veil; }
CommandPalette #--input { border: hkey $palette-line; }
CommandPalette #--input.--list-visible { border-bottom: none; }
CommandList.--visible { border-bottom: hkey $palette-line; }
CommandList > .option-list--option-highlighted {
    color: $block-cursor-foreground; background: $block-cursor-background; text-style: $block-cursor-text-style;
}
Select > SelectCurrent {
    background: $panel; color: $bar-text;
    & .arrow { color: $bar-muted; background: transparent; }
    & Static#label { color: $bar-text; background: transparent; }
}
Select:focus > SelectCurrent {
    background: $block-cursor-background; background-tint: transparent;
    & .arrow, & Static#label { color: $block-cursor-foreground; text-style: $choice-style; }
}
.-plain Button.-primary, .-plain Button.-error { background: $surface; }
Input > .input--placeholder, Input > .input--suggestion { color: $field-hint; }
"""
