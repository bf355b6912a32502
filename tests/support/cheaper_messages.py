"""What Textual finds anew for each message, though it is the same for all widgets of a class: a tenth of a console."""

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Self

import pytest
from textual import _callback, message_pump
from textual.message import Message
from textual.message_pump import MessagePump

Handler = tuple[type, Callable[..., Any]]

_find, _count = MessagePump._get_dispatch_methods, _callback._count_parameters


def have_cheaper_messages(patch: pytest.MonkeyPatch) -> None:
    """Have widgets know who handles a message and what that takes, and tell no log of it: nobody reads one."""
    patch.setattr(MessagePump, "_get_dispatch_methods", _KnownHandlers().of)
    patch.setattr(_callback, "_count_parameters", _KnownCounts().of)
    patch.setattr(message_pump, "log", _NoLog())


class _KnownHandlers:
    """Where the handlers of a kind of message stand in a class of widgets; those are looked up there each time."""

    def __init__(self) -> None:
        self._found: dict[tuple[type, str, type], list[tuple[type, str, Any]] | None] = {}

    @property
    def of(self) -> Callable[[MessagePump, str, Message], Iterator[Handler]]:
        """The method that finds them."""

        def handlers(pump: MessagePump, name: str, message: Message) -> Iterator[Handler]:
            key = (type(pump), name, type(message))
            if key not in self._found:
                self._found[key] = _places(*key)
            places = self._found[key]
            return iter(_find(pump, name, message)) if places is None else _handlers(places, pump, message)

        return handlers


def _places(pump: type, name: str, message: type) -> list[tuple[type, str, Any]] | None:
    """Class, attribute and, of one that is told by a decorator, function; `None` where a selector has to decide."""
    found: list[tuple[type, str, Any]] = []
    known: set[Any] = set()
    for cls in pump.__mro__:
        decorated = cls.__dict__.get("_decorated_handlers") or {}
        for kind in message.__mro__:
            for function, selectors in decorated.get(kind, ()):
                if selectors:
                    return None
                if function not in known:
                    found.append((cls, "", function))
                    known.add(function)
        named = next((each for each in (f"_{name}", name) if cls.__dict__.get(each)), "")
        if named and not getattr(cls.__dict__[named], "_textual_on", None):
            found.append((cls, named, None))
    return found


def _handlers(places: list[tuple[type, str, Any]], pump: MessagePump, message: Message) -> Iterator[Handler]:
    for cls, name, function in places:
        # One that has handled it may have said that those of the classes above are to leave it.
        if message._no_default_action:
            return
        yield cls, (function or cls.__dict__[name]).__get__(pump, cls)


class _KnownCounts:
    """How many parameters a function has, by its code: many are made anew each time they are called back."""

    def __init__(self) -> None:
        self._known: dict[tuple[CodeType, bool], int] = {}

    def of(self, function: Callable[..., Any]) -> int:
        plain = getattr(function, "__func__", function)
        code = getattr(plain, "__code__", None)
        if code is None or hasattr(plain, "__wrapped__"):
            return _count(function)
        key = (code, plain is function)
        if key not in self._known:
            self._known[key] = _count(function)
        return self._known[key]


class _NoLog:
    """Takes what is logged, and forgets it."""

    @property
    def event(self) -> Self:
        return self

    def verbosity(self, _is_high: bool) -> Self:
        return self

    def warning(self, *_words: object) -> None:
        pass

    def __call__(self, *_words: object) -> None:
        pass
