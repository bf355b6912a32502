"""A choice of one among several."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Select


class Choice(Select[str], inherit_bindings=False):
    """Opens by enter or space: arrows go on to the next field, as from any other."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "show_overlay", show=False)]
