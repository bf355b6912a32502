"""What hundreds of consoles in one process would each do anew, though none shows anything else for it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.cheaper_messages import have_cheaper_messages
from support.known_styles import KnownStyles
from textual import strip
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.app import App
from textual.css import stylesheet
from textual.geometry import Region

AT_LAST = 0.5
"""Seconds after which a console draws that nobody looks at."""

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
        _draw_at_the_end(patch)
        KnownStyles().patch(patch)
        have_cheaper_messages(patch)
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
    """Have widgets draw what a test looks at, and not each frame on the way there: it was a third of a console.

    Where nobody looks, they draw before their screen goes or the console ends, or a moment later, so that what cannot
    be drawn is noticed. A console without a terminal puts no frame together; what is made of lines for pictures stays:
    it is simplified, or asked for as strips.
    """
    whole, strips = Compositor.render_full_update, Compositor.render_strips

    def render_full_update(self: Any, simplify: bool = False) -> Any:
        if simplify:
            self._undrawn = Region()
            return whole(self, simplify)
        put_off(self, self.size.region)
        return None

    def render_partial_update(self: Any) -> None:
        put_off(self, *self._dirty_regions)

    def put_off(self: Any, *regions: Region) -> None:
        self._dirty_regions.clear()
        if regions:
            self._beneath = visible_screen_stack.get()
            if not self._undrawn:
                asyncio.get_running_loop().call_later(AT_LAST, self.root.call_next, _draw, self)
            self._undrawn = Region.from_union(list({*regions, self._undrawn or regions[0]}))

    def render_strips(self: Any, size: Any = None) -> Any:
        _draw(self)
        return strips(self, size)

    patch.setattr(Compositor, "_undrawn", Region(), raising=False)
    patch.setattr(Compositor, "render_full_update", render_full_update)
    patch.setattr(Compositor, "render_partial_update", render_partial_update)
    patch.setattr(Compositor, "render_strips", render_strips)


def _draw_at_the_end(patch: pytest.MonkeyPatch) -> None:
    """Have a screen draw what nobody has looked at before it goes."""
    replace_screen, shutdown = App._replace_screen, App._shutdown

    async def replace(self: Any, screen: Any) -> Any:
        _draw(screen._compositor)
        return await replace_screen(self, screen)

    async def end(self: Any) -> None:
        if self._screen_stack and not self._exception:
            _draw(self.screen._compositor)
        await shutdown(self)

    patch.setattr(App, "_replace_screen", replace)
    patch.setattr(App, "_shutdown", end)


def _draw(compositor: Any) -> None:
    undrawn = compositor._undrawn
    if not undrawn:
        return
    compositor._undrawn = Region()
    # A dialog draws what is beneath it too, and keeps it.
    token = visible_screen_stack.set(compositor._beneath)
    try:
        for _ in compositor._get_renders(undrawn.intersection(compositor.size.region)):
            pass
    finally:
        visible_screen_stack.reset(token)


class _NothingKept:
    """A cache that has forgotten whatever is looked for."""

    def get(self, _key: Any, default: Any = None) -> Any:
        return default

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass


_NOTHING_KEPT = _NothingKept()
