"""What hundreds of consoles in one process would each do anew, though none shows anything else for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.known_styles import KnownStyles
from textual import strip
from textual._compositor import Compositor
from textual.css import stylesheet
from textual.geometry import Region

_PLAIN = Compositor.render_partial_update


@contextmanager
def cheaper_consoles() -> Iterator[None]:
    """Have consoles show what they show, for less processor time; within another such context nothing is left to do."""
    if Compositor.render_partial_update is not _PLAIN:
        # What is known of styles is known once: of what another would give to a widget, this one would not hear.
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        _parse_once(patch)
        _draw_what_nobody_puts_together(patch)
        KnownStyles().patch(patch)
        # Each strip of each line has seven of these, for what is cut from it: to make them takes more than they save.
        patch.setattr(strip, "FIFOCache", lambda _maxsize: _NOTHING_KEPT)
        yield


def _parse_once(patch: pytest.MonkeyPatch) -> None:
    """Each console reads the same style sheets, which say the same where a theme's colours do: a tenth of a start."""
    known: dict[Any, tuple[Any, ...]] = {}
    variables: dict[Any, Any] = {}
    tokenize, parse = stylesheet.tokenize_values, stylesheet.parse

    def tokenize_once(values: dict[str, str]) -> Any:
        key = tuple(values.items())
        if key not in variables:
            variables[key] = tokenize(values)
        return variables[key]

    def parse_once(scope: str, css: str, read_from: Any, *, variable_tokens: Any, **options: Any) -> tuple[Any, ...]:
        # Those of the same values are the same object, which is kept.
        key = (scope, css, read_from, id(variable_tokens), *options.items())
        if key not in known:
            known[key] = tuple(parse(scope, css, read_from, variable_tokens=variable_tokens, **options))
        return known[key]

    patch.setattr(stylesheet, "tokenize_values", tokenize_once)
    patch.setattr(stylesheet, "parse", parse_once)


def _draw_what_nobody_puts_together(patch: pytest.MonkeyPatch) -> None:
    """Have widgets draw their lines for each frame, of which a console without a terminal makes nothing then.

    What is made of them for pictures stays: it is simplified, or asked for as strips.
    """
    whole = Compositor.render_full_update

    def render_full_update(self: Any, simplify: bool = False) -> Any:
        if simplify:
            return whole(self, simplify)
        self._dirty_regions.clear()
        return _drawn(self, self.size.region)

    def render_partial_update(self: Any) -> None:
        regions = self._dirty_regions.copy()
        self._dirty_regions.clear()
        if regions:
            _drawn(self, Region.from_union(regions).intersection(self.size.region))

    patch.setattr(Compositor, "render_full_update", render_full_update)
    patch.setattr(Compositor, "render_partial_update", render_partial_update)


def _drawn(compositor: Any, crop: Region) -> None:
    for _ in compositor._get_renders(crop):
        pass


class _NothingKept:
    """A cache that has forgotten whatever is looked for."""

    def get(self, _key: Any, default: Any = None) -> Any:
        return default

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass


_NOTHING_KEPT = _NothingKept()
