"""What pictures must not depend on, and what all consoles read alike."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from textual.css import stylesheet

from omnyshell.tui import notices


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stylesheet, "tokenize_values", tokenize_once)
        patch.setattr(stylesheet, "parse", parse_once)
        yield


@pytest.fixture(autouse=True)
def _one_place_and_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    # However long keys take on a busy machine, what they had told is there when a test looks.
    monkeypatch.setattr(notices, "SEEN_AFTER", math.inf)
    yield
    monkeypatch.undo()
    time.tzset()
